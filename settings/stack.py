"""Typed settings of one stack: the only reader of pulumi.Config, of the stack files and of config/inference.yaml.

`read` checks all files offline and names every problem at once; `load` does the same inside a Pulumi program, with
the values of the engine.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from registry import GroupRequest, NameCollisionError, endpoint_name, refuse_collisions
from settings.inference import (
    GROUPS_ALLOWED,
    KMS_ALLOWED,
    KMS_PATTERN,
    SUBNETS_ALLOWED,
    TAGS_ALLOWED,
    WRONG,
    Allowed,
    GroupName,
    InferenceConfig,
    InferenceFile,
    InferenceKeys,
    Section,
    SecurityGroupId,
    SubnetId,
    Tags,
    Vpc,
    combination_problems,
    distinct,
    given,
    overlay,
)
from settings.problems import checked, did_you_mean, read_yaml, shown, wrong_keys

_PROJECT_FILE: Final = "Pulumi.yaml"
_INFERENCE_FILE: Final = "config/inference.yaml"
# https://www.pulumi.com/docs/iac/concepts/projects/stack-settings-file/ (read 2026-11)
# Not `environment` (Pulumi ESC): its values reach the engine alone, so guards and digests would judge without them.
_STACK_FILE_KEYS: Final = ("config", "encryptedkey", "encryptionsalt", "secretsprovider")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")


class SettingsError(Exception):
    """Settings are wrong; ``problems`` holds every problem found, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Settings:
    """All that one stack is told.

    ``allowed_account`` has 12 digits, ``environment`` is ``Staging`` or ``Production``, and ``max_removals`` is the
    number of endpoints that one run may delete or replace unasked. Where a role, a boundary or a key is not given it is
    None, and lists and tags are empty.
    """

    project: str
    stack: str
    region: str
    allowed_account: str
    environment: str
    models: tuple[str, ...]
    execution_role_arn: str | None
    permissions_boundary: str | None
    kms_key_id: str | None
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]
    max_removals: int
    inference: Mapping[str, InferenceConfig] = field(repr=False)

    def inference_for(self, group: str) -> InferenceConfig:
        """How one of ``models`` is served, with its overrides and the stack's own KMS key, VPC and tags under it."""
        return self.inference[group]

    def requests(self) -> tuple[GroupRequest, ...]:
        """What the registry is asked for, in the order of ``models``."""
        configs = ((group, self.inference_for(group)) for group in self.models)
        return tuple(
            GroupRequest(group, config.select, config.endpoint_per_version) for group, config in configs
        )

    def digest(self) -> str:
        """SHA-256 of all values; files that say the same in other words have the same digest."""
        inference = {group: config.model_dump(mode="json") for group, config in self.inference.items()}
        values = {name: getattr(self, name) for name in self.__slots__ if name != "inference"}
        return hashlib.sha256(
            json.dumps([values, inference], sort_keys=True, default=dict).encode()
        ).hexdigest()


def read(root: Path, stack: str) -> Settings:
    """Read and check the settings of a stack from its files, offline.

    Args:
        root: folder of Pulumi.yaml.
        stack: name of the stack, also as ``organisation/project/stack``.

    Raises:
        SettingsError: anything is wrong in any of the files; all problems of all files at once.
    """
    problems: list[str] = []
    name = stack.rsplit("/", 1)[-1]
    project = _read_project(root, problems)
    values = _read_stack_file(root, name, project.name, problems)
    return _assemble(root, project, name, values, problems)


def load() -> Settings:
    """Read the settings of the running Pulumi program's stack, with the values that the engine gives.

    Raises:
        SettingsError: anything is wrong; all problems at once.
    """
    import pulumi
    from pulumi.runtime import config as engine

    root = Path(__file__).parents[1]
    problems: list[str] = []
    project = _read_project(root, problems)
    given = {**engine.get_config_env(), **engine.CONFIG.get()}
    types = {f"{project.name}:{key}": declared.get("type") for key, declared in project.config.items()}
    values = {key: _from_engine(value, types.get(key)) for key, value in given.items()}
    return _assemble(root, project, pulumi.get_stack(), values, problems)


