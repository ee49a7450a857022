"""What a model package says of the MLflow version that it was made from, within AWS's rules. Plain decisions."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.mlflow_values import ModelVersion

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html (read 2026-11):
# values of up to 256 of [\p{L}\p{Z}\p{N}_.:/=+\-@], at most 50 entries.
_VALUE_LIMIT = 256
_PUNCTUATION = frozenset("_.:/=+-@")

ENVIRONMENTS_KEY = "deploy_environments"
"""Environments that serve the package, such as ``Production Staging``; empty text cannot be stored, so none is ``None``."""

CONTENT_KEY = "deploy_content"
"""Digest of all that the package was made from; another one makes another package."""

NOWHERE = "None"


@dataclass(frozen=True, slots=True)
class PackedModel:
    """What was made of a version: the archive, and the image that serves it.

    ``sha256`` is the archive's, in hex; ``reason`` says why this image.
    """

    model_data_url: str
    sha256: str
    image: str
    image_reason: str


def stored(text: str) -> str:
    """Give text as AWS can store it: each character that is not allowed becomes ``-``, and the end is cut at 256."""
    legal = (c if c in _PUNCTUATION or unicodedata.category(c)[0] in "LZN" else "-" for c in text)
    return "".join(legal)[:_VALUE_LIMIT]


def promotion(version: ModelVersion, environments: frozenset[str]) -> dict[str, str]:
    """What changes while a version lives: stage, aliases, description, and where it is served.

    Aliases are text with a space between them. Nothing empty is in it: AWS cannot store that.
    """
    texts = {
        "mlflow_current_stage": version.stage,
        "mlflow_aliases": " ".join(sorted(version.aliases)),
        "mlflow_description": version.description,
        ENVIRONMENTS_KEY: " ".join(sorted(environments)) or NOWHERE,
    }
    return {key: stored(text) for key, text in texts.items() if text}


PROMOTION_KEYS = ("mlflow_current_stage", "mlflow_aliases", "mlflow_description", ENVIRONMENTS_KEY)


def identity(version: ModelVersion, content: str) -> dict[str, str]:
    """What never changes: which version it is, and what it was made from."""
    texts = {
        "mlflow": "mlflow",
        "mlflow_name": version.name,
        "mlflow_version": version.version,
        "mlflow_run_id": version.run_id or "",
        "mlflow_source": version.source,
        "mlflow_user_id": version.user,
        "mlflow_creation_timestamp": str(version.created_at or ""),
        CONTENT_KEY: content,
    }
    return {key: stored(text) for key, text in texts.items() if text}


def provenance(packed: PackedModel, full_text_url: str) -> dict[str, str]:
    """What was made: the archive's digest, the image and why, and where the full text lies."""
    texts = {
        "artifact_sha256": packed.sha256,
        "image_digest": packed.image.partition("@")[2],
        "image_reason": packed.image_reason,
        "metadata_url": full_text_url,
    }
    return {key: stored(text) for key, text in texts.items() if text}


def full_text(version: ModelVersion, packed: PackedModel, content: str) -> str:
    """The same and all tags as a JSON document without any limit, to be kept beside the archive."""
    document: dict[str, Any] = {
        "model": version.name,
        "version": version.version,
        "run_id": version.run_id,
        "source": version.source,
        "stage": version.stage,
        "aliases": sorted(version.aliases),
        "description": version.description,
        "tags": dict(version.tags),
        "user": version.user,
        "created_at": version.created_at,
        "content": content,
        "archive": {"url": packed.model_data_url, "sha256": packed.sha256},
        "image": {"uri": packed.image, "reason": packed.image_reason},
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def changes(present: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What UpdateModelPackage must be told, which merges: the entries to write, and the keys to remove."""
    write = {key: text for key, text in wanted.items() if present.get(key) != text}
    return write, tuple(key for key in PROMOTION_KEYS if key in present and key not in wanted)
