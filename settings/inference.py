"""What config/inference.yaml may say: each key with its rule and meaning, and which keys go together.

`InferenceFile` is the file, `InferenceConfig` what one model package group is served by. The JSON Schema that editors
complete keys with is made from the same models.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, NamedTuple, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from registry import Select

_TAG_LIMIT: Final = 45  # of the 50 that AWS allows on a resource; the program adds up to 5 of its own
_INSTANCE_KEYS: Final = frozenset({"instance_type", "instance_count"})
_SERVERLESS_KEYS: Final = frozenset(
    {"serverless_max_concurrency", "serverless_size_in_mb", "serverless_provisioned_concurrency"}
)


class Allowed(NamedTuple):
    """What a key may be, in the words of the error text."""

    text: str


# Select's values. MLflow's stages and rules for aliases: https://mlflow.org/docs/latest/ml/model-registry;
# life cycle: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelLifeCycle.html (both read 2026-11).
_NO_VALUE = r"(?!)"
_LIFE_CYCLE = "[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}"
_SELECT_VALUES: Final[Mapping[str, str]] = {
    "MlflowStage": r"None|Staging|Production|Archived",
    "MlflowAlias": r"(?!(?:latest|v[0-9]+)\Z)[a-zA-Z0-9_-]{1,255}",
    "LifeCycle": rf"{_LIFE_CYCLE}(?:/{_LIFE_CYCLE})?",
    "LatestApproved": _NO_VALUE,
}
_SELECT_SCHEMA: Final[JsonSchemaValue] = {
    "anyOf": [
        {"enum": ["MlflowStage", "LifeCycle", "LatestApproved"]},
        {
            "type": "object",
            "properties": {
                kind: {"type": "string", "pattern": f"^(?:{values.replace(chr(92) + 'Z', '$')})$"}
                for kind, values in _SELECT_VALUES.items()
                if values != _NO_VALUE
            },
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]
}


def _select(found: object) -> Select:
    """Read ``Kind`` or ``{Kind: value}``."""
    if isinstance(found, Select):
        return found
    kind, value = next(iter(found.items())) if isinstance(found, dict) and len(found) == 1 else (found, None)
    if (
        not isinstance(kind, str)
        or kind not in _SELECT_VALUES
        or isinstance(found, dict) != isinstance(value, str)
    ):
        raise ValueError
    if (kind == "MlflowAlias") > isinstance(value, str):
        raise ValueError
    if value is not None and not re.fullmatch(_SELECT_VALUES[kind], value):
        raise ValueError
    return Select(cast(Any, kind), value)


def _tags(tags: dict[str, str]) -> dict[str, str]:
    """Refuse characters that AWS refuses (letters, spaces and digits of any script are fine), and reserved keys."""
    for text in (*tags, *tags.values()):
        if any(unicodedata.category(char)[0] not in "LZN" and char not in "_.:/=+-@" for char in text):
            raise ValueError
    if any(key.lower().startswith(("aws:", "pulumi:", "model-deployment:")) for key in tags):
        raise ValueError
    return tags


def distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names something twice."""
    if len(set(items)) != len(items):
        raise ValueError
    return items


_KMS_ID = "(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|mrk-[0-9a-f]{32})"
_KMS_ALIAS = "alias/[a-zA-Z0-9/_-]+"
KMS_PATTERN: Final = (
    f"^(?:{_KMS_ID}|{_KMS_ALIAS}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:(?:key/{_KMS_ID}|{_KMS_ALIAS}))$"
)
KMS_ALLOWED: Final = Allowed("a KMS key's id, its ARN, alias/NAME, or the ARN of an alias")
TAGS_ALLOWED: Final = Allowed(
    f"at most {_TAG_LIMIT} tags; keys of 1 to 128 and values of up to 256 letters, digits, spaces and _.:/=+-@; "
    "text in quotes; no key that begins with aws:, pulumi: or model-deployment:"
)
SUBNETS_ALLOWED: Final = Allowed("a list of 1 to 16 different subnet ids, subnet-…")
GROUPS_ALLOWED: Final = Allowed("a list of 1 to 5 different security group ids, sg-…")

