"""Tags of any SageMaker resource: AddTags, ListTags, DeleteTags."""

from __future__ import annotations

from sandbox.cloud.errors import AwsError, refused
from sandbox.cloud.sagemaker.state import Call, Record, tag_map

TAG_LIMIT = 50


def add_tags(call: Call) -> Record:
    """AddTags: a key that is there already takes the new value."""
    tags = _tags_of(call)
    merged = {**tags, **tag_map(call.request["Tags"])}
    if len(merged) > TAG_LIMIT:
        raise AwsError("ResourceLimitExceeded", f"A resource can have at most {TAG_LIMIT} tags.")
    tags.update(merged)
    return {"Tags": _listed(tags)}


def list_tags(call: Call) -> Record:
    """ListTags, on one page: AWS allows fifty tags and answers them at once."""
    return {"Tags": _listed(_tags_of(call))}


def delete_tags(call: Call) -> Record:
    """DeleteTags."""
    tags = _tags_of(call)
    for key in call.request["TagKeys"]:
        tags.pop(key, None)
    return {}


def _tags_of(call: Call) -> dict[str, str]:
    arn = call.request["ResourceArn"]
    if arn not in call.state.tags:
        msg = f"Could not find resource {arn}."
        raise refused(msg)
    return call.state.tags[arn]


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
