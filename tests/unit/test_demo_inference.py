import ast
import io
import json
from pathlib import Path

import numpy as np
import pytest

from demo import inference
from demo.training import held_out, train

ROWS = held_out().measures[:5]


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model.joblib").write_bytes(train(3).saved)
    return inference.model_fn(str(tmp_path))


def npy(rows):
    binary = io.BytesIO()
    np.save(binary, np.array(rows))
    return binary.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(ROWS), "application/json"),
        (json.dumps(ROWS).encode(), "application/json; charset=utf-8"),
        ("\n".join(",".join(map(str, row)) for row in ROWS), "text/csv"),
        (npy(ROWS), "application/x-npy"),
    ],
)
def test_a_request_is_answered_as_the_model_answers_in_every_content_type(model, body, content_type):
    prediction = inference.predict_fn(inference.input_fn(body, content_type), model)
    assert prediction.tolist() == train(3).predictions[:5]


def test_one_row_of_csv_is_one_flower():
    assert inference.input_fn("5.1,3.5,1.4,0.2", "text/csv").shape == (1, 4)


@pytest.mark.parametrize(
    ("accept", "read"),
    [
        ("application/json", lambda body: json.loads(body)),
        ("text/csv", lambda body: body.split()),
        ("application/x-npy", lambda body: np.load(io.BytesIO(body)).tolist()),
    ],
)
def test_an_answer_is_written_in_the_type_that_was_asked_for(accept, read):
    body, written = inference.output_fn(np.array(["setosa", "virginica"]), accept)
    assert written == accept
    assert read(body) == ["setosa", "virginica"]


def test_an_unknown_type_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"text/html.*application/json, text/csv or application/x-npy"):
        inference.input_fn("", "text/html")
    with pytest.raises(ValueError, match=r"text/html.*application/json, text/csv or application/x-npy"):
        inference.output_fn(np.array([]), "text/html")


def test_npy_with_pickled_objects_is_refused():
    with pytest.raises(ValueError, match="allow_pickle"):
        inference.input_fn(npy(np.array([{}], dtype=object)), "application/x-npy")


def test_the_code_in_the_archive_imports_only_what_the_container_has():
    tree = ast.parse(Path(inference.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"io", "json", "pathlib", "typing", "joblib", "numpy"}