GroupName = Annotated[str, StringConstraints(pattern="^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", max_length=63)]
SubnetId = Annotated[str, StringConstraints(pattern="^subnet-[0-9a-f]+$", max_length=32)]
SecurityGroupId = Annotated[str, StringConstraints(pattern="^sg-[0-9a-f]+$", max_length=32)]
Tags = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=128)], Annotated[str, Field(max_length=256)]
    ],
    Field(max_length=_TAG_LIMIT),
    AfterValidator(_tags),
]
_EnvironmentKey = Annotated[str, StringConstraints(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=1024)]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_pascal,
        validate_by_alias=True,
        validate_by_name=True,
    )


class Vpc(_Model):
    """Where the model's containers have network interfaces."""

    subnets: Annotated[
        tuple[SubnetId, ...],
        Field(min_length=1, max_length=16, strict=False, description="Subnets of the containers."),
        AfterValidator(distinct),
        SUBNETS_ALLOWED,
    ]
    security_group_ids: Annotated[
        tuple[SecurityGroupId, ...],
        Field(min_length=1, max_length=5, strict=False, description="Security groups of the containers."),
        AfterValidator(distinct),
        GROUPS_ALLOWED,
    ]


class InferenceKeys(_Model):
    """How a model is served. Each key is checked by itself; None and empty values stand for keys that are not given.

    Limits: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html and the pages of the
    other types of CreateEndpointConfig and CreateModel (read 2026-11).
    """

    instance_type: Annotated[
        str | None,
        Field(
            pattern=r"^ml\.[a-z][a-z0-9-]*\.[a-z0-9-]+$", description="Instance type of a real-time endpoint."
        ),
        Allowed("a SageMaker instance type, such as ml.m5.large"),
    ] = None
    instance_count: Annotated[
        int | None,
        Field(ge=1, description="Instances that a real-time endpoint starts with."),
        Allowed("a whole number of 1 or more"),
    ] = None
    serverless_max_concurrency: Annotated[
        int | None,
        Field(ge=1, le=200, description="Requests that a serverless endpoint answers at once. Default 1."),
        Allowed("a whole number from 1 to 200"),
    ] = None
    serverless_size_in_mb: Annotated[
        int | None,
        Field(
            alias="ServerlessSizeInMB",
            ge=1024,
            le=6144,
            multiple_of=1024,
            description="Memory of a serverless endpoint in MB. Default 1024.",
        ),
        Allowed("1024, 2048, 3072, 4096, 5120 or 6144"),
    ] = None
    serverless_provisioned_concurrency: Annotated[
        int | None,
        Field(
            ge=1, le=200, description="Requests that a serverless endpoint is kept warm for. Default none."
        ),
        Allowed("a whole number from 1 to 200, and not above ServerlessMaxConcurrency"),
    ] = None
    capture_destination_s3_uri: Annotated[
        str | None,
        Field(
            pattern="^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$",
            max_length=512,
            description="Where requests and responses are captured to. Default: nothing is captured.",
        ),
        Allowed("s3://BUCKET or s3://BUCKET/PREFIX of up to 512 characters"),
    ] = None
    capture_sampling_percentage: Annotated[
        int | None,
        Field(ge=0, le=100, description="Share of the requests that is captured, in percent. Default 100."),
        Allowed("a whole number from 0 to 100"),
    ] = None
    select: Annotated[
        Select,
        BeforeValidator(_select),
        WithJsonSchema(_SELECT_SCHEMA),
        Field(
            description="Which package version serves. Default MlflowStage: the stage of the environment's name."
        ),
        Allowed(
            "MlflowStage, LifeCycle or LatestApproved; or one of {MlflowStage: None, Staging, Production or Archived}, "
            "{MlflowAlias: ALIAS}, {LifeCycle: STAGE or STAGE/STATUS}; MLflow reserves the aliases latest and v1, v2, …"
        ),
    ] = Select()
    endpoint_per_version: Annotated[
        bool,
        Field(description="One endpoint for each selected version. Default false: one stable endpoint."),
        Allowed("true or false"),
    ] = False
    network_isolation: Annotated[
        bool,
        Field(description="Cut the containers off from the network. Default false."),
        Allowed("true or false"),
    ] = False
    vpc: Annotated[
        Vpc | None,
        Field(
            description="VPC of the containers. Default: subnets and securityGroups of the stack file, if any."
        ),
        Allowed("a mapping with Subnets and SecurityGroupIds"),
    ] = None
    kms_key_id: Annotated[
        str | None,
        Field(
            pattern=KMS_PATTERN,
            max_length=2048,
            description="KMS key for storage and captured data. Default: kmsKeyId of the stack file, if any.",
        ),
        KMS_ALLOWED,
    ] = None
    environment: Annotated[
        dict[_EnvironmentKey, Annotated[str, Field(max_length=1024)]],
        Field(
            max_length=100, description="Environment variables of the container; no secrets. Default none."
        ),
        Allowed(
            "at most 100 variables; names of letters, digits and _ that do not begin with a digit; "
            "values are text of up to 1024 characters, numbers in quotes"
        ),
    ] = Field(default_factory=dict)
    tags: Annotated[
        Tags,
        Field(description="Tags of the endpoint's resources, added to those of the stack file."),
        TAGS_ALLOWED,
    ] = Field(default_factory=dict)


