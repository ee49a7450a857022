"""What is asked of the registry and what it holds, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SelectKind = Literal["MlflowStage", "MlflowAlias", "LifeCycle", "LatestApproved"]


@dataclass(frozen=True, slots=True)
class Select:
    """Which package version of a group serves.

    ``MlflowStage``: metadata ``deploy_environments`` (what the sync from MLflow made of stage and aliases), else
    ``mlflow_current_stage``, names ``value``, or the environment when it is None.
    ``MlflowAlias``: metadata ``mlflow_aliases`` holds ``value``.
    ``LifeCycle``: the package's ModelLifeCycle has the stage ``value``, or the environment's name when it is None;
    ``Stage/StageStatus`` asks for both.
    ``LatestApproved``: any; ``value`` is None.
    """

    kind: SelectKind = "MlflowStage"
    value: str | None = None


@dataclass(frozen=True, slots=True)
class GroupRequest:
    """What one model package group is asked for."""

    group: str
    select: Select
    endpoint_per_version: bool


@dataclass(frozen=True, slots=True)
class Package:
    """One version in a model package group.

    ``metadata``, ``stage``, ``images`` and ``model_data_urls`` are known of approved, completed packages only: no other
    is described, as no other can be served. ``deployable`` is False where the package names no container.
    """

    arn: str
    group: str
    version: int
    status: str
    approval: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    stage_status: str | None = None
    images: tuple[str, ...] = ()
    model_data_urls: tuple[str, ...] = ()
    deployable: bool = True

    @property
    def may_serve(self) -> bool:
        """Whether SageMaker finished the package and somebody approved it."""
        return self.status == "Completed" and self.approval == "Approved"


@dataclass(frozen=True, slots=True)
class LiveEndpoint:
    """An endpoint as AWS has it now.

    ``status`` is DescribeEndpoint's EndpointStatus, ``config`` the name of the configuration that serves, and
    ``instance_counts`` the desired instances of each variant, empty for a serverless endpoint.
    """

    status: str
    config: str
    kind: Literal["instance", "serverless"]
    instance_counts: dict[str, int]
    failure_reason: str | None


@dataclass(frozen=True, slots=True)
class WantedEndpoint:
    """An endpoint that must exist, the package that it serves, and what is live under its name now, if anything."""

    name: str
    group: str
    package_arn: str
    package_version: int
    mlflow_version: str | None
    images: tuple[str, ...]
    model_data_urls: tuple[str, ...]
    live: LiveEndpoint | None


@dataclass(frozen=True, slots=True)
class IgnoredPackage:
    """A package that is not served, and why."""

    package_arn: str
    reason: str
