"""What goes where in model.tar.gz, by flavour."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from registry.artifacts import ArtifactFile
from registry.errors import ArtifactError
from registry.layout import ArchivePlan, plan_archive

CODE = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
SKLEARN = {
    "flavors": {
        "python_function": {
            "loader_module": "mlflow.sklearn",
            "model_path": "model.skops",
            "predict_fn": "predict",
        },
        "sklearn": {
            "code": None,
            "pickled_model": "model.skops",
            "serialization_format": "skops",
            "sklearn_version": "1.9.1",
            "skops_trusted_types": ["sklearn.tree._tree.Tree"],
        },
    }
}
"""As MLflow 3.17.2 writes it."""

XGBOOST = {
    "flavors": {
        "python_function": {"data": "model.ubj", "loader_module": "mlflow.xgboost"},
        "xgboost": {
            "data": "model.ubj",
            "model_class": "xgboost.sklearn.XGBClassifier",
            "model_format": "ubj",
        },
    }
}
REQUIREMENTS = (
    "mlflow==3.17.2\nnumpy==2.4.6\npandas==3.1.1\nscikit-learn==1.9.1\nscipy==1.17.1\nskops==0.16.0"
)


def files(*paths: str) -> list[ArtifactFile]:
    return [ArtifactFile(path, len(path)) for path in paths]


def placed(plan: ArchivePlan) -> dict[str, str | None]:
    return {entry.path: entry.artifact for entry in plan.entries}


def content(plan: ArchivePlan, path: str) -> bytes:
    return next(entry.content for entry in plan.entries if entry.path == path and entry.content is not None)


def changed(mlmodel: dict[str, Any], flavour: str, **words: Any) -> dict[str, Any]:
    flavors = mlmodel["flavors"]
    return {"flavors": {**flavors, flavour: {**flavors.get(flavour, {}), **words}}}


def test_scikit_learn_gets_its_whole_directory_and_our_program() -> None:
    plan = plan_archive(
        SKLEARN, files("MLmodel", "model.skops", "requirements.txt"), requirements=REQUIREMENTS
    )
    assert placed(plan) == {
        "MLmodel": "MLmodel",
        "code/inference.py": None,
        "code/mlflow_payloads.py": None,
        "code/requirements.txt": None,
        "model.skops": "model.skops",
        "requirements.txt": "requirements.txt",
        "sagemaker_model.json": None,
    }
    assert (plan.flavour, plan.environment) == ("sklearn", CODE)
    assert content(plan, "code/requirements.txt") == b"skops==0.16.0\n"
    assert json.loads(content(plan, "sagemaker_model.json")) == {
        "code": None,
        "file": "model.skops",
        "format": "skops",
        "predict": "predict",
        "trusted_types": ["sklearn.tree._tree.Tree"],
    }


def test_xgboost_gets_its_whole_directory_and_our_program_and_needs_nothing_installed() -> None:
    plan = plan_archive(XGBOOST, files("MLmodel", "model.ubj"), requirements="xgboost==3.2.0\nmlflow==3")
    assert set(placed(plan)) == {
        "MLmodel",
        "code/inference.py",
        "code/mlflow_payloads.py",
        "model.ubj",
        "sagemaker_model.json",
    }
    assert json.loads(content(plan, "sagemaker_model.json"))["model_class"] == "XGBClassifier"


def test_python_function_gets_its_whole_directory_and_no_program_as_its_image_has_one() -> None:
    plan = plan_archive(
        {"flavors": {"python_function": {}}}, files("MLmodel", "python_model.pkl", "code/own.py")
    )
    assert list(placed(plan)) == ["MLmodel", "code/own.py", "python_model.pkl"]
    assert plan.environment == {}


@pytest.mark.parametrize(
    ("flavour", "words", "folder"),
    [
        ("tensorflow", {"saved_model_dir": "tfmodel"}, "tfmodel"),
        ("tensorflow", {}, "tfmodel"),
        ("tensorflow", {"data": "data"}, "data/model"),
        ("keras", {"data": "data"}, "data/model"),
        ("keras", {}, "data/model"),
    ],
)
def test_tensorflow_and_keras_get_their_saved_model_as_version_one(
    flavour: str, words: dict[str, Any], folder: str
) -> None:
    plan = plan_archive(
        {"flavors": {flavour: words}},
        files("MLmodel", f"{folder}/saved_model.pb", f"{folder}/variables/variables.index", "conda.yaml"),
    )
    assert placed(plan) == {
        "model/1/saved_model.pb": f"{folder}/saved_model.pb",
        "model/1/variables/variables.index": f"{folder}/variables/variables.index",
    }


def test_keras_without_a_saved_model_is_refused_with_a_way_out() -> None:
    with pytest.raises(
        ArtifactError, match=r"no SavedModel .* in data/model, tfmodel\).*sagemaker_deploy_flavor"
    ):
        plan_archive({"flavors": {"keras": {"data": "data"}}}, files("MLmodel", "data/model.keras"))


def test_other_flavours_get_the_content_of_data_model_at_the_root() -> None:
    mlmodel = {"flavors": {"pytorch": {"model_data": "data"}, "python_function": {}}}
    plan = plan_archive(mlmodel, files("MLmodel", "data/model/model.pth", "data/model/extra/a", "data/x"))
    assert placed(plan) == {"extra/a": "data/model/extra/a", "model.pth": "data/model/model.pth"}


def test_other_flavours_without_data_model_get_the_whole_directory() -> None:
    plan = plan_archive({"flavors": {"lightgbm": {}}}, files("MLmodel", "model.lgb"))
    assert list(placed(plan)) == ["MLmodel", "model.lgb"]


def test_a_model_served_as_python_function_gets_that_layout() -> None:
    paths = ["MLmodel", "data/model/saved_model.pb"]
    plan = plan_archive(
        {"flavors": {"keras": {}, "python_function": {}}}, files(*paths), flavour="python_function"
    )
    assert (list(placed(plan)), plan.flavour) == (paths, "python_function")


@pytest.mark.parametrize("mlmodel", [SKLEARN, XGBOOST])
def test_defect_16_a_program_in_the_artifacts_own_folder_is_used(mlmodel: dict[str, Any]) -> None:
    plan = plan_archive(
        mlmodel,
        files(
            "MLmodel", "sagemaker/inference.py", "sagemaker/requirements.txt", "sagemaker/helpers/tools.py"
        ),
        requirements=REQUIREMENTS,
    )
    assert placed(plan) == {
        "MLmodel": "MLmodel",
        "code/helpers/tools.py": "sagemaker/helpers/tools.py",
        "code/inference.py": "sagemaker/inference.py",
        "code/requirements.txt": "sagemaker/requirements.txt",
    }
    assert plan.environment == CODE


@pytest.mark.parametrize(
    ("flavour", "paths"),
    [("keras", ["data/model/saved_model.pb"]), ("pytorch", ["data/model/m.pth"]), ("python_function", ["a"])],
)
def test_defect_16_a_program_of_the_artifact_works_for_every_flavour(flavour: str, paths: list[str]) -> None:
    plan = plan_archive({"flavors": {flavour: {}}}, files(*paths, "sagemaker/inference.py"))
    assert placed(plan)["code/inference.py"] == "sagemaker/inference.py"
    assert plan.environment == CODE


def test_requirements_alone_of_the_artifact_go_with_our_program() -> None:
    plan = plan_archive(
        SKLEARN, files("model.skops", "sagemaker/requirements.txt"), requirements=REQUIREMENTS
    )
    assert placed(plan)["code/requirements.txt"] == "sagemaker/requirements.txt"
    assert placed(plan)["code/inference.py"] is None


def test_a_program_alone_of_the_artifact_still_gets_what_the_model_needs() -> None:
    plan = plan_archive(SKLEARN, files("model.skops", "sagemaker/inference.py"), requirements=REQUIREMENTS)
    assert content(plan, "code/requirements.txt") == b"skops==0.16.0\n"


def test_modules_of_the_model_in_its_own_code_folder_are_not_overwritten() -> None:
    mlmodel = changed(SKLEARN, "python_function", code="code")
    plan = plan_archive(mlmodel, files("model.skops", "code/inference.py", "code/own/__init__.py"))
    assert placed(plan)["code/inference.py"] == "code/inference.py"
    assert placed(plan)["code_2/inference.py"] is None
    assert plan.environment["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code_2"
    assert json.loads(content(plan, "sagemaker_model.json"))["code"] == "code"


def test_a_file_named_code_is_no_reason_to_fail() -> None:
    plan = plan_archive(SKLEARN, files("model.skops", "code"))
    assert placed(plan)["code_2/inference.py"] is None


def test_a_file_with_the_name_of_ours_at_the_root_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"two files of one name .*sagemaker_model\.json"):
        plan_archive(SKLEARN, files("model.skops", "sagemaker_model.json"))


@pytest.mark.parametrize(
    ("saved_as", "given", "is_exact", "expected"),
    [
        ("skops", None, True, "skops\n"),
        ("cloudpickle", "mlflow==2\ncloudpickle==3.1.3\nnumpy==2.4", True, "cloudpickle==3.1.3\n"),
        ("pickle", "mlflow==2\nnumpy==2.4\nscikit_learn == 1.9.1", True, None),
        ("pickle", "MLflow-Skinny==2\nfeature-engine==1.8\n# a comment\n\n-r other.txt", True, "feature-engine==1.8\n"),
        ("pickle", "--extra-index-url https://x\nown[a]>=1 ; python_version > '3'", True,
         "--extra-index-url https://x\nown[a]>=1 ; python_version > '3'\n"),
        ("pickle", "--extra-index-url https://x\nnumpy==1", True, None),
        ("pickle", "mlflow==2\nnumpy==2.4.6\nscikit-learn==1.5.2", False, "numpy==2.4.6\nscikit-learn==1.5.2\n"),
        ("pickle", None, False, "scikit-learn==1.9.1\n"),
    ],
)  # fmt: skip
def test_only_what_the_image_lacks_is_installed(
    saved_as: str, given: str | None, is_exact: bool, expected: str | None
) -> None:
    mlmodel = changed(SKLEARN, "sklearn", serialization_format=saved_as)
    plan = plan_archive(mlmodel, files("model.skops"), requirements=given, is_exact=is_exact)
    found = [entry.content for entry in plan.entries if entry.path == "code/requirements.txt"]
    assert found == ([expected.encode()] if expected else [])


@pytest.mark.parametrize(
    ("mlmodel", "said"),
    [
        (changed(SKLEARN, "sklearn", pickled_model="/etc/passwd"), "no such file"),
        (changed(SKLEARN, "sklearn", pickled_model="../model.skops"), "no such file"),
        (changed(SKLEARN, "sklearn", pickled_model=["model.skops"]), "no such file"),
        (changed(SKLEARN, "sklearn", serialization_format="dill"), "reads skops, pickle, cloudpickle"),
        (changed(SKLEARN, "sklearn", skops_trusted_types="all"), "not a list of type names"),
        (changed(SKLEARN, "python_function", predict_fn="__class__"), "no method's name"),
        (changed(SKLEARN, "python_function", code="../../etc"), "no folder of the artifact"),
        (changed(SKLEARN, "python_function", code="/opt"), "no folder of the artifact"),
        (changed(XGBOOST, "xgboost", model_class="os.system"), "loads classes of xgboost"),
        (changed(XGBOOST, "xgboost", model_class="xgboost.sklearn.__import__"), "loads classes of xgboost"),
        ({"flavors": {"keras": {"data": "../../.."}}}, "leads elsewhere"),
        ({"flavors": {"tensorflow": {"saved_model_dir": "/"}}}, "leads elsewhere"),
        ({"flavors": {"sklearn": "text"}}, "not a mapping"),
    ],
)
def test_what_mlmodel_names_outside_of_the_artifact_is_refused(mlmodel: dict[str, Any], said: str) -> None:
    with pytest.raises(ArtifactError, match=said) as caught:
        plan_archive(mlmodel, files("MLmodel", "model.skops", "model.ubj", "data/model/saved_model.pb"))
    assert "log " in str(caught.value).lower()


@pytest.mark.parametrize("mlmodel", [{}, {"flavors": {}}, {"flavors": None}, {"flavors": ["sklearn"]}])
def test_defect_21_a_model_without_flavours_is_one_clear_error(mlmodel: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="MLmodel names no flavour"):
        plan_archive(mlmodel, files("MLmodel"))


def test_the_plan_is_the_same_in_whatever_order_files_are_listed() -> None:
    listed = files("MLmodel", "model.skops", "é", "a/b", "a.b", "Z", "sagemaker/x.py")
    shuffled = random.Random(0).sample(listed, len(listed))
    plan = plan_archive(SKLEARN, listed)
    assert plan == plan_archive(SKLEARN, shuffled)
    assert [entry.path.encode() for entry in plan.entries] == sorted(
        entry.path.encode() for entry in plan.entries
    )