class InferenceConfig(InferenceKeys):
    """How one model package group is served: keys that are possible together, with all defaults filled in.

    A serverless configuration has concurrency and memory, one on instances has type and count.
    """

    @property
    def is_serverless(self) -> bool:
        """Whether the endpoint is serverless; otherwise it runs on instances."""
        return any(getattr(self, key) is not None for key in _SERVERLESS_KEYS)

    @model_validator(mode="after")
    def _check_combination(self) -> "InferenceConfig":
        defaults: dict[str, int] = {}
        if self.is_serverless:
            defaults = {"serverless_max_concurrency": 1, "serverless_size_in_mb": 1024}
        if self.capture_destination_s3_uri is not None:
            defaults["capture_sampling_percentage"] = 100
        problems = combination_problems(
            {key: value for key, value in self if value is not None and value is not False}
        )
        for key, default in defaults.items():
            if getattr(self, key) is None:
                self.__dict__[key] = default  # frozen from here on
        if problems:
            raise PydanticCustomError("combination", "impossible combination", {"problems": problems})
        return self


WRONG: Final = object()
"""Stands for the value of a key that is given, but not as it may be."""


def combination_problems(found: Mapping[str, Any]) -> list[str]:
    """Say which keys cannot be together, or are not complete.

    Args:
        found: values by field name; only keys that are given and not false. A wrong value may be `WRONG`: then what is
            incomplete is not told, as the wrong key may be what is missing.
    """
    problems = [*_serving_kind_problems(found), *_serverless_problems(found)]
    if (
        "capture_sampling_percentage" in found
        and "capture_destination_s3_uri" not in found
        and not _has_wrong(found)
    ):
        problems.append(
            "CaptureSamplingPercentage needs CaptureDestinationS3Uri; give it, or remove the percentage"
        )
    return problems


def _has_wrong(found: Mapping[str, Any]) -> bool:
    return any(value is WRONG for value in found.values())


