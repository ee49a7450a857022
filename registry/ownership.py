"""Whose a live resource is, told by its tags, and what a live endpoint still uses. Plain decisions."""

from collections.abc import Mapping

ENDPOINT_TAG = "model-deployment:endpoint"
"""Tag of each model, configuration and role: the endpoint it serves; the delete guard finds the endpoint by it."""

_PROJECT_TAG, _STACK_TAG = "pulumi:project", "pulumi:stack"


def owner_tags(project: str, stack: str, endpoint: str) -> dict[str, str]:
    """Tags that mark a resource as one stack's own."""
    return {_PROJECT_TAG: project, _STACK_TAG: stack, ENDPOINT_TAG: endpoint}


def is_owned(tags: Mapping[str, str], project: str, stack: str) -> bool:
    """Whether the tags of a live resource are those of this stack."""
    return tags.get(_PROJECT_TAG) == project and tags.get(_STACK_TAG) == stack


def refusal(endpoint: str, resource: str, in_use: frozenset[str] | None) -> str | None:
    """Why a model or configuration may not be deleted now, or None when it may.

    Args:
        endpoint: the endpoint that the resource was made for.
        resource: AWS name of the model or configuration.
        in_use: configurations and models that the live endpoint uses; None when there is no such endpoint.
    """
    if in_use is None or resource not in in_use:
        return None
    return (
        f"{resource} is not deleted: the live endpoint {endpoint} still uses it. AWS may have rolled the last update back; "
        f"see `aws sagemaker describe-endpoint --endpoint-name {endpoint}`, then deploy again"
    )
