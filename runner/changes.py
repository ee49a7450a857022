"""What the engine says that it does, folded from its events into plain values, and told line by line as it happens."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from registry import ENDPOINT_TAG
from runner.state import COMPONENT_TYPE, ENDPOINT_TYPE

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

MODEL_TYPE = "aws:sagemaker/model:Model"

# Steps that change nothing, or that are the hidden halves of a replacement.
_QUIET_OPS = frozenset(
    {"same", "read", "refresh", "create-replacement", "delete-replaced", "read-replacement"}
)
_REMOVING_OPS = frozenset({"delete", "replace"})
# Of a replacement's steps, making the new resource is the one that takes time; `replace` itself only marks it.
_DOING = {"create": "creating", "update": "updating", "delete": "deleting", "create-replacement": "replacing"}
_DONE = {"create": "created", "update": "updated", "delete": "deleted", "create-replacement": "replaced"}


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the engine that changes something.

    Attributes:
        op: the engine's word: ``create``, ``update``, ``replace``, ``delete``, ``create-replacement``, ``delete-replaced``.
        endpoint: AWS name of the endpoint that the resource serves, or None where it serves none alone.
        properties: top-level properties that differ, sorted.
        package: the model package after the step, for a model.
        seconds: from the step's start to its end; None in a preview or while it runs.
    """

    op: str
    urn: str
    type: str
    endpoint: str | None
    properties: tuple[str, ...] = ()
    package: str | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return self.urn.rsplit("::", 1)[1]

    @property
    def is_cloud(self) -> bool:
        """Whether the resource is one of AWS, not a component, a stack or a provider."""
        return self.type.startswith("aws:")

    @property
    def label(self) -> str:
        """The type's last word and the name, as people know them: ``Endpoint churn-staging``."""
        return f"{self.type.rsplit(':', 1)[1]} {self.name}"


def removed_endpoints(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Names of the endpoints that the changes delete or replace, sorted."""
    return tuple(
        sorted(
            {
                change.endpoint or change.name
                for change in changes
                if change.type == ENDPOINT_TYPE and change.op in _REMOVING_OPS
            }
        )
    )


class ChangeCollector:
    """Takes the engine's events, keeps changes and errors, tells each step to ``say``.

    An exception inside the callback of the Automation API would be lost in a warning, so nothing here may raise on an
    event of an unknown shape; what decides is compared with the engine's own summary (`is_complete`).
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began: dict[tuple[str, str], float] = {}
        self._changes: dict[tuple[str, str], Change] = {}
        self._errors: dict[tuple[str, str], None] = {}
        self.summary: Mapping[str, int] | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every step that changes a resource of the cloud, replacements once, in the engine's order."""
        return tuple(self._whole(change) for change in self._loud() if change.is_cloud)

    @property
    def others(self) -> int:
        """How many components, stacks and providers change."""
        return sum(not change.is_cloud for change in self._loud())

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """(logical name or empty, text) of each error, once."""
        return tuple(self._errors)

    @property
    def is_complete(self) -> bool:
        """Whether the events told as many changes as the engine's summary counts."""
        if self.summary is None:
            return False
        counted = {op: number for op, number in self.summary.items() if op not in _QUIET_OPS and number}
        told: dict[str, int] = {}
        for change in self._loud():
            told[change.op] = told.get(change.op, 0) + 1
        return told == counted

    def on_event(self, event: "EngineEvent") -> None:
        """Fold one engine event in."""
        if event.resource_pre_event:
            self._start(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._finish(event.res_outputs_event.metadata)
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            found = event.diagnostic_event
            text = found.message.strip()
            if text and not found.ephemeral:
                self._errors[((found.urn or "").rsplit("::", 1)[-1], text)] = None
        elif event.summary_event:
            self.summary = {
                str(_op(op)): number for op, number in event.summary_event.resource_changes.items()
            }

    def _whole(self, change: Change) -> Change:
        """A replacement with the seconds that making the new resource took."""
        made = self._changes.get(("create-replacement", change.urn)) if change.op == "replace" else None
        return replace(change, seconds=made.seconds) if made else change

    def _loud(self) -> tuple[Change, ...]:
        return tuple(change for change in self._changes.values() if change.op not in _QUIET_OPS)

    def _start(self, metadata: Any) -> None:
        change = change_of(metadata)
        if change.op == "same":
            return
        key = (change.op, change.urn)
        self._changes[key] = change
        self._began[key] = time.monotonic()
        if change.op in _DOING and change.is_cloud:
            self._say(f"{_DOING[change.op]} {change.label}")

    def _finish(self, metadata: Any) -> None:
        key = (_op(metadata.op), metadata.urn)
        change = self._changes.get(key)
        if change is None:
            return
        seconds = time.monotonic() - self._began[key]
        self._changes[key] = replace(change, seconds=seconds)
        if change.op in _DONE and change.is_cloud:
            self._say(f"{_DONE[change.op]} {change.label} ({seconds:.1f} s)")


def change_of(metadata: Any) -> Change:
    """One step's metadata (pulumi.automation.events.StepEventMetadata) as a Change."""
    new, old = metadata.new, metadata.old
    inputs = (new.inputs if new else None) or (old.inputs if old else None) or {}
    tags = inputs.get("tags") or {}
    container = inputs.get("primaryContainer") or {}
    return Change(
        op=_op(metadata.op),
        urn=metadata.urn,
        type=metadata.type,
        endpoint=(tags.get(ENDPOINT_TAG) if isinstance(tags, Mapping) else None) or _component(new or old),
        properties=tuple(sorted({*(metadata.diffs or ()), *(metadata.keys or ())})),
        package=container.get("modelPackageName")
        if metadata.type == MODEL_TYPE and isinstance(container, Mapping)
        else None,
    )


def _component(state: Any) -> str | None:
    """Name of the ModelEndpoint that is the resource's parent: a policy has no tags."""
    parent = str(getattr(state, "parent", "") or "")
    return parent.rsplit("::", 1)[1] if COMPONENT_TYPE in parent else None


def _op(op: Any) -> str:
    """The engine's word of an operation, from the SDK's enum or from text."""
    return str(getattr(op, "value", op))
