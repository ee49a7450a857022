"""AWS's answers as our values. An answer without what it must hold is an error: it must never pass for an empty one."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from registry.errors import RegistryError
from registry.values import LiveEndpoint, Package

Answer = Mapping[str, Any]


def required(answer: Answer, key: str, kind: type, where: str) -> Any:
    """Take a key that the answer must hold.

    Raises:
        RegistryError: the key is missing or of another type; the text names the call.
    """
    value = answer.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        found = "is missing" if value is None else f"is {type(value).__name__}, not {kind.__name__}"
        message = f"{where} gave a broken answer: {key} {found}; nothing was changed. Run again"
        raise RegistryError(message)
    return value


def entries(answer: Answer, key: str, where: str) -> list[Answer]:
    """Take a list of structures; one that is missing is empty.

    Raises:
        RegistryError: it is no list, or something in it is no structure.
    """
    found = answer.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        message = (
            f"{where} gave a broken answer: {key} is not a list of structures; nothing was changed. Run again"
        )
        raise RegistryError(message)
    return found


def package_summary(summary: Answer, group: str, where: str) -> Package:
    """Read one entry of ModelPackageSummaryList.

    Raises:
        RegistryError: the entry is incomplete, or of another group than was asked for.
    """
    arn = required(summary, "ModelPackageArn", str, where)
    # Summaries of versioned packages carry the ARN, not the name (aws/sagemaker-python-sdk#5606); ARNs may be in lower case.
    owner, _, version = arn.partition(":model-package/")[2].partition("/")
    if owner.lower() != group.lower() or not version.isdecimal():
        message = (
            f"{where} gave a broken answer: {arn} is no version of that group; nothing was changed. Run again"
        )
        raise RegistryError(message)
    return Package(
        arn=arn,
        group=group,
        version=int(version),
        status=required(summary, "ModelPackageStatus", str, where),
        approval=summary.get("ModelApprovalStatus") or "not set",
    )


def package_description(package: Package, description: Answer, where: str) -> Package:
    """Read DescribeModelPackage's answer, the newer truth, over the summary of the same package.

    Raises:
        RegistryError: the answer is incomplete, or of another package.
    """
    arn = required(description, "ModelPackageArn", str, where)
    if arn != package.arn:
        message = f"{where} gave a broken answer: it describes {arn}; nothing was changed. Run again"
        raise RegistryError(message)
    containers = entries(description.get("InferenceSpecification") or {}, "Containers", where)
    life_cycle = description.get("ModelLifeCycle") or {}
    return Package(
        arn=arn,
        group=package.group,
        version=package.version,
        status=required(description, "ModelPackageStatus", str, where),
        approval=description.get("ModelApprovalStatus") or "not set",
        metadata=dict(description.get("CustomerMetadataProperties") or {}),
        stage=life_cycle.get("Stage"),
        stage_status=life_cycle.get("StageStatus"),
        images=_unique(container["Image"] for container in containers if container.get("Image")),
        model_data_urls=_unique(url for container in containers for url in _data_urls(container)),
        deployable=bool(containers),
    )


def serving_variants(description: Answer, where: str) -> list[Answer]:
    """Variants of an endpoint or configuration that answer requests; an endpoint being made has only pending ones."""
    pending = description.get("PendingDeploymentSummary") or {}
    return entries(description, "ProductionVariants", where) or entries(pending, "ProductionVariants", where)


def live_endpoint(description: Answer, variants: Iterable[Answer], where: str) -> LiveEndpoint:
    """Read DescribeEndpoint's answer.

    Args:
        description: the answer.
        variants: the endpoint's serving variants, or those of its configuration where it has none yet.
        where: the call, for error texts.
    """
    variants = list(variants)
    kind: Literal["instance", "serverless"] = (
        "serverless" if any(map(_is_serverless, variants)) else "instance"
    )
    counts = {
        required(variant, "VariantName", str, where): count
        for variant in variants
        if not _is_serverless(variant) and (count := _instances(variant)) is not None
    }
    return LiveEndpoint(
        status=required(description, "EndpointStatus", str, where),
        config=required(description, "EndpointConfigName", str, where),
        kind=kind,
        instance_counts=counts,
        failure_reason=description.get("FailureReason"),
    )


def model_names(description: Answer, where: str) -> frozenset[str]:
    """Names of the models that an endpoint configuration serves or shadows."""
    required(description, "ProductionVariants", list, where)
    variants = [
        variant
        for key in ("ProductionVariants", "ShadowProductionVariants")
        for variant in entries(description, key, where)
    ]
    # A variant of an inference component endpoint has no model.
    return frozenset(variant["ModelName"] for variant in variants if variant.get("ModelName"))


def _is_serverless(variant: Answer) -> bool:
    return any(
        variant.get(key) for key in ("CurrentServerlessConfig", "DesiredServerlessConfig", "ServerlessConfig")
    )


def _instances(variant: Answer) -> int | None:
    for key in ("DesiredInstanceCount", "CurrentInstanceCount", "InitialInstanceCount"):
        if (count := variant.get(key)) is not None:
            return int(count)
    return None


def _data_urls(container: Answer) -> Iterable[str]:
    sources = [container.get("ModelDataSource"), *(container.get("AdditionalModelDataSources") or [])]
    urls = [
        container.get("ModelDataUrl"),
        *(((source or {}).get("S3DataSource") or {}).get("S3Uri") for source in sources),
    ]
    urls.append((container.get("AdditionalS3DataSource") or {}).get("S3Uri"))
    return (url for url in urls if url)


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
