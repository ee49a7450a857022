"""Model package groups and model packages: the registry."""

from __future__ import annotations

from typing import Any

from sandbox.cloud.errors import AwsError, refused
from sandbox.cloud.sagemaker.state import Call, Record, State, now, page, tag_map, without

METADATA_LIMIT = 50
CHANGEABLE = (
    "ModelApprovalStatus",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
)
SUMMARY = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
)


def create_model_package_group(call: Call) -> Record:
    """CreateModelPackageGroup."""
    request, state = call.request, call.state
    name = request["ModelPackageGroupName"]
    arn = state.arn("model-package-group", name)
    if name in state.groups:
        msg = f"Model Package Group already exists: {arn}"
        raise refused(msg)
    record = without(request, "Tags")
    record |= {
        "ModelPackageGroupArn": arn,
        "CreationTime": now(),
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
    }
    state.groups[name] = record
    state.tags[arn] = tag_map(request.get("Tags"))
    return {"ModelPackageGroupArn": arn}


def find_group(state: State, name_or_arn: str) -> Record:
    """Look a group up by its name or ARN.

    Raises:
        AwsError: there is none.
    """
    name = name_or_arn.rsplit("/", 1)[-1]
    arn = name_or_arn if name_or_arn.startswith("arn:") else state.arn("model-package-group", name)
    record = state.groups.get(name)
    if record is None or record["ModelPackageGroupArn"] != arn:
        msg = f"ModelPackageGroup {arn} does not exist."
        raise refused(msg)
    return record


def describe_model_package_group(call: Call) -> Record:
    """DescribeModelPackageGroup."""
    return find_group(call.state, call.request["ModelPackageGroupName"])


def delete_model_package_group(call: Call) -> Record:
    """DeleteModelPackageGroup: refused while it has packages."""
    state = call.state
    group = find_group(state, call.request["ModelPackageGroupName"])
    name = group["ModelPackageGroupName"]
    if any(package.get("ModelPackageGroupName") == name for package in state.packages.values()):
        raise AwsError(
            "ConflictException",
            f"Model Package Group {name} cannot be deleted because it still contains Model Packages.",
        )
    del state.groups[name]
    state.group_policies.pop(name, None)
    state.versions.pop(name, None)
    state.tags.pop(group["ModelPackageGroupArn"], None)
    return {}


def list_model_package_groups(call: Call) -> Record:
    """ListModelPackageGroups."""
    members = (
        "ModelPackageGroupName",
        "ModelPackageGroupArn",
        "ModelPackageGroupDescription",
        "CreationTime",
        "ModelPackageGroupStatus",
    )
    summaries = [
        {key: record[key] for key in members if key in record} for record in call.state.groups.values()
    ]
    return page(
        call,
        summaries,
        name="ModelPackageGroupName",
        arn="ModelPackageGroupArn",
        answer="ModelPackageGroupSummaryList",
    )


def put_model_package_group_policy(call: Call) -> Record:
    """PutModelPackageGroupPolicy."""
    group = find_group(call.state, call.request["ModelPackageGroupName"])
    call.state.group_policies[group["ModelPackageGroupName"]] = call.request["ResourcePolicy"]
    return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}


def get_model_package_group_policy(call: Call) -> Record:
    """GetModelPackageGroupPolicy."""
    return {"ResourcePolicy": call.state.group_policies[_group_with_policy(call)]}


def delete_model_package_group_policy(call: Call) -> Record:
    """DeleteModelPackageGroupPolicy."""
    del call.state.group_policies[_group_with_policy(call)]
    return {}


def _group_with_policy(call: Call) -> str:
    group = find_group(call.state, call.request["ModelPackageGroupName"])
    name = str(group["ModelPackageGroupName"])
    if name not in call.state.group_policies:
        msg = f"Cannot find Model Package Group Policy: {group['ModelPackageGroupArn']}"
        raise refused(msg)
    return name


def create_model_package(call: Call) -> Record:
    """CreateModelPackage: a new version of a group, or a package with a name. Its check is done at once."""
    request, state = call.request, call.state
    token, body = request.get("ClientToken"), without(request, "ClientToken")
    if token and token in state.client_tokens:
        first, arn = state.client_tokens[token]
        if first != body:
            raise AwsError("ConflictException", "The ClientToken was used before with another request.")
        return {"ModelPackageArn": arn}
    record = _new_package(state, body)
    arn = record["ModelPackageArn"]
    state.packages[arn] = record
    state.tags[arn] = tag_map(request.get("Tags"))
    if token:
        state.client_tokens[token] = (body, arn)
    _publish(call, record, [])
    return {"ModelPackageArn": arn}


