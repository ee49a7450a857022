"""Makes a model package group equal to a registered MLflow model, whatever events were lost, doubled or reordered."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from registry.errors import RegistryError
from registry.metadata import PackedModel, full_text, identity, promotion, provenance
from registry.mlflow_reader import MlflowRegistry
from registry.mlflow_values import ModelVersion
from registry.package_writer import NewPackage, PackageWriter
from registry.sagemaker import SageMakerRegistry
from registry.sync_plan import Step, plan_steps
from registry.wanted import DEFAULT_ALIASES, content_digest, wanted_versions

CONTENT_TYPES = ("application/json", "text/csv", "application/x-npy")
_REASON_LIMIT = 500
_TAGS = ("sagemaker.package_arn", "sagemaker.status", "sagemaker.reason")


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One registered model and the group that must equal it.

    Attributes:
        model: MLflow's name of it.
        group: model package group.
        aliases: environment by alias.
        approval: status of new packages: ``Approved`` or ``PendingManualApproval``.
        max_removals: packages that one run may retire.
        image_parameters: image URI by flavour, as a platform team sets them.
    """

    model: str
    group: str
    aliases: Mapping[str, str] = field(default_factory=lambda: DEFAULT_ALIASES)
    approval: str = "Approved"
    max_removals: int = 10
    image_parameters: Mapping[str, str] = field(default_factory=dict)


class Packer(Protocol):
    """Makes the archive of a version and chooses its image."""

    def pack(self, version: ModelVersion, group: str, content: str) -> tuple[PackedModel, Mapping[str, str]]:
        """Give what was packed, and the variables of the container; the same content gives the same archive.

        Raises:
            RegistryError: it cannot be packed; nothing is left of the attempt.
        """

    def keep_text(self, group: str, version: ModelVersion, content: str, text: str) -> str:
        """Keep a JSON document beside the archive; its ``s3://`` URL."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a step: the package's ARN where there is one, and why it was not done, if it was not."""

    step: Step
    package_arn: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """The two registries and the packer of one run."""

    mlflow: MlflowRegistry
    packages: SageMakerRegistry
    writer: PackageWriter
    packer: Packer
    say: Callable[[str], None]

    def plan(self, request: SyncRequest) -> tuple[tuple[Step, ...], Mapping[str, ModelVersion]]:
        """Read both registries at once and decide; changes nothing.

        Returns:
            The steps, and the versions by number.

        Raises:
            RegistryError: a read failed; nothing may be decided on its strength.
        """
        with ThreadPoolExecutor(max_workers=2) as pool:
            found = pool.submit(self.mlflow.read_versions, request.model)
            packages = pool.submit(self.packages.read_all_packages, request.group)
            versions = found.result() or ()
            wanted = wanted_versions(versions, request.aliases)
            contents = {each.version: content_digest(each, request.image_parameters) for each in versions}
            group = packages.result()
        steps = plan_steps(request.model, versions, wanted, contents, group, frozenset())
        if any(
            step.action == "retire" for step in steps
        ):  # only then is it worth to ask what every endpoint serves
            served = self.packages.read_served()
            steps = plan_steps(request.model, versions, wanted, contents, group, served)
        return within_limit(steps, request.max_removals), {each.version: each for each in versions}

    def run(self, request: SyncRequest) -> tuple[Done, ...]:
        """Plan, and carry the plan out; one step that fails keeps no other from being done.

        Raises:
            RegistryError: a read failed; nothing was changed.
        """
        steps, versions = self.plan(request)
        if any(step.action == "register" for step in steps):
            self.writer.ensure_group(request.group)
        done = tuple(self._carry_out(request, step, versions) for step in steps)
        self._tell_mlflow(done, versions)
        return done

    def _carry_out(self, request: SyncRequest, step: Step, versions: Mapping[str, ModelVersion]) -> Done:
        arn = step.package.arn if step.package else None
        try:
            if step.action == "register":
                arn = self._register(request, step, versions[str(step.version)])
            elif step.action == "update" and arn:
                self.writer.update(arn, step.write or {}, step.remove)
            elif step.action == "retire" and arn:
                self.writer.delete(arn)
        except RegistryError as error:
            return Done(step, arn, str(error))
        return Done(step, arn)

    def _register(self, request: SyncRequest, step: Step, version: ModelVersion) -> str:
        self.say(f"packing version {version.version} of {version.name}")
        content = content_digest(version, request.image_parameters)
        packed, variables = self.packer.pack(version, request.group, content)
        text = full_text(version, packed, content)
        url = self.packer.keep_text(request.group, version, content, text)
        metadata = {
            **identity(version, content),
            **promotion(version, step.environments),
            **provenance(packed, url),
        }
        return self.writer.register(
            NewPackage(
                group=request.group,
                description=f"mlflow {version.name}-v{version.version}",
                image=packed.image,
                model_data_url=packed.model_data_url,
                environment=variables,
                content_types=CONTENT_TYPES,
                metadata=metadata,
                approval=request.approval,
                claim=f"{version.name}\n{version.version}\n{content}",
            )
        )

    def _tell_mlflow(self, done: tuple[Done, ...], versions: Mapping[str, ModelVersion]) -> None:
        """Write the result back to the versions, where a data scientist looks; what cannot be written costs nothing else."""
        for number, tags in results(done).items():
            if number in versions:
                try:
                    self.mlflow.write_tags(versions[number], tags)
                except RegistryError as error:
                    self.say(f"the result cannot be written to version {number} in MLflow: {error}")


def within_limit(steps: tuple[Step, ...], most: int) -> tuple[Step, ...]:
    """Keep packages that a run would retire, all of them, when they are more than a run may: then a person must look."""
    if sum(step.action == "retire" for step in steps) <= most:
        return steps
    held = f"not retired: more than maxRemovals ({most}) would go"
    return tuple(
        replace(step, action="keep", reason=f"{step.reason}; {held}") if step.action == "retire" else step
        for step in steps
    )


def results(done: tuple[Done, ...]) -> dict[str, dict[str, str]]:
    """Tags by version number: the package that stands for it now, how it is, and why. A version's first step tells."""
    told: dict[str, dict[str, str]] = {}
    for each in done:
        number = each.step.version
        if number is None or number in told:
            continue
        status = "failed" if each.problem else _status(each.step)
        arn = "" if each.step.action == "retire" and not each.problem else each.package_arn or ""
        reason = each.problem or each.step.reason
        told[number] = dict(zip(_TAGS, (arn, status, reason[:_REASON_LIMIT]), strict=True))
    return told


def _status(step: Step) -> str:
    """A word for a data scientist: where the version stands in SageMaker."""
    if step.action in ("wait", "retire"):
        return {"wait": "waiting", "retire": "retired"}[step.action]
    return "registered" if step.environments else "not promoted"
