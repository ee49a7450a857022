"""A strict Pulumi engine made of mocks: it records every registration and refuses what a real one would refuse.

It makes physical names as the bridge does (the logical name, a hyphen, 7 characters) and URNs as the engine does. It runs
no hooks, transforms or aliases, and asks no AWS: those are the engine tier's to prove.
"""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.stack import run_in_stack

AUTONAMING = "-0123456"
"""What the bridge appends to a logical name (pulumi-terraform-bridge, pkg/tfbridge/info/autonaming.go)."""

_STACK = "pulumi:pulumi:Stack"
# Properties that pulumi-aws takes a physical name from when none is given.
_NAMED = ("aws:sagemaker/", "aws:iam/")


@dataclass(frozen=True)
class Registered:
    """One registration, with inputs and outputs under their names on the wire (camelCase)."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    depends_on: frozenset[str]
    before_delete: tuple[str, ...]
    before_create: tuple[str, ...]
    after_delete: tuple[str, ...]
    delete_before_replace: bool
    provider: str


@dataclass
class Recorded:
    """Everything that one program registered, in order."""

    resources: list[Registered] = field(default_factory=list)
    component_outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def one(self, type_: str) -> Registered:
        """The only resource of a type, named by the type's last word."""
        found = [resource for resource in self.resources if resource.type.rsplit(":", 1)[1] == type_]
        assert len(found) == 1, f"{len(found)} resources of type {type_}"
        return found[0]

    def urns(self) -> list[str]:
        return sorted(resource.urn for resource in self.resources)

    def types_and_names(self) -> list[tuple[str, str]]:
        return sorted((resource.type, resource.name) for resource in self.resources)


class _NoCalls(mocks.Mocks):
    """Answers resources as AWS would, and knows no invoke: a program that makes one must teach it here first."""

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"unexpected invoke {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return "", {}
        made = dict(args.inputs)
        if args.typ.startswith(_NAMED):
            made.setdefault("name", args.name + AUTONAMING)
        name = str(made.get("name", args.name))
        made["arn"] = f"arn:aws:test:us-east-1:123456789012:{args.typ.rsplit(':', 1)[1]}/{name}"
        return name, made


class StrictMonitor(mocks.MockMonitor):
    """Records whole registrations; refuses a second one of the same URN, which the SDK's own mock takes."""

    def __init__(self) -> None:
        super().__init__(_NoCalls())
        self.recorded = Recorded()
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self.doubles: list[str] = []

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine does: the chain of all parents' types, without the stack's."""
        chain = parent.split("::")[2] if parent else _STACK
        qualified = type_ if chain == _STACK else f"{chain}${type_}"
        return f"urn:pulumi:{settings.get_stack()}::{settings.get_project()}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the service's own name
        urn = self.make_urn(request.parent, request.type, request.name)
        with self._lock:
            if urn in self._seen:  # told at the end; raised here, it drowns in errors that follow
                self.doubles.append(urn)
            self._seen.add(urn)
        try:
            answer = super().RegisterResource(request)
        finally:
            _close_loop_of_thread()
        if request.type != _STACK:
            self.recorded.resources.append(
                Registered(
                    urn=urn,
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    custom=request.custom,
                    inputs=rpc.deserialize_properties(request.object),
                    outputs=rpc.deserialize_properties(answer.object),
                    depends_on=frozenset(request.dependencies),
                    before_delete=tuple(request.hooks.before_delete),
                    before_create=tuple(request.hooks.before_create),
                    after_delete=tuple(request.hooks.after_delete),
                    delete_before_replace=request.deleteBeforeReplace,
                    provider=request.provider or ",".join(sorted(request.providers.values())),
                )
            )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        with self._lock:
            self.recorded.component_outputs[request.urn] = rpc.deserialize_properties(request.outputs)
        return empty_pb2.Empty()


def _close_loop_of_thread() -> None:
    """Close the event loop that the SDK's mock made for a worker thread and forgets."""
    try:
        loop = asyncio.get_event_loop()
    except RuntimeError:
        return
    loop.close()
    asyncio.set_event_loop(None)


def run_program(
    program: Callable[[], Awaitable[None] | None],
    *,
    project: str = "model-deployment",
    stack: str = "staging",
    preview: bool = False,
) -> Recorded:
    """Run a program to its end, registrations included, and give what it registered.

    Everything that the program or an `apply` of it raised is raised here: nothing is asserted before the last registration
    is through.
    """
    monitor = StrictMonitor()

    def run() -> None:
        features = set(monitor.GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures)
        settings.configure(
            mocks.MockSettings(
                monitor=monitor,
                monitor_features=features,
                engine=mocks.MockEngine(None),
                project=project,
                stack=stack,
                dry_run=preview,
                organization=None,
                callbacks=None,
            )
        )
        settings.set_root_resource(None)
        asyncio.run(run_in_stack(program))

    # The SDK keeps its settings in context variables: in a context of its own, a program leaves nothing to the next one.
    contextvars.copy_context().run(run)
    assert not monitor.doubles, f"two resources with the URN {', '.join(monitor.doubles)}"
    return monitor.recorded