def _new_package(state: State, body: Record) -> Record:
    name, group_name = body.get("ModelPackageName"), body.get("ModelPackageGroupName")
    if name and group_name:
        raise refused(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
            "Cannot determine which one to use."
        )
    if not name and not group_name:
        raise refused("Missing ARN.")
    record = without(body, "Tags", "ModelPackageGroupName")
    if group_name:
        if body.get("Tags"):
            raise refused("Tags are not supported for versioned model packages; tag the model package group.")
        group = find_group(state, group_name)["ModelPackageGroupName"]
        version = state.versions[group] = state.versions.get(group, 0) + 1
        record |= {"ModelPackageGroupName": group, "ModelPackageVersion": version}
        record.setdefault("ModelApprovalStatus", "PendingManualApproval")
        record["ModelPackageArn"] = state.arn("model-package", f"{group}/{version}")
    else:
        record["ModelPackageArn"] = state.arn("model-package", str(name))
        if record["ModelPackageArn"] in state.packages:
            raise AwsError("ConflictException", f"ModelPackage {record['ModelPackageArn']} already exists.")
    record |= {
        "CreationTime": now(),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CreatedBy": {},
    }
    record.setdefault("CertifyForMarketplace", False)
    return record


def find_package(state: State, name_or_arn: str) -> Record:
    """Look a package up by its ARN or, when it is in no group, its name.

    Raises:
        AwsError: there is none.
    """
    arn = name_or_arn if name_or_arn.startswith("arn:") else state.arn("model-package", name_or_arn)
    if arn not in state.packages:
        msg = f"ModelPackage {arn} does not exist."
        raise refused(msg)
    return state.packages[arn]


def describe_model_package(call: Call) -> Record:
    """DescribeModelPackage."""
    return find_package(call.state, call.request["ModelPackageName"])


def delete_model_package(call: Call) -> Record:
    """DeleteModelPackage. The version's number is not given out again."""
    arn = find_package(call.state, call.request["ModelPackageName"])["ModelPackageArn"]
    del call.state.packages[arn]
    call.state.tags.pop(arn, None)
    return {}


def update_model_package(call: Call) -> Record:
    """UpdateModelPackage: metadata is merged, what is not named stays as it is."""
    request = call.request
    record = find_package(call.state, request["ModelPackageArn"])
    merged = merged_metadata(
        record.get("CustomerMetadataProperties") or {},
        request.get("CustomerMetadataProperties") or {},
        request.get("CustomerMetadataPropertiesToRemove") or [],
    )
    added = request.get("AdditionalInferenceSpecificationsToAdd") or []
    changed = [
        name for name in CHANGEABLE if request.get(name) is not None and request[name] != record.get(name)
    ]
    if merged != (record.get("CustomerMetadataProperties") or {}):
        changed.append("CustomerMetadataProperties")
    record.update({name: request[name] for name in CHANGEABLE if request.get(name) is not None})
    record["CustomerMetadataProperties"] = merged
    if not merged:
        del record["CustomerMetadataProperties"]
    if added:
        record["AdditionalInferenceSpecifications"] = [
            *record.get("AdditionalInferenceSpecifications", []),
            *added,
        ]
    record |= {"LastModifiedTime": now(), "LastModifiedBy": {}}
    _publish(call, record, changed)
    return {"ModelPackageArn": record["ModelPackageArn"]}


def merged_metadata(present: dict[str, str], given: dict[str, str], remove: list[str]) -> dict[str, str]:
    """Merge metadata as UpdateModelPackage does.

    Raises:
        AwsError: more than 50 entries would result.
    """
    merged = {key: value for key, value in {**present, **given}.items() if key not in remove}
    if len(merged) > METADATA_LIMIT:
        msg = f"CustomerMetadataProperties would have {len(merged)} entries; at most {METADATA_LIMIT} are allowed."
        raise refused(msg)
    return merged


def list_model_packages(call: Call) -> Record:
    """ListModelPackages. Without a group and ModelPackageType, only packages that are in no group."""
    request, state = call.request, call.state
    group = None
    if request.get("ModelPackageGroupName"):
        group = find_group(state, request["ModelPackageGroupName"])["ModelPackageGroupName"]
    kind = request.get("ModelPackageType", "Versioned" if group else "Unversioned")
    status = request.get("ModelApprovalStatus")

    def keep(summary: dict[str, Any]) -> bool:
        of_group = summary.get("ModelPackageGroupName")
        return (
            (group is None or of_group == group)
            and (kind == "Both" or (kind == "Versioned") == (of_group is not None))
            and (status is None or summary.get("ModelApprovalStatus") == status)
        )

    summaries = [{key: record[key] for key in SUMMARY if key in record} for record in state.packages.values()]
    return page(
        call,
        summaries,
        name="ModelPackageArn",
        arn="ModelPackageArn",
        answer="ModelPackageSummaryList",
        default_order="Ascending",
        keep=keep,
    )


def _publish(call: Call, record: Record, changed: list[str]) -> None:
    members = (
        *SUMMARY,
        "InferenceSpecification",
        "ModelPackageStatusDetails",
        "CertifyForMarketplace",
        "CustomerMetadataProperties",
        "ModelMetrics",
        "MetadataProperties",
        "LastModifiedTime",
    )
    detail: Record = {key: record[key] for key in members if key in record}
    for member in ("CreationTime", "LastModifiedTime"):
        if member in detail:
            detail[member] = detail[member].isoformat()
    detail["UpdatedModelPackageFields"] = changed
    call.around.events.publish(
        call.state.account,
        call.state.region,
        "SageMaker Model Package State Change",
        detail,
        record["ModelPackageArn"],
    )
