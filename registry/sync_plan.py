"""What must change in a model package group so that it equals a registered MLflow model. Plain decisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from registry.metadata import CONTENT_KEY, changes, promotion, stored
from registry.mlflow_values import ModelVersion
from registry.values import Package

Action = Literal["register", "update", "retire", "keep", "wait", "ignore"]


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one version or one package, and why.

    Attributes:
        action: ``register`` makes a package; ``update`` writes its metadata; ``retire`` deletes it from the group;
            ``keep`` and ``ignore`` do nothing; ``wait`` does nothing until MLflow has all of the version's artifacts.
        version: MLflow's version, None for a package that is no version of the model.
        package: the package, None where there is none yet.
        write: metadata to write.
        remove: metadata keys to remove.
    """

    action: Action
    version: str | None
    package: Package | None
    reason: str
    environments: frozenset[str] = frozenset()
    write: Mapping[str, str] | None = None
    remove: tuple[str, ...] = ()


def plan_steps(
    model: str,
    versions: Sequence[ModelVersion],
    wanted: Mapping[str, frozenset[str]],
    contents: Mapping[str, str],
    packages: Iterable[Package],
    served: frozenset[str],
) -> tuple[Step, ...]:
    """Compare, and decide.

    Args:
        model: the registered model's name.
        versions: all its versions, of a complete, successful read; empty when the model was deleted.
        wanted: environments by version number (`registry.wanted`).
        contents: content digest by version number.
        packages: all packages of the group, described, in any order.
        served: ARNs of the packages that a live endpoint serves.

    Returns:
        A step for each wanted version and each package: versions by number, then packages that are no version of the model.
    """
    by_version: dict[str, list[Package]] = {}
    steps: list[Step] = []
    for package in sorted(packages, key=lambda each: each.version):
        number = version_of(package, model)
        if number is None:
            steps.append(Step("ignore", None, package, "no package of this MLflow model; never touched"))
        else:
            by_version.setdefault(number, []).append(package)
    known = {version.version: version for version in versions}
    told: list[Step] = []
    for number in sorted({*wanted, *by_version}, key=_numerically):
        own = by_version.get(number, [])
        if number not in wanted:
            told += [_unwanted_step(known.get(number), package, served) for package in own]
            continue
        current = next((each for each in reversed(own) if _is_current(each, contents.get(number))), None)
        told.append(_wanted_step(known[number], wanted[number], current))
        told += [_former_step(package, current, served) for package in own if package is not current]
    return (*told, *steps)


def version_of(package: Package, model: str) -> str | None:
    """MLflow's version of a package of the model; None for any other package."""
    name, number = package.metadata.get("mlflow_name"), package.metadata.get("mlflow_version")
    return number if number and name is not None and stored(name) == stored(model) else None


def _is_current(package: Package, content: str | None) -> bool:
    """Whether a package was made from what the version is now; the predecessor's say nothing of that and count as such."""
    found = package.metadata.get(CONTENT_KEY)
    return package.status not in ("Failed", "Deleting") and (
        found is None or content is None or found == content
    )


def _wanted_step(version: ModelVersion, environments: frozenset[str], package: Package | None) -> Step:
    where = " and ".join(sorted(environments))
    if package is None and version.status not in ("READY", ""):
        return Step(
            "wait",
            version.version,
            None,
            f"MLflow says {version.status}: its artifacts are not complete",
            environments,
        )
    if package is None:
        return Step(
            "register", version.version, None, f"{where}: no package yet of what it is now", environments
        )
    write, remove = changes(package.metadata, promotion(version, environments))
    if write or remove:
        told = ", ".join(sorted({*write, *remove}))
        return Step("update", version.version, package, f"{where}: other {told}", environments, write, remove)
    return Step("keep", version.version, package, f"{where}: equal", environments)


def _unwanted_step(version: ModelVersion | None, package: Package, served: frozenset[str]) -> Step:
    """A package of a version that is gone or demoted: no environment may choose it; when nothing serves it, it goes."""
    number = package.metadata["mlflow_version"]
    if version is None:
        why = "the version is gone from MLflow"
    else:
        why = f"the version is in no environment's stage ({version.stage}) and has no environment's alias"
    left = promotion(version or ModelVersion("", number, ""), frozenset())
    write, remove = changes(package.metadata, left)
    if write or remove:
        return Step(
            "update", number, package, f"{why}: no environment may choose it", write=write, remove=remove
        )
    return _leave(number, package, why, served)


def _former_step(package: Package, current: Package | None, served: frozenset[str]) -> Step:
    """A package of a wanted version, made from what the version was before: it stays until the new one may serve."""
    number, why = package.metadata["mlflow_version"], "made from what the version was before"
    if current is None or not current.may_serve:
        return Step("keep", number, package, f"{why}; it stays until a new one is approved")
    return _leave(number, package, why, served)


def _leave(number: str, package: Package, why: str, served: frozenset[str]) -> Step:
    if package.arn in served:
        return Step("keep", number, package, f"{why}; an endpoint still serves it")
    return Step("retire", number, package, f"{why}; nothing serves it")


def _numerically(number: str) -> tuple[int, str]:
    return (int(number), "") if number.isdecimal() else (0, number)
