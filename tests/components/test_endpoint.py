import json
import re

import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import NAME_LIMIT, ModelEndpoint
from tests.support.engine import AUTONAMING, Recorded, run_program

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/7"
ROLE = "arn:aws:iam::123456789012:role/given"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
COMPONENT = "model-deployment:index:ModelEndpoint"
MODEL = "aws:sagemaker/model:Model"
CONFIG = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
OWN_ROLE = {
    "partition": "aws",
    "region": "us-east-1",
    "account_id": "123456789012",
    "images": ["123456789012.dkr.ecr.us-east-1.amazonaws.com/sklearn:1"],
    "model_data_urls": ["s3://models/churn/7/model.tar.gz"],
}
INSTANCES = {
    "endpoint_name": "churn-staging",
    "model_package_arn": PACKAGE,
    "instance_type": "ml.m5.large",
    "initial_instance_count": 2,
    "execution_role_arn": ROLE,
}
SERVERLESS = {
    "endpoint_name": "churn-production",
    "model_package_arn": PACKAGE,
    "serverless": {"max_concurrency": 2, "memory_size_in_mb": 1024},
    "execution_role_arn": ROLE,
}


def build(args, name="churn-staging", **options) -> Recorded:
    """Construct one component under the mock engine."""
    return run_program(lambda: ModelEndpoint(name, args, **options) and None)


def without(args, *keys):
    return {key: value for key, value in args.items() if key not in keys}


def test_a_given_role_makes_exactly_model_configuration_and_endpoint():
    assert build(INSTANCES).types_and_names() == [
        (ENDPOINT, "churn-staging"),
        (CONFIG, "churn-staging-config"),
        (MODEL, "churn-staging-model"),
        (COMPONENT, "churn-staging"),
    ]


def test_every_child_is_parented_to_the_component():
    made = build({**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE})
    component = made.one("ModelEndpoint")
    assert {child.parent for child in made.resources if child is not component} == {component.urn}


def test_instances_are_configured_exactly_as_asked():
    made = build(INSTANCES)
    assert made.one("Model").inputs == {
        "executionRoleArn": ROLE,
        "primaryContainer": {"modelPackageName": PACKAGE},
        "enableNetworkIsolation": False,
    }
    assert made.one("EndpointConfiguration").inputs == {
        "productionVariants": [
            {
                "variantName": "main",
                "modelName": f"churn-staging-model{AUTONAMING}",
                "instanceType": "ml.m5.large",
                "initialInstanceCount": 2,
            }
        ]
    }
    assert made.one("Endpoint").inputs == {
        "name": "churn-staging",
        "endpointConfigName": f"churn-staging-config{AUTONAMING}",
    }


def test_one_instance_is_used_when_no_count_is_given():
    variant = build(without(INSTANCES, "initial_instance_count")).one("EndpointConfiguration").inputs
    assert variant["productionVariants"][0]["initialInstanceCount"] == 1


def test_serverless_has_memory_and_concurrency_and_no_instances():
    variants = build(SERVERLESS).one("EndpointConfiguration").inputs["productionVariants"]
    assert variants == [
        {
            "variantName": "main",
            "modelName": f"churn-staging-model{AUTONAMING}",
            "serverlessConfig": {"maxConcurrency": 2, "memorySizeInMb": 1024},
        }
    ]


def test_provisioned_concurrency_is_part_of_the_serverless_configuration():
    args = {**SERVERLESS, "serverless": {**SERVERLESS["serverless"], "provisioned_concurrency": 1}}
    (variant,) = build(args).one("EndpointConfiguration").inputs["productionVariants"]
    assert variant["serverlessConfig"] == {
        "maxConcurrency": 2,
        "memorySizeInMb": 1024,
        "provisionedConcurrency": 1,
    }


def test_defect_22_a_count_of_zero_reaches_aws_instead_of_counting_as_absent():
    made = build({**INSTANCES, "initial_instance_count": 0})
    assert made.one("EndpointConfiguration").inputs["productionVariants"][0]["initialInstanceCount"] == 0


