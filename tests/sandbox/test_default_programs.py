"""Trained models of MLflow's making, packed as they are for AWS, answer in the local cloud's real scoring."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from registry.images import choose_image
from registry.layout import plan_archive
from registry.mlmodel import read_mlmodel, read_requirements
from registry.repack import S3Target, repack
from tests.support.artifacts import MemorySource

FEATURES, CLASSES = load_iris(return_X_y=True)
ROWS = FEATURES[[0, 75, 149]]
NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
TREE = "sklearn.tree._tree.Tree"


@pytest.fixture(scope="module")
def forest() -> Any:
    return RandomForestClassifier(5, random_state=0).fit(FEATURES, CLASSES)


def mlmodel(**flavors: Any) -> bytes:
    return json.dumps({"flavors": flavors, "mlflow_version": "3.17.2"}).encode()


def sklearn_artifact(
    saved: bytes,
    name: str,
    saved_as: str | None,
    *,
    predict: str = "predict",
    trusted: list[str] | None = None,
) -> MemorySource:
    """The files as MLflow 3.17.2's `mlflow.sklearn.save_model` writes them."""
    flavour = {
        "pickled_model": name,
        "sklearn_version": "1.9.1",
        "skops_trusted_types": trusted,
        "code": None,
    }
    if saved_as:
        flavour["serialization_format"] = saved_as
    words = mlmodel(python_function={"predict_fn": predict, "model_path": name}, sklearn=flavour)
    return MemorySource(
        {"MLmodel": words, name: saved, "requirements.txt": b"mlflow==3.17.2\nscikit-learn==1.9.1"}
    )


def skops_bytes(model: Any) -> bytes:
    import skops.io

    return skops.io.dumps(model)


def serve(aws: Any, source: MemorySource) -> dict[str, Any]:
    """Pack an artifact into the local S3 and put it behind an endpoint, as the sync does."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="models")
    words, requirements = read_mlmodel(source), read_requirements(source)
    image = choose_image(words, tags={}, parameters={}, region="us-east-1", requirements=requirements)
    plan = plan_archive(
        words, source.list_files(), flavour=image.flavour, requirements=requirements, is_exact=image.is_exact
    )
    packed = repack(source, plan, S3Target(s3, "models", "m/1/model.tar.gz"))
    aws.model(Image=image.image_uri, ModelDataUrl=packed.s3_uri, Environment=dict(plan.environment))
    aws.config()
    answer = aws.endpoint()
    assert answer["EndpointStatus"] == "InService", answer.get("FailureReason")
    return answer


def ask(aws: Any, document: object) -> Any:
    return json.loads(aws.invoke(json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("name", "saved_as", "save"),
    [
        ("model.skops", "skops", skops_bytes),
        ("model.pkl", "pickle", pickle.dumps),
        ("model.pkl", None, pickle.dumps),
        ("models/own name.pkl", "pickle", pickle.dumps),
    ],
)
def test_a_scikit_learn_model_answers_in_every_form(
    aws: Any, forest: Any, name: str, saved_as: str | None, save: Callable[[Any], bytes]
) -> None:
    serve(aws, sklearn_artifact(save(forest), name, saved_as, trusted=[TREE]))
    expected = forest.predict(ROWS).tolist()
    rows = ROWS.tolist()
    by_name = [dict(zip(NAMES, row, strict=True)) for row in rows]
    assert ask(aws, rows) == expected
    for request in (
        {"dataframe_split": {"columns": NAMES, "data": rows}},
        {"dataframe_split": {"index": [0, 1, 2], "columns": NAMES, "data": rows}},
        {"dataframe_records": by_name},
        {"instances": rows},
        {"instances": by_name},
        {"inputs": rows},
        {"inputs": dict(zip(NAMES, ROWS.T.tolist(), strict=True))},
    ):
        assert ask(aws, request) == {"predictions": expected}
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    for text in (lines, ",".join(NAMES) + "\n" + lines + "\n", lines.replace("\n", "\r\n")):
        answer = aws.invoke(text.encode(), ContentType="text/csv; charset=utf-8", Accept="text/csv")
        assert [int(line) for line in answer.split()] == expected
    binary = io.BytesIO()
    np.save(binary, ROWS)
    answer = aws.invoke(binary.getvalue(), ContentType="application/x-npy", Accept="application/x-npy")
    assert np.load(io.BytesIO(answer)).tolist() == expected


def test_a_cloudpickle_model_answers(aws: Any) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    model = LogisticRegression(max_iter=500).fit(FEATURES, CLASSES)
    serve(aws, sklearn_artifact(cloudpickle.dumps(model), "model.pkl", "cloudpickle"))
    assert ask(aws, ROWS.tolist()) == model.predict(ROWS).tolist()


def test_the_method_that_mlmodel_names_is_asked(aws: Any, forest: Any) -> None:
    serve(aws, sklearn_artifact(pickle.dumps(forest), "model.pkl", "pickle", predict="predict_proba"))
    assert ask(aws, {"inputs": ROWS.tolist()}) == {"predictions": forest.predict_proba(ROWS).tolist()}
    answer = aws.invoke(b"5.1,3.5,1.4,0.2", ContentType="text/csv", Accept="text/csv")
    assert [float(cell) for cell in answer.decode().split(",")] == forest.predict_proba(FEATURES[:1])[
        0
    ].tolist()


def test_classes_that_are_texts_come_back_in_every_form(aws: Any) -> None:
    model = LogisticRegression(max_iter=500).fit(
        FEATURES, np.array(["setosa", 'a "b", c', "virginica"])[CLASSES]
    )
    serve(aws, sklearn_artifact(pickle.dumps(model), "model.pkl", "pickle"))
    expected = model.predict(ROWS).tolist()
    assert ask(aws, ROWS.tolist()) == expected
    body = json.dumps(ROWS.tolist()).encode()
    assert aws.invoke(body, Accept="text/csv").decode().splitlines()[1] == '"a ""b"", c"'
    assert np.load(io.BytesIO(aws.invoke(body, Accept="application/x-npy"))).tolist() == expected


def test_a_skops_file_with_types_that_mlmodel_does_not_trust_fails_the_endpoint_with_their_names(
    aws: Any, forest: Any
) -> None:
    with pytest.raises(
        AssertionError, match=r"Untrusted types found in the file.*sklearn\.tree\._tree\.Tree"
    ):
        serve(aws, sklearn_artifact(skops_bytes(forest), "model.skops", "skops"))


def test_a_request_in_another_form_is_refused_with_those_that_are_known(aws: Any, forest: Any) -> None:
    serve(aws, sklearn_artifact(pickle.dumps(forest), "model.pkl", "pickle"))
    for body, kind, said in (
        (
            b'{"rows": []}',
            "application/json",
            "neither a list of rows nor an object with one of dataframe_split",
        ),
        (b"3", "application/json", "neither a list"),
        (b"<a/>", "text/xml", "send application/json, text/csv or application/x-npy"),
    ):
        with pytest.raises(ClientError, match=said):
            aws.invoke(body, ContentType=kind)


def test_defect_16_a_program_of_the_artifacts_own_is_run_with_its_helpers(aws: Any, forest: Any) -> None:
    source = sklearn_artifact(pickle.dumps(forest), "model.pkl", "pickle")
    program = b"""