def _from_engine(value: Any, declared: str | None) -> Any:
    """Undo the engine's JSON text around lists and objects; what it is not stays text and is refused as such."""
    if declared in ("array", "object") and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _whole_number(value: object) -> object:
    """Take what `pulumi config set` writes, a number in quotes; the engine takes it too."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value


def _arn(service: str, resource: str) -> str:
    # The partition is the user's: aws, aws-cn, aws-us-gov, …
    return f"^(arn:aws[a-z-]*:iam::{service}:{resource}/[a-zA-Z0-9+=,.@_/-]+)?$"


class _StackConfig(BaseModel):
    """Keys of a stack file, as Pulumi.yaml declares them. Its defaults are Pulumi.yaml's; empty means not given."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    environment: Annotated[Literal["Staging", "Production"], Allowed("Staging or Production")]
    models: Annotated[
        tuple[GroupName, ...],
        Field(min_length=1, strict=False),
        AfterValidator(distinct),
        Allowed(
            "a list of one or more different model package groups; each of up to 63 letters, digits and single -, "
            "with a letter or digit at both ends"
        ),
    ]
    allowed_account: Annotated[
        str, StringConstraints(pattern="^[0-9]{12}$"), Allowed("the 12 digits of an AWS account, in quotes")
    ]
    execution_role_arn: Annotated[
        str,
        StringConstraints(pattern=_arn("[0-9]{12}", "role")),
        Allowed('the ARN of an IAM role, arn:PARTITION:iam::ACCOUNT:role/NAME, or ""'),
    ]
    permissions_boundary_arn: Annotated[
        str,
        StringConstraints(pattern=_arn("([0-9]{12}|aws)", "policy")),
        Allowed('the ARN of an IAM managed policy, arn:PARTITION:iam::ACCOUNT:policy/NAME, or ""'),
    ]
    kms_key_id: Annotated[
        str, StringConstraints(pattern=f"{KMS_PATTERN}|^$"), Allowed(f'{KMS_ALLOWED.text}, or ""')
    ]
    subnets: Annotated[
        tuple[SubnetId, ...],
        Field(max_length=16, strict=False),
        AfterValidator(distinct),
        Allowed(f"{SUBNETS_ALLOWED.text}, or []"),
    ]
    security_groups: Annotated[
        tuple[SecurityGroupId, ...],
        Field(max_length=5, strict=False),
        AfterValidator(distinct),
        Allowed(f"{GROUPS_ALLOWED.text}, or []"),
    ]
    tags: Annotated[Tags, TAGS_ALLOWED]
    max_removals: Annotated[
        int, BeforeValidator(_whole_number), Field(ge=0), Allowed("a whole number of 0 or more")
    ]


@dataclass(frozen=True, slots=True)
class _Project:
    """What Pulumi.yaml says: the project's name, and the declarations of its config by key."""

    name: str
    config: Mapping[str, Mapping[str, Any]]

    def defaults(self) -> dict[str, Any]:
        return {key: declared["default"] for key, declared in self.config.items() if "default" in declared}


def _read_project(root: Path, problems: list[str]) -> _Project:
    document = read_yaml(root, _PROJECT_FILE, problems)
    if document is None:
        return _Project("", {})
    name, config = document.get("name"), document.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        problems.append(f"{_PROJECT_FILE}: found no name and config; allowed: a Pulumi project with both")
        return _Project("", {})
    return _Project(name, {key: declared for key, declared in config.items() if isinstance(declared, dict)})


def _read_stack_file(root: Path, stack: str, project: str, problems: list[str]) -> Mapping[str, Any] | None:
    name = f"Pulumi.{stack}.yaml"
    stacks = sorted(_stack_files(root))
    if stack not in stacks:
        hint = did_you_mean(stack, stacks)
        problems.append(
            f"{name}: there is no such stack file; stacks here: {', '.join(stacks) or 'none'}{hint}"
        )
        return None
    document = read_yaml(root, name, problems)
    if document is None:
        return None
    for key in document:
        if key not in _STACK_FILE_KEYS:
            hint = did_you_mean(str(key), [*_STACK_FILE_KEYS, f"config: {project}:{key}"])
            problems.append(f"{name}: unknown key {key}; allowed: {', '.join(_STACK_FILE_KEYS)}{hint}")
    values = document.get("config")
    if not isinstance(values, dict):
        problems.append(
            f"{name}: config: found {shown(values)}; allowed: a mapping of {project}:… and aws:… keys"
        )
        return None
    return values