def test_defect_22_a_concurrency_of_zero_is_still_serverless():
    args = {**SERVERLESS, "serverless": {"max_concurrency": 0, "memory_size_in_mb": 1024}}
    (variant,) = build(args).one("EndpointConfiguration").inputs["productionVariants"]
    assert variant["serverlessConfig"]["maxConcurrency"] == 0
    assert "instanceType" not in variant


def test_defect_22_a_sampling_percentage_of_zero_reaches_aws():
    args = {
        **INSTANCES,
        "data_capture": {"destination_s3_uri": "s3://captured/churn", "sampling_percentage": 0},
    }
    capture = build(args).one("EndpointConfiguration").inputs["dataCaptureConfig"]
    assert capture["initialSamplingPercentage"] == 0


def test_defect_6_data_capture_reaches_the_endpoint_configuration():
    args = {
        **INSTANCES,
        "kms_key_arn": KEY,
        "data_capture": {"destination_s3_uri": "s3://captured/churn", "sampling_percentage": 20},
    }
    assert build(args).one("EndpointConfiguration").inputs["dataCaptureConfig"] == {
        "enableCapture": True,
        "initialSamplingPercentage": 20,
        "destinationS3Uri": "s3://captured/churn",
        "kmsKeyId": KEY,
        "captureOptions": [{"captureMode": "Input"}, {"captureMode": "Output"}],
        "captureContentTypeHeader": {
            "csvContentTypes": ["text/csv"],
            "jsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }


def test_vpc_isolation_and_environment_reach_the_model():
    args = {
        **INSTANCES,
        "subnets": ["subnet-1", "subnet-2"],
        "security_group_ids": ["sg-1"],
        "network_isolation": True,
        "environment": {"LOG_LEVEL": "debug"},
    }
    assert build(args).one("Model").inputs == {
        "executionRoleArn": ROLE,
        "primaryContainer": {"modelPackageName": PACKAGE, "environment": {"LOG_LEVEL": "debug"}},
        "enableNetworkIsolation": True,
        "vpcConfig": {"subnets": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]},
    }


def test_the_key_encrypts_the_storage_of_the_configuration():
    assert build({**INSTANCES, "kms_key_arn": KEY}).one("EndpointConfiguration").inputs["kmsKeyArn"] == KEY


def test_every_resource_that_takes_tags_gets_them():
    tags = {"team": "churn"}
    made = build({**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE, "tags": tags})
    tagged = {child.type: child.inputs.get("tags") for child in made.resources if child.custom}
    assert tagged.pop("aws:iam/rolePolicy:RolePolicy") is None  # AWS has no tags on inline policies
    assert len(tagged) == 4
    assert set(map(str, tagged.values())) == {str(tags)}


def test_an_own_role_is_for_sagemaker_alone_and_bounded():
    limits = {**OWN_ROLE, "permissions_boundary_arn": "arn:aws:iam::aws:policy/Bound"}
    role = build({**without(INSTANCES, "execution_role_arn"), "execution_role": limits}).one("Role")
    assert role.inputs["permissionsBoundary"] == "arn:aws:iam::aws:policy/Bound"
    assert json.loads(role.inputs["assumeRolePolicy"])["Statement"] == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    ]


def test_the_model_waits_for_the_own_roles_policy():
    made = build({**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE})
    assert made.one("RolePolicy").urn in made.one("Model").depends_on
    assert made.one("RolePolicy").inputs["role"] == made.one("Role").outputs["name"]
    assert made.one("Model").inputs["executionRoleArn"] == made.one("Role").outputs["arn"]


