"""A stack's state as plain values: what `pulumi stack export` says, and nothing of it that is secret."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import BackendAccessError

COMPONENT_TYPE = "model-deployment:index:ModelEndpoint"
ENDPOINT_TYPE = "aws:sagemaker/endpoint:Endpoint"
PROVIDER_TYPE = "pulumi:providers:aws"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the state.

    ``inputs`` and ``outputs`` are in pulumi-aws's words; ``to_delete`` means that the engine owes its deletion.
    """

    urn: str
    type: str
    id: str
    parent: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    to_delete: bool

    @property
    def name(self) -> str:
        """Logical name: the last part of the URN."""
        return self.urn.rsplit("::", 1)[1]


@dataclass(frozen=True, slots=True)
class State:
    """All resources, the operations that were begun and not ended, and a digest that changes with any of them.

    ``pending`` tells whether there are such operations: a run is at work now, or one was killed. ``pending_creates`` are
    those of them that were to make something, without those whose resource is known.
    """

    resources: tuple[Resource, ...]
    pending: bool
    pending_creates: tuple[Resource, ...]
    digest: str

    def endpoints(self) -> dict[str, Resource]:
        """The endpoints of the state by their AWS name, without those that are to be deleted."""
        return {
            str(resource.inputs.get("name", resource.id)): resource
            for resource in self.resources
            if resource.type == ENDPOINT_TYPE and not resource.to_delete
        }

    def endpoint_names(self) -> frozenset[str]:
        """Names of all endpoints that may live by this stack's doing: also those whose create was killed or failed."""
        begun = (pending_name(each) for each in self.pending_creates if each.type == ENDPOINT_TYPE)
        meant = (
            str(each.inputs.get("endpoint_name")) for each in self.resources if each.type == COMPONENT_TYPE
        )
        return frozenset((*self.endpoints(), *begun, *meant))

    def provider_urn(self) -> str | None:
        """URN of the stack's AWS provider, or None in a stack that was never deployed."""
        return next((resource.urn for resource in self.resources if resource.type == PROVIDER_TYPE), None)


def pending_name(pending: Resource) -> str:
    """AWS name that an interrupted create was to make: it is chosen before the create begins."""
    return str(pending.inputs.get("name", ""))


def parse_state(text: str) -> State:
    """Read the JSON of `pulumi stack export`.

    Raises:
        BackendAccessError: the text is not such a document; a broken state is never an empty one.
    """
    try:
        deployment = json.loads(text)["deployment"]
        resources = tuple(_resource(entry) for entry in deployment.get("resources") or [])
        pending = deployment.get("pending_operations") or []
        creates = tuple(_resource(entry["resource"]) for entry in pending if entry["type"] == "creating")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = (
            "the stack's state cannot be read (`pulumi stack export` gave no valid document); nothing was changed. "
            "Restore the state from its backup or its bucket's version before the next run"
        )
        raise BackendAccessError(message) from error
    kept = {"resources": deployment.get("resources") or [], "pending": pending}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    return State(resources, bool(pending), creates, digest)


def _resource(entry: Mapping[str, Any]) -> Resource:
    return Resource(
        urn=entry["urn"],
        type=entry["type"],
        id=entry.get("id", ""),
        parent=entry.get("parent", ""),
        inputs=entry.get("inputs") or {},
        outputs=entry.get("outputs") or {},
        to_delete=bool(entry.get("delete")),
    )
