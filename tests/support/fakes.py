"""Plain values of one small stack, and fakes of what the runner's sequence talks to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from registry import ENDPOINT_TAG, LiveEndpoint, Manifest, WantedEndpoint, owner_tags
from runner.changes import MODEL_TYPE, Change
from runner.locks import Holder
from runner.record import Record
from runner.session import Snapshot
from runner.stack import Outcome
from runner.state import ENDPOINT_TYPE, PROVIDER_TYPE, Resource, State
from settings import Settings
from settings.inference import InferenceConfig

COMPONENT = "model-deployment:index:ModelEndpoint"
PREFIX = "urn:pulumi:staging::model-deployment::"
PROVIDER_URN = f"{PREFIX}{PROVIDER_TYPE}::aws"
INSTANCES = InferenceConfig(InstanceType="ml.m5.large", InstanceCount=1)
SERVERLESS = InferenceConfig(ServerlessMaxConcurrency=2)


def package(group: str, version: int) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{version}"


def live(config: str = "config-1", status: str = "InService", **more: Any) -> LiveEndpoint:
    values: dict[str, Any] = {"kind": "instance", "instance_counts": {"main": 1}, "failure_reason": None}
    return LiveEndpoint(status=status, config=config, **{**values, **more})


def wanted(group: str = "churn", version: int = 7, now: LiveEndpoint | None = None) -> WantedEndpoint:
    return WantedEndpoint(
        f"{group}-staging", group, package(group, version), version, str(version), (), ("s3://models/x",), now
    )


def manifest(*endpoints: WantedEndpoint) -> Manifest:
    return Manifest(environment="Staging", endpoints=endpoints)


def component_urn(name: str) -> str:
    return f"{PREFIX}{COMPONENT}::{name}"


def child_urn(type_: str, name: str, component: str) -> str:
    del component  # a URN has its parents' types, not their names
    return f"{PREFIX}{COMPONENT}${type_}::{name}"


def resource(type_: str, name: str, component: str, **more: Any) -> Resource:
    values: dict[str, Any] = {
        "urn": child_urn(type_, name, component),
        "type": type_,
        "id": f"{name}-1",
        "parent": component_urn(component),
        "inputs": {},
        "outputs": {},
        "to_delete": False,
    }
    return Resource(**{**values, **more})


def endpoint(name: str = "churn-staging", config: str = "config-1", **more: Any) -> Resource:
    values = {
        "id": name,
        "inputs": {"name": name, "endpointConfigName": config},
        "outputs": {"name": name, "endpointConfigName": config},
    }
    return resource(ENDPOINT_TYPE, name, name, **{**values, **more})


def model(name: str = "churn-staging", version: int = 7) -> Resource:
    """The deployed model of an endpoint, from one version of its group's packages."""
    arn = package(name.removesuffix("-staging"), version)
    inputs = {"tags": {ENDPOINT_TAG: name}, "primaryContainer": {"modelPackageName": arn}}
    return resource(MODEL_TYPE, f"{name}-model", name, inputs=inputs)


def component(name: str = "churn-staging") -> Resource:
    return Resource(component_urn(name), COMPONENT, "", "", {"endpoint_name": name}, {}, to_delete=False)


def provider() -> Resource:
    return Resource(PROVIDER_URN, PROVIDER_TYPE, "provider-id", "", {}, {}, to_delete=False)


def state(*resources: Resource, pending: Sequence[Resource] = (), digest: str = "state-1") -> State:
    return State(resources, bool(pending), tuple(pending), digest)


def change(op: str, type_: str = ENDPOINT_TYPE, name: str = "churn-staging", **more: Any) -> Change:
    values: dict[str, Any] = {"op": op, "urn": child_urn(type_, name, name), "type": type_, "endpoint": name}
    return Change(**{**values, **more})


def new_model(name: str = "churn-staging", version: int = 8) -> Change:
    group = name.removesuffix("-staging")
    return change("replace", MODEL_TYPE, f"{name}-model", endpoint=name, package=package(group, version))


def settings(**more: Any) -> Settings:
    values: dict[str, Any] = {
        "project": "model-deployment",
        "stack": "staging",
        "region": "us-east-1",
        "allowed_account": "123456789012",
        "environment": "Staging",
        "models": ("churn",),
        "execution_role_arn": None,
        "permissions_boundary": None,
        "kms_key_id": None,
        "subnets": (),
        "security_groups": (),
        "tags": {},
        "max_removals": 0,
        "inference": {"churn": INSTANCES, "other": INSTANCES},
    }
    return Settings(**{**values, **more})


@dataclass
class FakeCloud:
    """An AWS account: endpoints with their tags, other resources by type and name, and the SSM parameters.

    ``refuse`` maps a method's name to the error that it raises.
    """

    did: list[tuple[Any, ...]]
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    existing: set[tuple[str, str]] = field(default_factory=set)
    parameters: dict[str, str] = field(default_factory=dict)
    refuse: dict[str, Exception] = field(default_factory=dict)

    def exists(self, resource_type: str, name: str) -> bool:
        return (resource_type, name) in self.existing

    def endpoint_tags(self, name: str) -> dict[str, str] | None:
        return self.tags.get(name)

    def write_parameter(self, name: str, value: str) -> None:
        if "write_parameter" in self.refuse:
            raise self.refuse["write_parameter"]
        self.did.append(("record",))
        self.parameters[name] = value

    def delete_parameter(self, name: str) -> None:
        self.did.append(("forget record",))
        self.parameters.pop(name, None)