def test_an_own_role_may_do_what_its_endpoint_needs_and_no_more():
    args = {
        **without(INSTANCES, "execution_role_arn"),
        "execution_role": OWN_ROLE,
        "kms_key_arn": KEY,
        "subnets": ["subnet-1"],
        "security_group_ids": ["sg-1"],
        "data_capture": {"destination_s3_uri": "s3://captured/churn", "sampling_percentage": 100},
    }
    statements = json.loads(build(args).one("RolePolicy").inputs["policy"])["Statement"]
    assert {each["Sid"]: each["Resource"] for each in statements} == {
        "ReadArtifacts": ["arn:aws:s3:::models/*"],
        "ListArtifacts": ["arn:aws:s3:::models"],
        "PullImage": ["arn:aws:ecr:us-east-1:123456789012:repository/sklearn"],
        "LogInToRegistry": ["*"],
        "WriteLogs": [
            "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn-staging",
            "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn-staging:*",
        ],
        "PutMetrics": ["*"],
        "WriteCapturedData": ["arn:aws:s3:::captured/churn/*"],
        "UseKey": [KEY],
        "JoinVpc": [
            "arn:aws:ec2:us-east-1:123456789012:network-interface/*",
            "arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1",
            "arn:aws:ec2:us-east-1:123456789012:security-group/sg-1",
        ],
        "ChangeInterfaces": ["arn:aws:ec2:us-east-1:123456789012:network-interface/*"],
        "DescribeVpc": ["*"],
    }


def test_a_key_named_by_its_alias_gives_the_own_role_rights_on_that_alias_alone():
    args = {
        **without(INSTANCES, "execution_role_arn"),
        "execution_role": OWN_ROLE,
        "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:alias/models",
    }
    policy = json.loads(build(args).one("RolePolicy").inputs["policy"])
    (statement,) = (each for each in policy["Statement"] if each["Sid"] == "UseKey")
    assert statement["Resource"] == ["arn:aws:kms:us-east-1:123456789012:key/*"]
    assert statement["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/models"]}}


def test_defect_29_an_own_role_in_another_partition_names_that_partition_only():
    china = {
        **OWN_ROLE,
        "partition": "aws-cn",
        "region": "cn-north-1",
        "images": ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/sklearn:1"],
    }
    policy = build({**without(INSTANCES, "execution_role_arn"), "execution_role": china}).one("RolePolicy")
    arns = re.findall(r"arn:[^:]+:", policy.inputs["policy"])
    assert len(arns) == 5
    assert set(arns) == {"arn:aws-cn:"}


def test_defect_2_a_new_version_keeps_every_urn_and_the_endpoints_name():
    seventh = build(INSTANCES)
    eighth = build({**INSTANCES, "model_package_arn": PACKAGE.replace("/7", "/8")})
    prefix = f"urn:pulumi:staging::model-deployment::{COMPONENT}"
    assert (
        eighth.urns()
        == seventh.urns()
        == [
            f"{prefix}${ENDPOINT}::churn-staging",
            f"{prefix}${CONFIG}::churn-staging-config",
            f"{prefix}${MODEL}::churn-staging-model",
            f"{prefix}::churn-staging",
        ]
    )
    assert eighth.one("Endpoint").inputs["name"] == seventh.one("Endpoint").inputs["name"]


def test_urns_of_an_own_role_never_change_unnoticed():
    made = build({**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE})
    prefix = f"urn:pulumi:staging::model-deployment::{COMPONENT}"
    assert {made.one("Role").urn, made.one("RolePolicy").urn} == {
        f"{prefix}$aws:iam/role:Role::churn-staging-role",
        f"{prefix}$aws:iam/rolePolicy:RolePolicy::churn-staging-policy",
    }


def test_only_the_endpoint_has_a_fixed_name_so_model_and_configuration_are_made_before_they_are_deleted():
    made = build({**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE})
    assert [child.type for child in made.resources if "name" in child.inputs] == [ENDPOINT]
    assert [child.type for child in made.resources if child.delete_before_replace] == [ENDPOINT]


@settings(max_examples=15)  # each runs a whole program
@given(st.text("abcXYZ019-", min_size=1, max_size=NAME_LIMIT))
def test_defect_31_generated_names_of_every_child_stay_within_63_characters(name):
    args = {**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE}
    made = build(args, name)
    sagemaker = [child for child in made.resources if child.type.startswith("aws:sagemaker/")]
    assert len(sagemaker) == 3
    assert all(len(child.outputs["name"]) <= 63 for child in sagemaker)
    assert len(made.one("Role").outputs["name"]) <= 64  # IAM's own limit


