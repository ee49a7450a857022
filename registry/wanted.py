"""Which versions of a registered model are wanted, and where. Plain decisions."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from registry.mlflow_values import ModelVersion

ENVIRONMENTS = ("Staging", "Production")
DEFAULT_ALIASES: Mapping[str, str] = {"champion": "Production", "challenger": "Staging"}

# Tags by which a data scientist says how a version is packed; others change nothing of the package.
PACKING_TAGS = ("sagemaker_deploy_image", "sagemaker_deploy_flavor")


def environments_of(version: ModelVersion, aliases: Mapping[str, str]) -> frozenset[str]:
    """Environments that must serve a version: that of its stage, and those of its aliases.

    Args:
        version: the version.
        aliases: environment by alias.
    """
    stages = {name for name in ENVIRONMENTS if version.stage.lower() == name.lower()}
    return frozenset(stages | {aliases[alias] for alias in version.aliases if alias in aliases})


def wanted_versions(
    versions: Iterable[ModelVersion], aliases: Mapping[str, str]
) -> dict[str, frozenset[str]]:
    """Environments by version number, of all versions that any environment must serve."""
    found = {version.version: environments_of(version, aliases) for version in versions}
    return {number: environments for number, environments in found.items() if environments}


def content_digest(version: ModelVersion, image_parameters: Mapping[str, str]) -> str:
    """Digest of what a package is made from: the artifacts, and what decides layout and image.

    A version that is packed differently, since a tag or an image parameter changed, is another package.
    """
    tags = {key: version.tags[key] for key in PACKING_TAGS if key in version.tags}
    document = [version.name, version.version, version.source, version.run_id, tags, dict(image_parameters)]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]
