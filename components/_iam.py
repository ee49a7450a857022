"""IAM policy documents as plain dicts from plain values. No Pulumi import: these are decisions, tested as functions."""

import re
from collections.abc import Iterable
from typing import Any

# A package may also name its artifact by URL: virtual-hosted or path style.
_S3_URI = re.compile(
    r"s3://(?P<b1>[^/]+)(?:/(?P<k1>.*))?"
    r"|https://(?P<b2>[^/]+)\.s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?/(?P<k2>.*)"
    r"|https://s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?/(?P<b3>[^/]+)/(?P<k3>.*)"
)
# 123456789012.dkr.ecr.us-east-1.amazonaws.com/team/scikit:1.2 or …@sha256:…; aws-cn ends in .amazonaws.com.cn
_ECR_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")

Statement = dict[str, Any]


def trust_policy() -> dict[str, Any]:
    """Let SageMaker, and nobody else, assume the role."""
    return _document(
        [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}]
    )


def execution_policy(
    *,
    partition: str,
    region: str,
    account_id: str,
    endpoint_name: str,
    images: Iterable[str],
    model_data_urls: Iterable[str],
    capture_destination_s3_uri: str | None = None,
    kms_key_arn: str | None = None,
    subnets: Iterable[str] = (),
    security_group_ids: Iterable[str] = (),
) -> dict[str, Any]:
    """What the containers of one endpoint may do: read their artifacts, pull their images, write their logs and metrics.

    Args:
        partition: the ARNs' partition, such as ``aws`` or ``aws-cn``.
        region: where the endpoint runs.
        account_id: the account that owns the endpoint, 12 digits.
        endpoint_name: names the log group ``/aws/sagemaker/Endpoints/<name>``.
        images: image URIs; those in ECR give pull rights on their repository, others need none.
        model_data_urls: ``s3://bucket/key`` of the artifacts; rights are on the bucket, so a new version changes nothing.
        capture_destination_s3_uri: where data capture writes, or no right to write.
        kms_key_arn: ARN of the key of artifacts and capture, or of its alias; no right to any key when left out.
        subnets: ids of the subnets that get the endpoint's network interfaces; none without a VPC.
        security_group_ids: ids of the interfaces' security groups.

    Returns:
        The policy document, the same for the same input whatever its order.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html (CreateModel API: execution role
    permissions), read 2026-11.
    """
    buckets = sorted({bucket for bucket, _ in map(_s3_parts, model_data_urls)})
    statements = [*_read_artifacts(partition, buckets), *_pull_images(partition, images)]
    statements += _write_logs_and_metrics(partition, region, account_id, endpoint_name)
    if capture_destination_s3_uri:
        bucket, prefix = _s3_parts(capture_destination_s3_uri)
        target = f"arn:{partition}:s3:::{bucket}/{prefix.rstrip('/') + '/' if prefix else ''}*"
        statements.append(_allow("WriteCapturedData", ["s3:PutObject"], [target]))
    if kms_key_arn:
        statements.append(_use_key(kms_key_arn))
    if subnets:
        prefix = f"arn:{partition}:ec2:{region}:{account_id}"
        places = [*(f"{prefix}:subnet/{each}" for each in subnets)]
        places += [f"{prefix}:security-group/{each}" for each in security_group_ids]
        statements += _join_vpc(f"{prefix}:network-interface/*", places)
    return _document(statements)


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: list[str], resources: list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _s3_parts(uri: str) -> tuple[str, str]:
    match = _S3_URI.fullmatch(uri)
    if not match:
        message = (
            f"not an S3 URI: {uri!r}; expected s3://bucket/key, or set executionRoleArn to a role of your own"
        )
        raise ValueError(message)
    bucket = match["b1"] or match["b2"] or match["b3"]
    return bucket, match["k1"] or match["k2"] or match["k3"] or ""


def _read_artifacts(partition: str, buckets: list[str]) -> list[Statement]:
    if not buckets:
        return []
    return [
        _allow("ReadArtifacts", ["s3:GetObject"], [f"arn:{partition}:s3:::{bucket}/*" for bucket in buckets]),
        _allow("ListArtifacts", ["s3:ListBucket"], [f"arn:{partition}:s3:::{bucket}" for bucket in buckets]),
    ]


def _pull_images(partition: str, images: Iterable[str]) -> list[Statement]:
    images = list(images)
    odd = [image for image in images if ".dkr.ecr" in image.split("/")[0] and not _ECR_IMAGE.match(image)]
    if odd:
        message = (
            f"not an ECR image whose rights are known: {odd[0]!r}; set executionRoleArn to a role of your own"
        )
        raise ValueError(message)
    found = {match.groups() for match in map(_ECR_IMAGE.match, images) if match}
    if not found:
        return []
    repositories = [
        f"arn:{partition}:ecr:{region}:{account}:repository/{name}" for account, region, name in sorted(found)
    ]
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return [
        _allow("PullImage", pull, repositories),
        # "*": GetAuthorizationToken has no resource; AWS accepts nothing else.
        _allow("LogInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def _write_logs_and_metrics(
    partition: str, region: str, account_id: str, endpoint_name: str
) -> list[Statement]:
    group = f"arn:{partition}:logs:{region}:{account_id}:log-group:/aws/sagemaker/Endpoints/{endpoint_name}"
    # "*": PutMetricData has no resource; the namespace is what can be limited.
    metrics = _allow("PutMetrics", ["cloudwatch:PutMetricData"], ["*"])
    metrics["Condition"] = {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}}
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return [_allow("WriteLogs", actions, [group, f"{group}:*"]), metrics]


def _use_key(arn: str) -> Statement:
    """Rights on one key. A policy cannot name an alias as its resource, only as a condition on the account's keys.

    Source: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html (read 2026-11).
    """
    actions = ["kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"]
    prefix, _, alias = arn.partition(":alias/")
    if not alias:
        return _allow("UseKey", actions, [arn])
    # "key/*": the alias, in the condition, names the one key.
    statement = _allow("UseKey", actions, [f"{prefix}:key/*"])
    statement["Condition"] = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [f"alias/{alias}"]}}
    return statement


def _join_vpc(interfaces: str, places: list[str]) -> list[Statement]:
    """Rights on network interfaces in the given subnets and security groups.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html (read 2026-11).
    """
    change = [
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
    ]
    look = [
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ]
    return [
        _allow("JoinVpc", ["ec2:CreateNetworkInterface"], [interfaces, *places]),
        # "network-interface/*": the interfaces get their names when they are made.
        _allow("ChangeInterfaces", change, [interfaces]),
        # "*": the Describe actions know no resource.
        _allow("DescribeVpc", look, ["*"]),
    ]