@dataclass
class FakeRegistry:
    """Answers about live endpoints, one mapping after another; the last one stays."""

    answers: list[Mapping[str, LiveEndpoint | None]]

    def read_live(self, names: Sequence[str]) -> dict[str, LiveEndpoint | None]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {name: answer.get(name) for name in names}


@dataclass
class FakeStack:
    """The engine: tells of planned changes, notes what it is told to do, and raises what it is told to raise."""

    did: list[tuple[Any, ...]]
    planned: tuple[Change, ...] = ()
    made: tuple[Change, ...] | None = None
    others: int = 0
    fails: dict[str, list[Exception]] = field(default_factory=dict)

    def _do(self, what: str, *details: Any) -> Outcome:
        self.did.append((what, *details))
        if self.fails.get(what):
            raise self.fails[what].pop(0)
        changes = self.planned if what == "preview" or self.made is None else self.made
        return Outcome(changes, unchanged=0, others=self.others)

    def preview(self, *, replace: Sequence[str], **_options: Any) -> Outcome:
        return self._do("preview", tuple(replace))

    def up(self, *, replace: Sequence[str], **_options: Any) -> Outcome:
        return self._do("up", tuple(replace))

    def destroy(self, *, targets: Sequence[str] = (), **_options: Any) -> Outcome:
        return self._do("destroy", *targets)

    def refresh(self, targets: Sequence[str] = (), *, clear_pending_creates: bool = False) -> None:
        self._do("refresh", "pending" if clear_pending_creates else tuple(targets))

    def adopt(self, lost: Resource, provider_urn: str) -> None:
        self._do("adopt", lost.urn, lost.id, provider_urn)


@dataclass
class FakeSession:
    """One stack as the sequence sees it. ``states`` and ``lives`` are given one after another; the last one stays.

    A state stays, too, until the stack is looked at anew or the engine has worked on it.
    """

    states: list[State]
    lives: list[Mapping[str, LiveEndpoint | None]]
    endpoints: tuple[WantedEndpoint, ...] = (wanted(),)
    recorded: Record | None = None
    settings: Settings = field(default_factory=settings)
    planned: tuple[Change, ...] = ()
    on_look: Callable[[], None] = lambda: None
    account_refused: Exception | None = None

    def __post_init__(self) -> None:
        self.name, self.parameter, self.warm = "staging", "/model-deployment/staging/record", None
        self.did: list[tuple[Any, ...]] = []
        self._told, self._now = 0, None
        self.said: list[str] = []
        self.cloud = FakeCloud(
            self.did, tags={each.name: self.own_tags(each.name) for each in self.endpoints}
        )
        self.registry = FakeRegistry(self.lives)
        self.engine = FakeStack(self.did, self.planned)
        self.pinned: list[Manifest] = []

    def own_tags(self, name: str) -> dict[str, str]:
        return owner_tags("model-deployment", "staging", name)

    def say(self, line: str) -> None:
        self.said.append(line)

    def check_account(self) -> None:
        if self.account_refused:
            raise self.account_refused

    def resolve(self) -> Manifest:
        now = self.registry.read_live([each.name for each in self.endpoints])
        return manifest(*(replace(each, live=now[each.name]) for each in self.endpoints))

    def look(self) -> Snapshot:
        self.on_look()
        self._now = None
        self.check_account()
        found = self.resolve()
        return Snapshot(
            found, self.state(), {each.name: each.live for each in found.endpoints}, self.recorded
        )

    def state(self) -> State:
        worked = any(what in {"up", "refresh", "adopt", "destroy"} for what, *_ in self.did[self._told :])
        if worked or self._now is None:
            self._now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        self._told = len(self.did)
        return self._now

    def inputs_digest(self, found: Manifest) -> str:
        return f"inputs of {found.digest()}"

    def pin(self, found: Manifest) -> None:
        self.pinned.append(found)

    def stack(self) -> FakeStack:
        return self.engine

    def warm_up(self) -> None:
        self.did.append(("warm up",))

    def begin_preview(self, *, parallel: int) -> "FakeEarlyPreview":
        self.did.append(("begin preview",))
        return FakeEarlyPreview(self, parallel)

    def preview(self, stack: FakeStack, *, parallel: int, replace: Sequence[str] = ()) -> Outcome:
        return stack.preview(parallel=parallel, replace=replace)

    def unlock(self, holders: Sequence[Holder]) -> None:
        self.did.append(("unlock",))


@dataclass
class FakeEarlyPreview:
    """A preview that waits for its manifest."""

    session: FakeSession
    parallel: int

    def outcome(self, text: str) -> Outcome:
        self.session.pin(Manifest.from_json(text))
        return self.session.engine.preview(parallel=self.parallel, replace=())

    def give_up(self) -> None:
        self.session.did.append(("give up",))
