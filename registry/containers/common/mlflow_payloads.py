"""Requests and answers of the default programs. Copied into model archives; runs in AWS's containers, not in this project.

Requests: JSON (rows as a list, or MLflow's ``dataframe_split``, ``dataframe_records``, ``instances`` and ``inputs``),
CSV with or without a header, NPY. Answers: JSON, CSV or NPY; who asks in MLflow's form is answered in it
(``{"predictions": …}``).
MLflow's forms: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""

import io
import json
import sys
from pathlib import Path

import numpy as np

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class Rows:
    """What was asked, or answered: the values, and whether in MLflow's form."""

    def __init__(self, values, is_mlflow):
        self.values, self.is_mlflow = values, is_mlflow


def told(model_dir):
    """What the archive says of its model; modules that came with the model become importable."""
    given = json.loads((Path(model_dir) / "sagemaker_model.json").read_text(encoding="utf-8"))
    if given["code"]:
        sys.path.insert(0, str(Path(model_dir) / given["code"]))
    return given


def input_fn(body, content_type):
    """Read a request.

    Raises:
        ValueError: another content type, or another form; the text says which are known.
    """
    raw = body.encode() if isinstance(body, str) else bytes(body)
    kind = plain(content_type)
    if kind == JSON:
        return _from_json(json.loads(raw))
    if kind == CSV:
        return Rows(_from_csv(raw.decode("utf-8-sig")), is_mlflow=False)
    if kind == NPY:
        return Rows(np.load(io.BytesIO(raw), allow_pickle=False), is_mlflow=False)
    message = f"content type {content_type} is not known; send {JSON}, {CSV} or {NPY}"
    raise ValueError(message)


def predict_fn(rows, predict):
    """Ask the model."""
    return Rows(predict(rows.values), rows.is_mlflow)


def output_fn(rows, accept):
    """Write an answer: (body, content type).

    Raises:
        ValueError: another type is asked for.
    """
    values, kind = np.asarray(rows.values), plain(accept)
    if kind in (JSON, "*/*", ""):
        listed = values.tolist()
        return json.dumps({"predictions": listed} if rows.is_mlflow else listed), JSON
    if kind == CSV:
        table = values.reshape(len(values) if values.ndim else 1, -1).tolist() if values.size else []
        return "".join(",".join(_cell(cell) for cell in row) + "\n" for row in table), CSV
    if kind == NPY:
        binary = io.BytesIO()
        # Texts and mixtures are Python objects to numpy, which only a pickle could hold.
        np.save(binary, values.astype(str) if values.dtype == object else values, allow_pickle=False)
        return binary.getvalue(), NPY
    message = f"accept {accept} is not known; ask for {JSON}, {CSV} or {NPY}"
    raise ValueError(message)


def plain(content_type):
    """Cut parameters such as the charset off."""
    return (content_type or JSON).partition(";")[0].strip().lower()


def _from_json(document):
    if isinstance(document, list):
        return Rows(np.array(document), is_mlflow=False)
    form = next((name for name in FORMS if isinstance(document, dict) and name in document), None)
    if form is None:
        message = f"the JSON is neither a list of rows nor an object with one of {', '.join(FORMS)}"
        raise ValueError(message)
    content = document[form]
    if form == "dataframe_split":
        return Rows(_table(content["data"], content.get("columns")), is_mlflow=True)
    if isinstance(content, dict):  # columns by name
        names = list(content)
        return Rows(_table(list(zip(*content.values())), names), is_mlflow=True)
    if content and isinstance(content[0], dict):  # rows by name
        names = list(content[0])
        return Rows(_table([[row[name] for name in names] for row in content], names), is_mlflow=True)
    return Rows(np.array(content), is_mlflow=True)


def _from_csv(text):
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    if rows and all(_is_number(cell) for row in rows for cell in row):
        return np.array(rows, dtype=float)
    # The first line names the columns when nothing in it is a number, as MLflow sends CSV.
    has_header = bool(rows) and not any(_is_number(cell) for cell in rows[0])
    try:
        import pandas
    except ImportError:
        names = [cell.strip() for cell in rows[0]] if has_header else None
        numbers = [[float(cell) for cell in row] for row in (rows[1:] if has_header else rows)]
        return _table(numbers, names)
    return pandas.read_csv(io.StringIO(text), header=0 if has_header else None)


def _table(data, names):
    """Rows with names as a DataFrame, where pandas is there: models trained on one look at the names."""
    if names is None:
        return np.array(data)
    try:
        import pandas
    except ImportError:
        return np.array(data)
    return pandas.DataFrame(data, columns=names)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _cell(value):
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\n') else text
