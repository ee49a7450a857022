"""What the default programs in the containers are told, and which packages they need: plain decisions on MLmodel's words.

The scikit-learn container has no reader of YAML, so the program gets MLmodel's few words as JSON.
"""

from collections.abc import Mapping
from typing import Any

from registry.errors import ArtifactError
from registry.mlmodel import PYFUNC, flavours, requirement_name
from registry.paths import path_problem

FORMATS = ("skops", "pickle", "cloudpickle")
"""How MLflow saves scikit-learn models (flavour sklearn, ``serialization_format``)."""

_INSTEAD = "or bring a program of your own as sagemaker/inference.py in the artifact"
# What AWS's two containers come with, by their requirements.txt (github.com/aws/sagemaker-scikit-learn-container and
# sagemaker-xgboost-container), and MLflow, which the default programs do without.
_FRAMEWORK = frozenset({"scikit-learn", "numpy", "scipy", "pandas"})
_XGBOOST = frozenset({"xgboost", "xgboost-cpu"})
_MLFLOW = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})
_OPTIONS = (
    "-i",
    "-f",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--trusted-host",
    "--pre",
    "--no-index",
)


def handler_input(flavour: str, mlmodel: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Give what the default program of a flavour must know.

    Args:
        flavour: ``sklearn`` or ``xgboost``.
        mlmodel: the MLmodel file, parsed.
        sizes: the artifact's files.

    Returns:
        ``file`` (of the model, from the archive's root), ``format``, ``predict`` (method of the model), ``code`` (folder of
        modules that the model needs, or None), and for sklearn ``trusted_types``, for xgboost ``model_class``.

    Raises:
        ArtifactError: MLmodel names a file that is not there, or a format or class that the program does not know.
    """
    content = flavours(mlmodel).get(flavour, {})
    pyfunc = flavours(mlmodel).get(PYFUNC, {})
    given: dict[str, Any] = {
        "code": _code(content.get("code") or pyfunc.get("code")),
        "predict": _method(pyfunc.get("predict_fn")),
    }
    if flavour == "sklearn":
        given["file"] = _file(content.get("pickled_model", "model.pkl"), sizes, "pickled_model")
        given["format"] = _one_of(content.get("serialization_format", "pickle"), FORMATS)
        given["trusted_types"] = _texts(content.get("skops_trusted_types"))
        return given
    given["file"] = _file(content.get("data", "model.xgb"), sizes, "data")
    given["format"] = str(content.get("model_format", "xgb"))
    given["model_class"] = _xgboost_class(content.get("model_class", "xgboost.core.Booster"))
    return given


def needed_requirements(
    flavour: str, mlmodel: Mapping[str, Any], requirements: str | None, *, is_exact: bool
) -> bytes | None:
    """Give requirements.txt for the container: what the model needs and the image lacks; None for nothing.

    Nothing needed means that the container starts without a network. An image with another minor version of scikit-learn
    gets the model's own, as pickles are valid for one only; XGBoost reads the models of older versions
    (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html).
    """
    content = flavours(mlmodel).get(flavour, {})
    kept_ones = is_exact or flavour == "xgboost"
    brought = _MLFLOW | _XGBOOST | (_FRAMEWORK if kept_ones else frozenset())
    lines = [line.strip() for line in (requirements or "").splitlines()]
    kept = [line for line in lines if (name := requirement_name(line)) and name not in brought]
    names = {requirement_name(line) for line in kept}
    saved_as = content.get("serialization_format")
    if flavour == "sklearn" and saved_as in ("skops", "cloudpickle") and saved_as not in names:
        kept.append(str(saved_as))
    version = content.get("sklearn_version")
    if not kept_ones and version and "scikit-learn" not in names:
        kept.append(f"scikit-learn=={version}")
    if not kept:
        return None
    options = [line for line in lines if line.startswith(_OPTIONS)]
    return "".join(f"{line}\n" for line in [*options, *kept]).encode()


def _file(named: Any, sizes: Mapping[str, int], key: str) -> str:
    if not isinstance(named, str) or named not in sizes:
        found = f"MLmodel says {key}: {str(named)[:200]!r}, but the artifact has no such file"
        message = f"{found}; log the model again, {_INSTEAD}"
        raise ArtifactError(message)
    return named


def _one_of(found: Any, allowed: tuple[str, ...]) -> str:
    if found not in allowed:
        message = (
            f"MLmodel says serialization_format: {str(found)[:80]!r}; the default program reads {', '.join(allowed)}. "
            f"Log the model in one of them, {_INSTEAD}"
        )
        raise ArtifactError(message)
    return str(found)


def _texts(found: Any) -> list[str]:
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        message = "MLmodel's skops_trusted_types is not a list of type names; log the model again"
        raise ArtifactError(message)
    return found


def _method(found: Any) -> str:
    if found is None:
        return "predict"
    if not isinstance(found, str) or not found.isidentifier() or found.startswith("_"):
        message = f"MLmodel says predict_fn: {str(found)[:80]!r}, which is no method's name; log the model again, {_INSTEAD}"
        raise ArtifactError(message)
    return found


def _code(found: Any) -> str | None:
    if found is None:
        return None
    if not isinstance(found, str) or path_problem(found.rstrip("/")):
        message = f"MLmodel says code: {str(found)[:200]!r}, which is no folder of the artifact; log the model again"
        raise ArtifactError(message)
    return found.rstrip("/")


def _xgboost_class(found: Any) -> str:
    parts = str(found).split(".")
    if parts[0] != "xgboost" or not all(part.isidentifier() and not part.startswith("_") for part in parts):
        message = (
            f"MLmodel says model_class: {str(found)[:80]!r}; the default program loads classes of xgboost. "
            f"Log such a model, {_INSTEAD}"
        )
        raise ArtifactError(message)
    return parts[-1]
