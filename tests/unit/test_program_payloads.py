"""Requests and answers of the default programs, with pandas as in AWS's containers and without it."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

CONTAINERS = Path(__file__).parents[2] / "registry" / "containers"
JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


def load() -> Any:
    spec = importlib.util.spec_from_file_location(
        "mlflow_payloads", CONTAINERS / "common" / "mlflow_payloads.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


payloads = load()


@pytest.fixture(params=["with pandas", "without pandas"])
def has_pandas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "with pandas":
        pytest.importorskip("pandas")
        return True
    monkeypatch.setitem(sys.modules, "pandas", None)
    return False


SPLIT = {"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2.5], [3, 4.5]]}}
TABLES = [
    (SPLIT, JSON),
    ({"dataframe_records": [{"b": 1, "a": 2.5}, {"b": 3, "a": 4.5}]}, JSON),
    ({"dataframe_records": [{"b": 1, "a": 2.5}, {"a": 4.5, "b": 3}]}, JSON),
    ({"inputs": {"b": [1, 3], "a": [2.5, 4.5]}}, JSON),
    ("b,a\n1,2.5\n3,4.5\n", CSV),
    ("\ufeffb,a\r\n1,2.5\r\n3,4.5\r\n", "text/csv; charset=utf-8"),
]


@pytest.mark.parametrize(("body", "kind"), TABLES)
def test_a_request_with_columns_becomes_a_table_in_the_order_of_its_columns(
    has_pandas: bool, body: Any, kind: str
) -> None:
    rows = payloads.input_fn(body if isinstance(body, str) else json.dumps(body), kind)
    assert np.asarray(rows.values).tolist() == [[1, 2.5], [3, 4.5]]
    assert not has_pandas or list(rows.values.columns) == ["b", "a"]
    assert rows.is_mlflow is (kind == JSON)


@pytest.mark.parametrize(
    ("body", "kind"),
    [("[[1, 2.5], [3, 4.5]]", JSON), ('{"instances": [[1, 2.5], [3, 4.5]]}', JSON), ("1,2.5\n3,4.5", CSV)],
)
def test_a_request_without_columns_becomes_an_array(has_pandas: bool, body: str, kind: str) -> None:
    values = payloads.input_fn(body.encode(), kind).values
    assert isinstance(values, np.ndarray)
    assert values.tolist() == [[1, 2.5], [3, 4.5]]


def test_texts_in_csv_are_a_table_without_names_when_the_first_line_has_numbers() -> None:
    pytest.importorskip("pandas")
    values = payloads.input_fn('1,"a, b"\n2,c\n', CSV).values
    assert values.to_numpy().tolist() == [[1, "a, b"], [2, "c"]]


def test_a_pickle_in_an_npy_request_is_not_opened() -> None:
    binary = io.BytesIO()
    np.save(binary, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        payloads.input_fn(binary.getvalue(), NPY)


@pytest.mark.parametrize(
    ("values", "as_csv"),
    [
        ([1, 2], "1\n2\n"),
        ([[0.5, 1.0]], "0.5,1.0\n"),
        (["a", "b"], "a\nb\n"),
        (3.5, "3.5\n"),
        ([True], "True\n"),
        ([], ""),
    ],
)
def test_predictions_are_written_as_json_csv_and_npy(values: Any, as_csv: str) -> None:
    rows = payloads.Rows(np.array(values), is_mlflow=False)
    assert json.loads(payloads.output_fn(rows, JSON)[0]) == values
    assert payloads.output_fn(rows, CSV) == (as_csv, CSV)
    assert np.load(io.BytesIO(payloads.output_fn(rows, NPY)[0])).tolist() == values


@pytest.mark.parametrize("accept", ["", "*/*", JSON, "application/json; charset=utf-8", None])
def test_json_is_the_answer_unless_another_is_asked_for(accept: str | None) -> None:
    assert payloads.output_fn(payloads.Rows([1], is_mlflow=True), accept) == ('{"predictions": [1]}', JSON)


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1)
)
def test_numbers_come_through_every_form_unchanged(rows: list[list[float]]) -> None:
    for kind in (JSON, CSV, NPY):
        body, _ = payloads.output_fn(payloads.Rows(np.array(rows), is_mlflow=False), kind)
        assert payloads.input_fn(body, kind).values.tolist() == rows


@pytest.mark.parametrize("file", sorted(CONTAINERS.rglob("*.py")), ids=lambda file: file.parent.name)
def test_programs_are_python_3_8_as_the_oldest_containers_have_it(file: Path) -> None:
    import ast

    ast.parse(file.read_text(), feature_version=(3, 8))