def _serving_kind_problems(found: Mapping[str, Any]) -> Iterator[str]:
    on_instances = [_alias(key) for key in sorted(_INSTANCE_KEYS & found.keys())]
    is_serverless = bool(_SERVERLESS_KEYS & found.keys())
    if is_serverless and on_instances:
        yield (
            f"found {' and '.join(on_instances)} beside Serverless… keys; allowed: InstanceType and InstanceCount, "
            "or Serverless… keys (no GPU or other instance type applies to serverless); remove one kind"
        )
    elif not is_serverless and len(on_instances) < len(_INSTANCE_KEYS) and not _has_wrong(found):
        only = f"only {on_instances[0]}" if on_instances else "no key that says where the model runs"
        yield f"found {only}; allowed: InstanceType and InstanceCount together, or ServerlessMaxConcurrency"


def _serverless_problems(found: Mapping[str, Any]) -> Iterator[str]:
    """What AWS cannot do serverless: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html."""
    if not _SERVERLESS_KEYS & found.keys():
        return
    names = {
        "network_isolation": "NetworkIsolation",
        "vpc": "Vpc (subnets and securityGroups in a stack file)",
        "capture_destination_s3_uri": "CaptureDestinationS3Uri",
    }
    for key, name in names.items():
        if key in found and found[key] is not WRONG:
            yield f"{name} is not possible with serverless; remove it, or use InstanceType and InstanceCount"
    most = found.get("serverless_max_concurrency", 1)
    warm = found.get("serverless_provisioned_concurrency", 1)
    if WRONG not in (most, warm) and warm > most:
        yield f"ServerlessProvisionedConcurrency: found {warm}; allowed: up to ServerlessMaxConcurrency, which is {most}"


class Section(InferenceKeys):
    """How one environment serves its models."""

    models: Annotated[
        dict[GroupName, InferenceKeys],
        Field(description="Other values of any key above for single model package groups."),
        Allowed("a mapping from model package groups to keys of the section"),
    ] = Field(default_factory=dict)


class InferenceFile(_Model):
    """How each environment serves a model."""

    staging: Annotated[
        Section | None,
        Field(description="Endpoints of stacks with environment Staging."),
        Allowed("a mapping"),
    ] = None
    production: Annotated[
        Section | None,
        Field(description="Endpoints of stacks with environment Production."),
        Allowed("a mapping"),
    ] = None


class _Schema(GenerateJsonSchema):
    """Without null and defaults: a key that is not given is left out, and editors must not propose otherwise."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        return made | {"additionalProperties": False} if "patternProperties" in made else made

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def get_title_from_name(self, name: str) -> str:
        return name


def inference_schema() -> JsonSchemaValue:
    """Make the JSON Schema of config/inference.yaml.

    It knows every key, type and range and the two kinds of serving; what else excludes each other, only `read` tells.
    """
    schema = InferenceFile.model_json_schema(schema_generator=_Schema)
    instance, serverless = (sorted(map(_alias, keys)) for keys in (_INSTANCE_KEYS, _SERVERLESS_KEYS))
    schema["$defs"]["Section"]["oneOf"] = [
        {"required": instance, "not": {"anyOf": [{"required": [key]} for key in serverless]}},
        {
            "anyOf": [{"required": [key]} for key in serverless],
            "not": {"anyOf": [{"required": [key]} for key in instance]},
        },
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "config/inference.yaml",
    }


def _alias(key: str) -> str:
    return InferenceKeys.model_fields[key].alias or key


def given(keys: InferenceKeys) -> dict[str, Any]:
    """The keys that were really given, by field name, without ``Models``."""
    return {name: getattr(keys, name) for name in keys.model_fields_set if name != "models"}


def overlay(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay given keys over each other, the last on top.

    Tags and Environment are joined entry by entry, any other key replaces the one below. Keys of one kind of serving
    drop those of the other kind below them.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for kind, other in ((_INSTANCE_KEYS, _SERVERLESS_KEYS), (_SERVERLESS_KEYS, _INSTANCE_KEYS)):
            if kind & layer.keys():
                merged = {key: value for key, value in merged.items() if key not in other}
        for key, value in layer.items():
            merged[key] = {**merged.get(key, {}), **value} if key in ("tags", "environment") else value
    return merged
