"""The ComponentResources of the program: each models one thing a user knows by name."""

from components.endpoint import (
    NAME_LIMIT,
    DataCaptureArgs,
    ExecutionRoleArgs,
    ModelEndpoint,
    ModelEndpointArgs,
    ServerlessArgs,
)

__all__ = [
    "NAME_LIMIT",
    "DataCaptureArgs",
    "ExecutionRoleArgs",
    "ModelEndpoint",
    "ModelEndpointArgs",
    "ServerlessArgs",
]
