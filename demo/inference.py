"""The demo model's own code. It goes into model.tar.gz and runs in SageMaker's scikit-learn container, not in this project.

The container calls the four functions: https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html
"""

import io
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


def model_fn(model_dir: str) -> Any:
    """Load the model from the unpacked archive."""
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body: str | bytes, content_type: str) -> Any:
    """Read rows of four measures in cm, as 64-bit floats, the precision that the model was trained with.

    Raises:
        ValueError: another content type than JSON, CSV or NPY; the container answers with an error.
    """
    raw = body.encode() if isinstance(body, str) else body
    kind = _plain(content_type)
    if kind == JSON:
        return np.array(json.loads(raw), dtype=np.float64)
    if kind == CSV:
        return np.loadtxt(io.BytesIO(raw), delimiter=",", ndmin=2)
    if kind == NPY:
        return np.load(io.BytesIO(raw), allow_pickle=False)
    message = f"content type {content_type} is not known; send {JSON}, {CSV} or {NPY}"
    raise ValueError(message)


def predict_fn(data: Any, model: Any) -> Any:
    """Name the species of each row."""
    return model.predict(data)


def output_fn(prediction: Any, accept: str) -> tuple[bytes | str, str]:
    """Write the species as a JSON list, as CSV with one a line, or as NPY.

    Raises:
        ValueError: another type is asked for.
    """
    kind = _plain(accept)
    if kind == JSON:
        return json.dumps(prediction.tolist()), JSON
    if kind == CSV:
        return "\n".join(prediction.tolist()) + "\n", CSV
    if kind == NPY:
        binary = io.BytesIO()
        np.save(binary, prediction)
        return binary.getvalue(), NPY
    message = f"accept {accept} is not known; ask for {JSON}, {CSV} or {NPY}"
    raise ValueError(message)


def _plain(content_type: str) -> str:
    """Cut parameters such as the charset off."""
    return content_type.partition(";")[0].strip().lower()
