"""Which packages of a group are served under which endpoint name. Plain decisions on plain values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from registry.metadata import ENVIRONMENTS_KEY
from registry.names import endpoint_name
from registry.values import GroupRequest, IgnoredPackage, Package, Select


@dataclass(frozen=True, slots=True)
class Selection:
    """Packages to serve by endpoint name, and the others with the reason."""

    chosen: dict[str, Package]
    ignored: tuple[IgnoredPackage, ...]


def select(request: GroupRequest, environment: str, packages: Iterable[Package]) -> Selection:
    """Decide which packages of one group are served.

    Args:
        request: what the group is asked for.
        environment: ``Staging`` or ``Production``.
        packages: all versions of the group, in any order.

    Returns:
        Each package exactly once: chosen, or ignored with the reason. Where several packages claim one endpoint the
        newest version is chosen. No packages give an empty selection.
    """
    chosen: dict[str, Package] = {}
    ignored: list[IgnoredPackage] = []
    for package in sorted(packages, key=lambda package: package.version, reverse=True):
        reason = _reason_against(package, request.select, environment)
        if reason is None:
            name = endpoint_name(request.group, environment, _own_version(package, request))
            newest = chosen.setdefault(name, package)
            if newest is package:
                continue
            reason = f"version {newest.version} is newer and claims the same endpoint {name}"
        ignored.append(IgnoredPackage(package.arn, reason))
    return Selection(chosen, tuple(ignored))


def mlflow_aliases(text: str) -> frozenset[str]:
    """Read the aliases of an MLflow version from metadata ``mlflow_aliases``.

    Both stored forms are understood: Python's text of a list, ``['champion', 'blue']``, which the predecessor wrote,
    and the same without what AWS does not allow in metadata, ``champion blue``. An alias is made of letters, digits,
    ``_`` and ``-`` (MLflow's rule), so all else separates.
    """
    return frozenset(re.findall(r"[\w-]+", text))


def _own_version(package: Package, request: GroupRequest) -> str | None:
    """Give the version that an endpoint of its own is named by: MLflow's, else SageMaker's."""
    if not request.endpoint_per_version:
        return None
    return package.metadata.get("mlflow_version") or str(package.version)


def _reason_against(package: Package, wanted: Select, environment: str) -> str | None:
    if package.status != "Completed":
        return f"package status is {package.status}, not Completed"
    if package.approval != "Approved":
        return f"approval status is {package.approval}, not Approved"
    if not package.deployable:
        return "the package names no container (InferenceSpecification), so SageMaker cannot serve it"
    if wanted.kind == "MlflowStage":
        return _against_stage(package, wanted.value or environment)
    if wanted.kind == "MlflowAlias":
        return _against_alias(package, wanted.value or "")
    if wanted.kind == "LifeCycle":
        return _against_life_cycle(package, wanted.value or environment)
    return None


def _against_stage(package: Package, stage: str) -> str | None:
    environments = package.metadata.get(ENVIRONMENTS_KEY)
    if environments is not None:  # what the sync made of stage and aliases together
        served = environments.lower().split()
        return None if stage.lower() in served else f"it is for {environments}, not for {stage}"
    found = package.metadata.get("mlflow_current_stage")
    if found is None:
        return "no MLflow metadata (mlflow_current_stage): the package was not registered from MLflow"
    return None if found.lower() == stage.lower() else f"mlflow stage is {found}, not {stage}"


def _against_alias(package: Package, alias: str) -> str | None:
    if not any(key.startswith("mlflow_") for key in package.metadata):
        return "no MLflow metadata (mlflow_aliases): the package was not registered from MLflow"
    found = mlflow_aliases(package.metadata.get("mlflow_aliases", ""))
    if alias in found:
        return None
    listed = ", ".join(sorted(found)) or "none"
    return f"mlflow aliases are {listed}; {alias} is not among them"


def _against_life_cycle(package: Package, wanted: str) -> str | None:
    if package.stage is None:
        return "the package has no ModelLifeCycle"
    stage, _, status = wanted.partition("/")
    matches = package.stage.lower() == stage.lower()
    if status:
        matches = matches and (package.stage_status or "").lower() == status.lower()
    return None if matches else f"life cycle is {package.stage}/{package.stage_status}, not {wanted}"
