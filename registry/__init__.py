"""The model registry as plain values and rules: what is there, what should be live, under which name."""

from registry.clients import Clients
from registry.errors import (
    AccessRefusedError,
    ManifestError,
    NameCollisionError,
    RegistryError,
    UnavailableError,
    UnknownGroupError,
)
from registry.failures import is_missing
from registry.manifest import Manifest, load_manifest, resolve
from registry.names import endpoint_name, refuse_collisions, shorten
from registry.ownership import ENDPOINT_TAG, is_owned, owner_tags, refusal
from registry.sagemaker import SageMakerRegistry
from registry.selection import Selection, select
from registry.values import GroupRequest, IgnoredPackage, LiveEndpoint, Package, Select, WantedEndpoint

__all__ = [
    "ENDPOINT_TAG",
    "AccessRefusedError",
    "Clients",
    "GroupRequest",
    "IgnoredPackage",
    "LiveEndpoint",
    "Manifest",
    "ManifestError",
    "NameCollisionError",
    "Package",
    "RegistryError",
    "SageMakerRegistry",
    "Select",
    "Selection",
    "UnavailableError",
    "UnknownGroupError",
    "WantedEndpoint",
    "endpoint_name",
    "is_missing",
    "is_owned",
    "load_manifest",
    "owner_tags",
    "refusal",
    "refuse_collisions",
    "resolve",
    "select",
    "shorten",
]