import helper
def model_fn(model_dir): return helper.load(model_dir)
def input_fn(body, content_type): return body
def predict_fn(data, model): return model
"""
    helper = b"def load(folder):\n    return 'own'\n"
    own = {"sagemaker/inference.py": program, "sagemaker/helper.py": helper}
    serve(aws, MemorySource({**source.files, **own}))
    assert ask(aws, [1]) == "own"


def test_modules_that_were_logged_with_the_model_are_there_when_it_is_loaded(
    aws: Any, tmp_path: Path
) -> None:
    module = b"class Twice:\n    def predict(self, rows):\n        return rows * 2\n"
    # A pickle of an instance of a class in a module that only the artifact has.
    saved = b"cmodel_of_mine\nTwice\n)\x81."
    words = mlmodel(
        python_function={"code": "code"}, sklearn={"pickled_model": "model.pkl", "sklearn_version": "1.9.1"}
    )
    serve(aws, MemorySource({"MLmodel": words, "model.pkl": saved, "code/model_of_mine.py": module}))
    assert ask(aws, [[1, 2]]) == [[2, 4]]


@pytest.fixture(scope="module")
def boosted() -> Any:
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5).fit(FEATURES, CLASSES)


def xgboost_artifact(model: Any, folder: Path, form: str, cls: str) -> MemorySource:
    """The files as MLflow 3.17.2's `mlflow.xgboost.save_model` writes them."""
    name = f"model.{form}"
    model.save_model(str(folder / name))
    words = mlmodel(
        python_function={"data": name, "loader_module": "mlflow.xgboost"},
        xgboost={
            "data": name,
            "model_class": cls,
            "model_format": form,
            "xgb_version": "3.2.0",
            "code": None,
        },
    )
    return MemorySource({"MLmodel": words, name: (folder / name).read_bytes()})


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_an_xgboost_classifier_answers(aws: Any, boosted: Any, tmp_path: Path, form: str) -> None:
    serve(aws, xgboost_artifact(boosted, tmp_path, form, "xgboost.sklearn.XGBClassifier"))
    expected = boosted.predict(ROWS).tolist()
    assert ask(aws, ROWS.tolist()) == expected
    split = {"dataframe_split": {"columns": NAMES, "data": ROWS.tolist()}}
    assert ask(aws, split) == {"predictions": expected}


def test_an_xgboost_booster_answers_also_when_its_columns_have_names(aws: Any, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    data = xgboost.DMatrix(FEATURES, CLASSES, feature_names=["a", "b", "c", "d"])
    booster = xgboost.train({"objective": "reg:squarederror"}, data, num_boost_round=3)
    serve(aws, xgboost_artifact(booster, tmp_path, "json", "xgboost.core.Booster"))
    expected = booster.predict(xgboost.DMatrix(ROWS, feature_names=["a", "b", "c", "d"]))
    assert np.allclose(ask(aws, ROWS.tolist()), expected)
    answer = aws.invoke(b"5.1,3.5,1.4,0.2\n", ContentType="text/csv", Accept="text/csv")
    assert len(answer.splitlines()) == 1