def test_the_longest_name_uses_all_that_aws_allows():
    longest = build(INSTANCES, "n" * NAME_LIMIT).one("EndpointConfiguration").outputs["name"]
    assert len(longest) == 63


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("n" * (NAME_LIMIT + 1), INSTANCES, "has 49 characters; at most 48"),
        (
            "churn",
            {**INSTANCES, "serverless": SERVERLESS["serverless"]},
            "exactly one of `instance_type` and",
        ),
        ("churn", without(INSTANCES, "instance_type"), "exactly one of `instance_type` and `serverless`"),
        ("churn", {**INSTANCES, "execution_role": OWN_ROLE}, "exactly one of `execution_role_arn` and"),
        ("churn", without(INSTANCES, "execution_role_arn"), "exactly one of `execution_role_arn` and"),
        ("churn", {**INSTANCES, "subnets": ["subnet-1"]}, "`subnets` and `security_group_ids` go together"),
        ("churn", {**INSTANCES, "security_group_ids": ["sg-1"]}, "go together"),
    ],
)
def test_arguments_that_cannot_work_are_refused_before_any_child_exists(name, args, said):
    made = []

    def program():
        with pytest.raises(ValueError, match=re.escape(said)):
            ModelEndpoint(name, args)
        made.append(True)

    recorded = run_program(program)
    assert made
    assert [child for child in recorded.resources if child.custom] == []


def test_outputs_are_registered_and_known_to_the_program():
    seen = {}

    def program():
        made = ModelEndpoint("churn-staging", INSTANCES)
        for key in ("endpoint_arn", "config_name", "model_name", "role_arn"):
            getattr(made, key).apply(lambda value, key=key: seen.update({key: value}))

    recorded = run_program(program)
    assert seen == recorded.component_outputs[recorded.one("ModelEndpoint").urn]
    assert seen == {
        "endpoint_arn": "arn:aws:test:us-east-1:123456789012:Endpoint/churn-staging",
        "config_name": f"churn-staging-config{AUTONAMING}",
        "model_name": f"churn-staging-model{AUTONAMING}",
        "role_arn": ROLE,
    }


def test_the_delete_guard_is_bound_to_model_and_configuration_only():
    def program():
        guard = pulumi.ResourceHook("guard", lambda _args: None)
        args = {**without(INSTANCES, "execution_role_arn"), "execution_role": OWN_ROLE}
        ModelEndpoint("churn-staging", args, delete_guard=guard)

    recorded = run_program(program)
    guarded = {child.type: child.before_delete for child in recorded.resources if child.before_delete}
    assert guarded == {MODEL: ("guard",), CONFIG: ("guard",)}


def test_the_waits_for_a_deletion_are_bound_to_the_endpoint_only():
    def program():
        waits = (
            pulumi.ResourceHook("name", lambda _args: None),
            pulumi.ResourceHook("gone", lambda _args: None),
        )
        ModelEndpoint("churn-staging", INSTANCES, deletion_waits=waits)

    made = run_program(program).resources
    bound = {child.type: (child.before_create, child.after_delete) for child in made if child.before_create}
    assert bound == {ENDPOINT: (("name",), ("gone",))}
    assert [child.type for child in made if child.after_delete] == [ENDPOINT]


def test_the_callers_options_are_for_the_component_and_not_for_its_children():
    recorded = build(INSTANCES, opts=pulumi.ResourceOptions(delete_before_replace=True))
    assert recorded.one("ModelEndpoint").delete_before_replace
    assert not recorded.one("Model").delete_before_replace


def test_two_components_with_one_name_are_an_error():
    def program():
        ModelEndpoint("churn-staging", INSTANCES)
        ModelEndpoint("churn-staging", INSTANCES)

    with pytest.raises(Exception, match="two resources with the URN"):
        run_program(program)


def test_a_failing_apply_fails_the_program():
    def program():
        ModelEndpoint("churn-staging", INSTANCES).endpoint_arn.apply(lambda arn: arn[10_000])

    with pytest.raises(IndexError):
        run_program(program)
