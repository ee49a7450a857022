"""tools/engine/aws/types.json against the classes of the installed pulumi_aws.

Proves: a program that fits pulumi_aws fits the built plugin, but for what NEWER lists.
Does not prove: that values mean the same; tests/engine/test_engine_types.py lives each type's life.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import json
import os
import subprocess
import typing
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest
from pulumi import _types

from tools import engine

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")

TABLE = json.loads((Path(__file__).parents[2] / "tools" / "engine" / "aws" / "types.json").read_text())
RESOURCES = {row["token"]: row for row in TABLE["resources"].values()}
PROVIDER = "pulumi:providers:aws"
FUNCTIONS = {row["token"]: row for row in TABLE["dataSources"].values()}

NEWER_OF = {
    "aws:appautoscaling/policy:Policy": {"predictiveScalingPolicyConfiguration"},
    "aws:cloudwatch/metricAlarm:MetricAlarm": {
        "evaluationCriteria",
        "evaluationInterval",
        "evaluationWindow",
        "warmUpConfiguration",
    },
    "aws:s3/bucket:Bucket": {
        "bucketNamespace",
        "serverSideEncryptionConfiguration.rule.blockedEncryptionTypes",
    },
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": {
        "executionRoleArn",
        "productionVariants[].capacityReservationConfig",
        "shadowProductionVariants[].capacityReservationConfig",
    },
    "aws:sagemaker/model:Model": {
        "containers[].additionalModelDataSources",
        "primaryContainer.additionalModelDataSources",
    },
    PROVIDER: {"tagPolicyCompliance", "userAgents"},
}
"""Inputs that pulumi_aws has because it is made from provider 6.x, and that provider 5.x refuses. Besides these the `region`
of every resource that lives in one: 6.x can place each in a region of its own."""

OPTIONAL_SINCE = {"aws:cloudwatch/metricAlarm:MetricAlarm": {"comparisonOperator", "evaluationPeriods"}}
"""Inputs that provider 5.x requires and 6.x does not."""


def module_of(token: str) -> Any:
    """The module of pulumi_aws: `pulumi_aws.sagemaker` of `aws:sagemaker/model:Model`."""
    name = token.split(":")[1].split("/")[0]
    return pulumi_aws if name == "index" else importlib.import_module(f"pulumi_aws.{name}")


def arguments_of(token: str) -> type:
    """The class of a resource's arguments, as the program may give them."""
    if token == PROVIDER:
        return pulumi_aws.ProviderArgs
    return getattr(module_of(token), token.rsplit(":", 1)[1] + "Args")


def shape(arguments: type) -> dict[str, Any]:
    """Pulumi's property names of a class of arguments; below each: a shape, a list of one shape, or None."""
    return {name: below(kind) for name, kind in _types.input_type_types(arguments).items()}


def below(kind: Any) -> Any:
    kind = _types.unwrap_type(kind)
    if isinstance(kind, type) and _types.is_input_type(kind):
        return shape(kind)
    if typing.get_origin(kind) is collections.abc.Sequence:
        return [below(typing.get_args(kind)[0])]
    return None


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The built plugin's own schema."""
    if engine.installed().kind == "official":
        pytest.skip("an official plugin has no table of ours")
    command = ["pulumi", "package", "get-schema", "aws"]
    done = subprocess.run(
        command, env={**os.environ, **engine.environment()}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plugin_shape(schema: dict[str, Any], spec: dict[str, Any]) -> Any:
    """The same as `shape`, of a property of the plugin's schema."""
    if "$ref" in spec:
        properties = schema["types"][spec["$ref"].removeprefix("#/types/")]["properties"]
        return {name: plugin_shape(schema, inner) for name, inner in properties.items()}
    if spec["type"] == "array":
        return [plugin_shape(schema, spec["items"])]
    return None


def differences(mine: Any, theirs: Any, path: str = "") -> set[str]:
    """Where the plugin's shape is another than pulumi_aws's: a path, with a sign where it is not only in pulumi_aws."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        found = {f"+{path}{name}" for name in mine.keys() - theirs.keys()}
        found |= {f"{path}{name}" for name in theirs.keys() - mine.keys()}
        both = mine.keys() & theirs.keys()
        return found.union(*(differences(mine[name], theirs[name], f"{path}{name}.") for name in both))
    if isinstance(mine, list) and isinstance(theirs, list):
        return differences(mine[0], theirs[0], f"{path.removesuffix('.')}[].")
    return set() if type(mine) is type(theirs) else {f"!{path.removesuffix('.')}"}


@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_each_resources_token_is_its_class(token: str) -> None:
    resource_class = getattr(module_of(token), token.rsplit(":", 1)[1])
    assert resource_class.pulumi_type == token
    assert {*RESOURCES[token].get("rename", {}).values()} <= set(shape(arguments_of(token)))


@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_each_data_sources_token_is_a_function(token: str) -> None:
    function = token.rsplit(":", 1)[1]
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in function)
    assert callable(getattr(module_of(token), name))


@pytest.mark.engine
@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_each_resources_inputs_are_those_of_its_class(schema: dict[str, Any], token: str) -> None:
    properties = schema["resources"][token]["inputProperties"]
    mine = {name: plugin_shape(schema, spec) for name, spec in properties.items()}
    theirs = shape(arguments_of(token))
    regional = {"region"} & theirs.keys()
    assert differences(mine, theirs) == NEWER_OF.get(token, set()) | regional


@pytest.mark.engine
@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_what_the_plugin_requires_the_class_requires(schema: dict[str, Any], token: str) -> None:
    parameters = inspect.signature(arguments_of(token).__init__).parameters
    names = _types.input_type_py_to_pulumi_names(arguments_of(token))
    required = {names[name] for name, one in parameters.items() if name in names and one.default is one.empty}
    mine = set(schema["resources"][token].get("requiredInputs", []))
    assert mine == required | OPTIONAL_SINCE.get(token, set())


@pytest.mark.engine
def test_the_providers_configuration_is_that_of_its_class(schema: dict[str, Any]) -> None:
    mine = {name: plugin_shape(schema, spec) for name, spec in schema["provider"]["inputProperties"].items()}
    theirs = shape(arguments_of(PROVIDER))
    services = {path for path in differences(mine, theirs) if path.lstrip("+").startswith("endpoints[].")}
    assert differences(mine, theirs) - services == NEWER_OF[PROVIDER]
    assert mine["endpoints"][0].keys() & theirs["endpoints"][0].keys() >= {"iam", "s3", "sagemaker", "sts"}


@pytest.mark.engine
@pytest.mark.parametrize("token", sorted(FUNCTIONS))
def test_each_data_sources_results_are_those_of_its_class(schema: dict[str, Any], token: str) -> None:
    function = token.rsplit(":", 1)[1]
    result = getattr(module_of(token), f"{function[0].upper()}{function[1:]}Result")
    mine = set(schema["functions"][token]["outputs"]["properties"])
    theirs = {name for name in vars(result) if not name.startswith("_")}
    snake = {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name) for name in mine
    }
    assert snake - theirs == set()
