"""A version of a registered MLflow model as a plain value."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model, as MLflow has it.

    ``stage`` is ``None`` as text where a version has none, as MLflow writes it. ``status`` is ``READY`` once the artifacts
    are complete. ``run_id`` is None for a version that no run made. ``created_at`` is in milliseconds since 1970.
    """

    name: str
    version: str
    source: str
    stage: str = "None"
    aliases: frozenset[str] = frozenset()
    status: str = "READY"
    run_id: str | None = None
    description: str = ""
    user: str = ""
    created_at: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