def _stack_files(root: Path) -> dict[str, Path]:
    return {path.name[len("Pulumi.") : -len(".yaml")]: path for path in root.glob("Pulumi.*.yaml")}


def _assemble(
    root: Path, project: _Project, stack: str, values: Mapping[str, Any] | None, problems: list[str]
) -> Settings:
    """Check what was read and put it together.

    Raises:
        SettingsError: there are problems, found here or before.
    """
    file = f"Pulumi.{stack}.yaml"
    config = _check_stack(project, values, file, problems) if values is not None and project.name else None
    region = _check_region(values or {}, file, problems) if values is not None else ""
    sections = _read_sections(root, problems)
    if sections is not None:
        _check_sections(sections, problems)
        _check_groups(root, project.name, sections, problems)
    inference: dict[str, InferenceConfig] = {}
    if config is not None and sections is not None:
        inference = _serve(config, file, sections, problems)
    if problems or config is None:
        raise SettingsError(dict.fromkeys(problems))
    return Settings(
        project=project.name,
        stack=stack,
        region=region,
        allowed_account=config.allowed_account,
        environment=config.environment,
        models=config.models,
        execution_role_arn=config.execution_role_arn or None,
        permissions_boundary=config.permissions_boundary_arn or None,
        kms_key_id=config.kms_key_id or None,
        subnets=config.subnets,
        security_groups=config.security_groups,
        tags=config.tags,
        max_removals=config.max_removals,
        inference=inference,
    )


def _check_stack(
    project: _Project, values: Mapping[str, Any], file: str, problems: list[str]
) -> _StackConfig | None:
    prefix = f"{project.name}:"
    own: dict[str, Any] = dict(project.defaults())
    for key, value in values.items():
        name = str(key)
        if ":" not in name:
            problems.append(f"{file}: config: unknown key {name}; did you mean {prefix}{name}?")
        elif not name.startswith((prefix, "pulumi:")) and name != "aws:region":
            problems.append(f"{file}: config: {name}: has no effect here; {_instead(name, prefix)}")
        elif name.startswith(prefix):
            own[name.removeprefix(prefix)] = value
            if isinstance(value, dict) and value.keys() == {"secure"}:
                problems.append(
                    f"{file}: config: {name}: found a secret; no key here is one, so set it without --secret"
                )
    config = checked(_StackConfig, own, f"{file}: config", problems, prefix=prefix)
    if config is None:
        return None
    if bool(config.subnets) != bool(config.security_groups):
        problems.append(
            f"{file}: config: {prefix}subnets and {prefix}securityGroups go together: found {len(config.subnets)} and "
            f"{len(config.security_groups)}; allowed: both, or [] for both"
        )
    try:
        refuse_collisions((endpoint_name(group, config.environment), group) for group in config.models)
    except NameCollisionError as error:
        problems.append(f"{file}: config: {prefix}models: {error}")
    return config


def _instead(key: str, prefix: str) -> str:
    """What to do instead of a key that the program does not read."""
    if key.startswith("aws:"):
        return (
            f"choose credentials by AWS_PROFILE, the account by {prefix}allowedAccount, tags by {prefix}tags"
        )
    return f"did you mean {prefix}{key.split(':', 1)[1]}? Allowed are aws:region, {prefix}… and pulumi:…"


def _check_region(values: Mapping[str, Any], file: str, problems: list[str]) -> str:
    region = values.get("aws:region")
    if isinstance(region, str) and _REGION.fullmatch(region):
        return region
    found = "is missing" if region is None else f"found {shown(region)}"
    problems.append(f"{file}: config: aws:region: {found}; allowed: an AWS region, such as us-east-1")
    return ""


def _read_sections(root: Path, problems: list[str]) -> dict[str, Section | None] | None:
    """Read the sections of config/inference.yaml; None for each that is given and wrong, None for all if no mapping."""
    document = read_yaml(root, _INFERENCE_FILE, problems)
    if document is None:
        return None
    checked(InferenceFile, document, _INFERENCE_FILE, problems)
    sections: dict[str, Section | None] = {}
    for name in (str(info.alias) for info in InferenceFile.model_fields.values()):
        if name in document:
            values = document[name]
            sections[name] = checked(Section, values, "", []) if isinstance(values, dict) else None
            if sections[name] is None and isinstance(values, dict):
                problems += [f"{_INFERENCE_FILE}: {name}: {found}" for found in _combined_despite(values)]
    return sections


def _combined_despite(values: Mapping[Any, Any]) -> list[str]:
    """What cannot be together in a section that also has wrong keys, so that all problems are told at once."""
    wrong = wrong_keys(Section, values)
    fields = {info.alias: name for name, info in InferenceKeys.model_fields.items()}
    known = {fields.get(key, str(key)): WRONG if key in wrong else value for key, value in values.items()}
    return combination_problems({name: value for name, value in known.items() if value is not False})


def _check_sections(sections: Mapping[str, Section | None], problems: list[str]) -> None:
    """Check each section, and each group's overrides over it, whether this stack uses them or not."""
    for name, section in sections.items():
        if section and _served(problems, f"{_INFERENCE_FILE}: {name}", given(section)):
            for group, keys in section.models.items():
                _served(problems, f"{_INFERENCE_FILE}: {name}: Models.{group}", given(section), given(keys))


def _served(problems: list[str], place: str, *layers: Mapping[str, Any]) -> InferenceConfig | None:
    merged = {
        str(InferenceConfig.model_fields[name].alias): value for name, value in overlay(*layers).items()
    }
    return checked(InferenceConfig, merged, place, problems)


def _check_groups(
    root: Path, project: str, sections: Mapping[str, Section | None], problems: list[str]
) -> None:
    """Refuse overrides for a group that no stack serves: a mistyped name would silently change nothing."""
    known: set[str] = set()
    for path in _stack_files(root).values():
        document = read_yaml(root, path.name, [])
        values = document.get("config") if document else None
        groups = values.get(f"{project}:models") if isinstance(values, dict) else None
        if not isinstance(groups, list):
            return  # that stack's own check tells what is wrong with it
        known.update(map(str, groups))
    for name, section in sections.items():
        problems += [
            f"{_INFERENCE_FILE}: {name}: Models.{group}: found a group that no stack serves; allowed: "
            f"{', '.join(sorted(known))}{did_you_mean(group, known)}"
            for group in sorted((section.models.keys() if section else set()) - known)
        ]


def _serve(
    config: _StackConfig, file: str, sections: Mapping[str, Section | None], problems: list[str]
) -> dict[str, InferenceConfig]:
    """Lay each group's keys over its section's, and those over what the stack file says for all."""
    section = sections.get(config.environment)
    if config.environment not in sections:
        problems.append(f"{_INFERENCE_FILE}: {config.environment}: is missing; {file} serves by this section")
    if section is None:
        return {}
    stack: dict[str, Any] = {"tags": config.tags}
    if config.kms_key_id:
        stack["kms_key_id"] = config.kms_key_id
    if config.subnets and config.security_groups:
        stack["vpc"] = Vpc(subnets=config.subnets, security_group_ids=config.security_groups)
    served = {}
    for group in config.models:
        place = f"{_INFERENCE_FILE}: {config.environment}: {group} with the keys of {file}"
        overrides = section.models.get(group)
        layers = [stack, given(section), *([given(overrides)] if overrides else [])]
        found: list[str] = []
        served[group] = _served(found, place, *layers)
        if not any(problem.startswith(f"{_INFERENCE_FILE}: {config.environment}") for problem in problems):
            problems += found
    return {group: made for group, made in served.items() if made}
