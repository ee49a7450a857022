import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry import GroupRequest, Select
from settings import InferenceConfig, SettingsError, read

ROOT = Path(__file__).parents[2]
INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
SERVERLESS = {"ServerlessMaxConcurrency": 2}
VPC = {"Subnets": ["subnet-1a"], "SecurityGroupIds": ["sg-1a"]}


@pytest.fixture
def project(tmp_path):
    """The shipped files, to be changed."""
    for name in ("Pulumi.yaml", "Pulumi.staging.yaml", "Pulumi.production.yaml", "config/inference.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


class Plain(yaml.SafeDumper):
    """Writes equal values out instead of as aliases, which settings refuse."""

    def ignore_aliases(self, data):
        return True


def dump(document):
    return yaml.dump(document, Dumper=Plain)


def write_inference(project, staging, production=None):
    sections = {"Staging": staging, "Production": production or SERVERLESS}
    (project / "config/inference.yaml").write_text(dump(sections), encoding="utf-8")


def change_stack(project, stack="staging", **values):
    path = project / f"Pulumi.{stack}.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["config"] |= {key.replace("__", ":"): value for key, value in values.items()}
    document["config"] |= {
        f"model-deployment:{key}": value for key, value in values.items() if "__" not in key
    }
    for key in values:
        if "__" not in key:
            document["config"].pop(key)
    path.write_text(dump(document), encoding="utf-8")


def problems(project, stack="staging"):
    with pytest.raises(SettingsError) as refused:
        read(project, stack)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def problem(project, staging):
    """The one problem that a Staging section has."""
    write_inference(project, staging)
    (found,) = problems(project)
    return found


def config(project, staging, group="iris"):
    write_inference(project, staging)
    return read(project, "staging").inference_for(group)


def test_the_shipped_settings_serve_staging_on_an_instance_and_production_serverless():
    staging, production = read(ROOT, "staging"), read(ROOT, "production")
    assert (staging.project, staging.stack, staging.region) == ("model-deployment", "staging", "us-east-1")
    assert (staging.environment, production.environment) == ("Staging", "Production")
    assert (staging.max_removals, production.max_removals) == (1, 0)
    assert staging.allowed_account == production.allowed_account == "123456789012"
    assert staging.requests() == (
        GroupRequest("iris", Select("MlflowStage", None), endpoint_per_version=False),
    )
    assert staging.execution_role_arn is staging.permissions_boundary is staging.kms_key_id is None
    instance, serverless = staging.inference_for("iris"), production.inference_for("iris")
    assert (instance.instance_type, instance.instance_count, instance.is_serverless) == (
        "ml.m5.large",
        1,
        False,
    )
    assert (serverless.serverless_max_concurrency, serverless.serverless_size_in_mb) == (2, 1024)
    assert serverless.is_serverless


def test_a_stack_may_be_named_with_its_organisation_and_project():
    assert read(ROOT, "organization/model-deployment/staging") == read(ROOT, "staging")


@pytest.mark.parametrize(
    ("section", "concurrency", "memory"),
    [
        ({"ServerlessMaxConcurrency": 5}, 5, 1024),
        ({"ServerlessSizeInMB": 2048}, 1, 2048),
        ({"ServerlessProvisionedConcurrency": 1}, 1, 1024),
    ],
)
def test_each_serverless_key_alone_makes_the_endpoint_serverless_with_the_predecessors_defaults(
    project, section, concurrency, memory
):
    made = config(project, section)
    assert made.is_serverless
    assert (made.serverless_max_concurrency, made.serverless_size_in_mb) == (concurrency, memory)


def test_all_keys_reach_their_field(project):
    made = config(
        project,
        INSTANCES
        | {
            "CaptureDestinationS3Uri": "s3://bucket/captured",
            "CaptureSamplingPercentage": 0,
            "Select": {"MlflowAlias": "champion"},
            "EndpointPerVersion": True,
            "NetworkIsolation": True,
            "Vpc": VPC,
            "KmsKeyId": "alias/models",
            "Environment": {"WORKERS": "2"},
            "Tags": {"team": "risk"},
        },
    )
    assert made.capture_sampling_percentage == 0
    assert made.select == Select("MlflowAlias", "champion")
    assert made.endpoint_per_version
    assert made.network_isolation
    assert made.vpc is not None
    assert (made.vpc.subnets, made.vpc.security_group_ids) == (("subnet-1a",), ("sg-1a",))
    assert made.kms_key_id == "alias/models"
    assert (made.environment, made.tags) == ({"WORKERS": "2"}, {"team": "risk"})


def test_defect_6_data_capture_that_is_asked_for_is_in_the_configuration(project):
    made = config(project, INSTANCES | {"CaptureDestinationS3Uri": "s3://bucket/captured"})
    assert made.capture_destination_s3_uri == "s3://bucket/captured"
    assert made.capture_sampling_percentage == 100


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"ServerlessMaxConcurrency": 0}, "ServerlessMaxConcurrency"),
        ({"ServerlessMaxConcurrency": 0, "ServerlessSizeInMB": 1024}, "ServerlessMaxConcurrency"),
        ({"InstanceType": "ml.m5.large", "InstanceCount": 0}, "InstanceCount"),
        ({"ServerlessSizeInMB": 0}, "ServerlessSizeInMB"),
    ],
)
def test_defect_22_zero_is_a_wrong_value_and_not_an_absent_one(project, section, key):
    assert f"{key}: found 0; allowed: " in problem(project, section)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b"])
def test_defect_29_arns_of_any_partition_are_taken(project, partition):
    change_stack(
        project,
        executionRoleArn=f"arn:{partition}:iam::123456789012:role/service-role/sage",
        permissionsBoundaryArn=f"arn:{partition}:iam::aws:policy/Bounds",
        kmsKeyId=f"arn:{partition}:kms:us-east-1:123456789012:alias/models",
    )
    made = read(project, "staging")
    assert made.execution_role_arn == f"arn:{partition}:iam::123456789012:role/service-role/sage"
    assert made.permissions_boundary == f"arn:{partition}:iam::aws:policy/Bounds"
    assert made.inference_for("iris").kms_key_id == f"arn:{partition}:kms:us-east-1:123456789012:alias/models"


WRONG_VALUES = [
    ("InstanceType", "m5.large", '"m5.large"', "ml.m5.large"),
    ("InstanceType", 5, "5", "put it in quotes"),
    ("InstanceCount", "1", '"1"', "remove the quotes"),
    ("InstanceCount", True, "true", "whole number"),
    ("InstanceCount", 1.5, "1.5", "whole number"),
    ("InstanceCount", -1, "-1", "1 or more"),
    ("InstanceCount", [1], "a list of 1", "1 or more"),
    ("ServerlessMaxConcurrency", 201, "201", "from 1 to 200"),
    ("ServerlessMaxConcurrency", False, "false", "from 1 to 200"),
    ("ServerlessSizeInMB", 1500, "1500", "1024, 2048, 3072, 4096, 5120 or 6144"),
    ("ServerlessSizeInMB", 7168, "7168", "1024, 2048, 3072, 4096, 5120 or 6144"),
    ("ServerlessProvisionedConcurrency", 0, "0", "ServerlessMaxConcurrency"),
    ("CaptureDestinationS3Uri", "bucket/prefix", '"bucket/prefix"', "s3://BUCKET"),
    ("CaptureDestinationS3Uri", "s3://", '"s3://"', "s3://BUCKET"),
    ("CaptureSamplingPercentage", 101, "101", "from 0 to 100"),
    ("Select", "Newest", '"Newest"', "MlflowStage"),
    ("Select", "MlflowAlias", '"MlflowAlias"', "{MlflowAlias: ALIAS}"),
    ("Select", {"MlflowAlias": "latest"}, "{MlflowAlias: latest}", "reserves"),
    ("Select", {"MlflowAlias": "v12"}, "{MlflowAlias: v12}", "reserves"),
    ("Select", {"MlflowAlias": 3}, "{MlflowAlias: 3}", "ALIAS"),
    ("Select", {"MlflowStage": "Live"}, "{MlflowStage: Live}", "Archived"),
    ("Select", {"LatestApproved": "x"}, "{LatestApproved: x}", "LatestApproved"),
    ("Select", {"MlflowStage": "Staging", "MlflowAlias": "a"}, "a mapping of 2", "one of"),
    ("EndpointPerVersion", "yes", '"yes"', "true or false"),
    ("NetworkIsolation", 1, "1", "true or false"),
    ("Vpc", "vpc-1", '"vpc-1"', "Subnets and SecurityGroupIds"),
    ("Vpc", VPC | {"Subnets": []}, "a list of 0", "1 to 16"),
    ("Vpc", VPC | {"Subnets": [f"subnet-{i:x}" for i in range(17)]}, "a list of 17", "1 to 16"),
    ("Vpc", VPC | {"SecurityGroupIds": [f"sg-{i:x}" for i in range(6)]}, "a list of 6", "1 to 5"),
    ("Vpc", VPC | {"SecurityGroupIds": ["sg-1", "sg-1"]}, "a list of 2", "different"),
    ("Vpc", VPC | {"Subnets": ["sg-1"]}, '"sg-1"', "subnet-…"),
    ("KmsKeyId", "my key", '"my key"', "alias/NAME"),
    ("Environment", {"1X": "a"}, '"1X"', "do not begin with a digit"),
    ("Environment", {"WORKERS": 2}, "2", "put it in quotes"),
    ("Environment", {f"V{i}": "" for i in range(101)}, "a mapping of 101", "at most 100"),
    ("Tags", {"aws:team": "x"}, "{aws:team: x}", "aws:"),
    ("Tags", {"Pulumi:stack": "x"}, "{Pulumi:stack: x}", "pulumi:"),
    ("Tags", {"team": "a|b"}, "{team: a|b}", "letters"),
    ("Tags", {"": "x"}, '""', "1 to 128"),
    ("Tags", {"team": "x" * 257}, "257 characters", "256"),
    ("Tags", {f"t{i}": "" for i in range(46)}, "a mapping of 46", "at most 45"),
    ("Models", [], "a list of 0", "model package groups"),
    ("Models", {"a_b": {}}, '"a_b"', "model package groups"),
]


@pytest.mark.parametrize(("key", "value", "found", "allowed"), WRONG_VALUES)
def test_a_wrong_value_is_named_with_its_place_and_what_is_allowed(project, key, value, found, allowed):
    base = {} if key.startswith("Serverless") else INSTANCES
    extra = {"CaptureDestinationS3Uri": "s3://bucket"} if key == "CaptureSamplingPercentage" else {}
    text = problem(project, base | extra | {key: value})
    assert text.startswith(f"config/inference.yaml: Staging: {key}")
    assert f"found {found}" in text or found in text.split("; allowed: ")[0]
    assert allowed in text.split("; allowed: ")[1]


def test_a_value_of_a_container_variable_is_not_repeated_in_an_error(project):
    text = problem(project, INSTANCES | {"Environment": {"TOKEN": "hunter2" * 200}})
    assert "Environment.TOKEN: found text" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("value", ["12345678-1234-1234-1234-123456789012", "mrk-" + "0" * 32, "alias/a/b"])
def test_kms_keys_are_taken_by_id_and_alias(project, value):
    assert config(project, INSTANCES | {"KmsKeyId": value}).kms_key_id == value


def test_letters_of_any_script_are_good_in_tags(project):
    assert config(project, INSTANCES | {"Tags": {"équipe": "数据 1_.:/=+-@"}}).tags == {
        "équipe": "数据 1_.:/=+-@"
    }


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({}, "no key that says where the model runs"),
        ({"InstanceType": "ml.m5.large"}, "only InstanceType"),
        ({"InstanceCount": 1}, "only InstanceCount"),
        (INSTANCES | SERVERLESS, "found InstanceCount and InstanceType beside Serverless… keys"),
        ({"InstanceType": "ml.g5.xlarge"} | SERVERLESS, "no GPU"),
        (SERVERLESS | {"NetworkIsolation": True}, "NetworkIsolation is not possible with serverless"),
        (
            SERVERLESS | {"Vpc": VPC},
            "Vpc (subnets and securityGroups in a stack file) is not possible with serverless",
        ),
        (
            SERVERLESS | {"CaptureDestinationS3Uri": "s3://bucket"},
            "CaptureDestinationS3Uri is not possible with serverless",
        ),
        (
            SERVERLESS | {"ServerlessProvisionedConcurrency": 3},
            "found 3; allowed: up to ServerlessMaxConcurrency, which is 2",
        ),
        (
            {"ServerlessProvisionedConcurrency": 2},
            "found 2; allowed: up to ServerlessMaxConcurrency, which is 1",
        ),
        (INSTANCES | {"CaptureSamplingPercentage": 0}, "needs CaptureDestinationS3Uri"),
    ],
)
def test_an_impossible_combination_is_refused(project, section, complaint):
    text = problem(project, section)
    assert text.startswith("config/inference.yaml: Staging: ")
    assert complaint in text


@pytest.mark.parametrize(
    "section", [SERVERLESS | {"NetworkIsolation": False}, INSTANCES | {"NetworkIsolation": True, "Vpc": VPC}]
)
def test_what_goes_together_is_taken(project, section):
    assert config(project, section)


def test_the_combination_rules_hold_wherever_a_configuration_is_made():
    with pytest.raises(ValueError, match="impossible combination"):
        InferenceConfig(serverless_max_concurrency=2, network_isolation=True)


def test_all_problems_of_all_files_are_told_at_once(project):
    change_stack(project, maxRemovals=-1, model=["x"], aws__region="mars")
    wrong = SERVERLESS | {"InstanceCount": 0, "NetworkIsolation": True, "Instancetype": "ml.m5.large"}
    write_inference(project, wrong, {"ServerlessSizeInMB": 1})
    told = "\n".join(problems(project))
    for expected in (
        "Pulumi.staging.yaml: config: model-deployment:maxRemovals: found -1; allowed: a whole number of 0 or more",
        "Pulumi.staging.yaml: config: unknown key model-deployment:model; allowed: ",
        'Pulumi.staging.yaml: config: aws:region: found "mars"',
        "Staging: InstanceCount: found 0",
        "Staging: unknown key Instancetype; allowed: ",
        "did you mean InstanceType?",
        "Staging: found InstanceCount beside Serverless… keys",
        "Staging: NetworkIsolation is not possible with serverless",
        "Production: ServerlessSizeInMB: found 1",
    ):
        assert expected in told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "config/inference.yaml: found an empty file"),
        ("- Staging", "config/inference.yaml: found a list of 1; allowed: a mapping"),
        ("Staging: {", "config/inference.yaml: line 1: "),
        (
            "Staging:\n  InstanceCount: 1\n  InstanceCount: 2\n",
            "line 3: the key InstanceCount is given twice, first in line 2",
        ),
        ("Staging: {}\nStaging: {}\n", "line 2: the key Staging is given twice"),
        ("Staging: !!python/object:os.system {}", "line 1: tags are not supported"),
        ("Staging: &a {InstanceCount: 1}\nProduction: *a\n", "line 2: aliases are not supported"),
        ("Staging:\n\tInstanceCount: 1", "line 2: "),
        ("\x00", "config/inference.yaml: "),
        ("Staging:\n", "config/inference.yaml: Staging: found nothing"),
        ("Staging: {InstanceCount: , InstanceType: ml.m5.large}", "Staging: InstanceCount: found nothing"),
        ("Stagin: {}", "unknown key Stagin; allowed: Staging, Production; did you mean Staging?"),
        (
            "Production: {ServerlessSizeInMB: 1024}",
            "Staging: is missing; Pulumi.staging.yaml serves by this section",
        ),
        ("1: 2", "unknown key 1"),
        ("[" * 3000, "nested too deeply"),
    ],
)
def test_pitfalls_of_yaml_are_told_with_their_place(project, text, complaint):
    (project / "config/inference.yaml").write_text(text, encoding="utf-8")
    assert complaint in "\n".join(problems(project))


@pytest.mark.parametrize("name", ["Pulumi.yaml", "Pulumi.staging.yaml", "config/inference.yaml"])
def test_a_file_that_is_not_there_or_not_text_is_named(project, name):
    (project / name).write_bytes(b"\xff\xfe\x00")
    assert any(found.startswith(f"{name}: cannot be read") for found in problems(project))
    (project / name).unlink()
    assert any(found.startswith(f"{name}: there is no such") for found in problems(project))


def test_a_mistyped_stack_is_answered_with_the_stacks_that_are_there(project):
    (found,) = problems(project, "stagin")
    assert found == (
        "Pulumi.stagin.yaml: there is no such stack file; stacks here: production, staging; did you mean staging?"
    )


STACK_VALUES = [
    ("environment", "Prod", '"Prod"', "Staging or Production"),
    ("models", [], "a list of 0", "one or more"),
    ("models", "iris", '"iris"', "a list"),
    ("models", ["a_b"], '"a_b"', "letters, digits and single -"),
    ("models", ["a", "a"], "a list of 2", "different"),
    ("allowedAccount", 123456789012, "123456789012", "put it in quotes"),
    ("allowedAccount", "12345", '"12345"', "12 digits"),
    ("executionRoleArn", "role/x", '"role/x"', "arn:PARTITION:iam"),
    ("permissionsBoundaryArn", "arn:aws:iam::123456789012:role/x", "role/x", "managed policy"),
    ("kmsKeyId", "key", '"key"', "alias/NAME"),
    ("subnets", ["vpc-1"], '"vpc-1"', "subnet-"),
    ("securityGroups", "sg-1", '"sg-1"', "a list"),
    ("tags", {"pulumi:stack": "x"}, "pulumi:stack", "no key that begins with"),
    ("maxRemovals", True, "true", "0 or more"),
    ("maxRemovals", "many", '"many"', "0 or more"),
    ("maxRemovals", None, "nothing", ""),
]


@pytest.mark.parametrize(("key", "value", "found", "allowed"), STACK_VALUES)
def test_a_wrong_value_in_a_stack_file_is_named(project, key, value, found, allowed):
    change_stack(project, **{key: value})
    (text,) = problems(project)
    assert text.startswith(f"Pulumi.staging.yaml: config: model-deployment:{key}")
    assert found in text
    assert allowed in text


def test_a_number_in_quotes_is_taken_as_pulumi_config_set_writes_it(project):
    change_stack(project, maxRemovals="3")
    assert read(project, "staging").max_removals == 3


def test_keys_of_pulumi_itself_are_left_alone(project):
    path = project / "Pulumi.staging.yaml"
    extra = "secretsprovider: awskms://alias/x\nencryptedkey: abc\n"
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    assert read(project, "staging").stack == "staging"


def test_a_key_of_another_namespace_would_have_no_effect_and_is_refused_with_what_to_do_instead(project):
    change_stack(project, aws__profile="x", aws__defaultTags={}, modeldeploymet__maxRemovals=9)
    said = "\n".join(problems(project))
    assert "aws:profile: has no effect here; choose credentials by AWS_PROFILE" in said
    assert "aws:defaultTags: has no effect here" in said
    assert "did you mean model-deployment:maxRemovals?" in said


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model-deployment:modles", "did you mean model-deployment:models?"),
        ("models", "did you mean model-deployment:models?"),
        ("model-deployment:allowedaccount", "did you mean model-deployment:allowedAccount?"),
    ],
)
def test_a_key_that_is_not_declared_is_refused_with_what_was_probably_meant(project, key, hint):
    path = project / "Pulumi.staging.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("config:\n", f"config:\n  {key}: x\n", 1), encoding="utf-8"
    )
    assert hint in "\n".join(problems(project))


def test_a_key_that_is_missing_takes_the_default_of_pulumi_yaml_or_is_an_error(project):
    path = project / "Pulumi.production.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    needed = {
        "aws:region",
        "model-deployment:environment",
        "model-deployment:allowedAccount",
        "model-deployment:models",
    }
    document["config"] = {key: value for key, value in document["config"].items() if key in needed}
    path.write_text(dump(document), encoding="utf-8")
    assert read(project, "production") == read(ROOT, "production")
    document["config"] = {"model-deployment:tags": {}}
    path.write_text(dump(document), encoding="utf-8")
    told = "\n".join(problems(project, "production"))
    assert all(f"{key}: is missing" in told for key in needed)


def test_a_secret_in_a_stack_file_is_refused_without_showing_it(project):
    change_stack(project, kmsKeyId={"secure": "AAABBBCCC"})
    told = "\n".join(problems(project))
    assert "found a secret; no key here is one" in told


@pytest.mark.parametrize("values", [{"subnets": ["subnet-1"]}, {"securityGroups": ["sg-1"]}])
def test_subnets_and_security_groups_go_together(project, values):
    change_stack(project, **values)
    assert "go together" in "\n".join(problems(project))


def test_groups_that_would_share_an_endpoint_are_found_offline(project):
    change_stack(project, models=["iris", "Iris"])
    assert "iris and Iris would both be served as endpoint iris-staging" in "\n".join(problems(project))


def test_key_vpc_and_tags_of_the_stack_file_lie_under_those_of_the_section(project):
    change_stack(
        project,
        kmsKeyId="alias/stack",
        subnets=["subnet-1"],
        securityGroups=["sg-1"],
        tags={"team": "platform", "cost": "1"},
        models=["iris", "churn"],
    )
    own = {"KmsKeyId": "alias/churn", "Vpc": VPC, "Tags": {"team": "churn"}}
    write_inference(project, INSTANCES | {"Models": {"churn": own}})
    made = read(project, "staging")
    iris, churn = made.inference_for("iris"), made.inference_for("churn")
    assert (iris.kms_key_id, iris.tags) == ("alias/stack", {"team": "platform", "cost": "1"})
    assert iris.vpc is not None
    assert iris.vpc.subnets == ("subnet-1",)
    assert (churn.kms_key_id, churn.tags) == ("alias/churn", {"team": "churn", "cost": "1"})
    assert churn.vpc is not None
    assert churn.vpc.subnets == ("subnet-1a",)


def test_a_vpc_of_the_stack_file_is_not_silently_left_out_of_a_serverless_endpoint(project):
    change_stack(project, subnets=["subnet-1"], securityGroups=["sg-1"])
    text = problem(project, SERVERLESS)
    assert (
        "iris with the keys of Pulumi.staging.yaml: Vpc (subnets and securityGroups in a stack file)" in text
    )


def test_tags_of_all_levels_together_stay_within_the_limit(project):
    change_stack(project, tags={f"a{i}": "" for i in range(30)})
    assert "at most 45 tags" in problem(project, INSTANCES | {"Tags": {f"b{i}": "" for i in range(30)}})


@pytest.mark.parametrize(
    ("base", "override", "expected"),
    [
        (INSTANCES, {"InstanceCount": 3}, {"instance_type": "ml.m5.large", "instance_count": 3}),
        (
            INSTANCES,
            SERVERLESS,
            {"instance_type": None, "instance_count": None, "serverless_max_concurrency": 2},
        ),
        (SERVERLESS, INSTANCES, {"instance_type": "ml.m5.large", "serverless_max_concurrency": None}),
        (
            INSTANCES | {"Environment": {"A": "1", "B": "1"}},
            {"Environment": {"B": "2"}},
            {"environment": {"A": "1", "B": "2"}},
        ),
        (
            INSTANCES | {"EndpointPerVersion": True},
            {"EndpointPerVersion": False},
            {"endpoint_per_version": False},
        ),
        (INSTANCES | {"Select": "LatestApproved"}, {"Select": "MlflowStage"}, {"select": Select()}),
    ],
)
def test_an_override_of_one_model_lies_over_its_section(project, base, override, expected):
    made = config(project, base | {"Models": {"iris": override}})
    assert {key: getattr(made, key) for key in expected} == expected


def test_an_override_does_not_touch_the_other_models(project):
    change_stack(project, models=["iris", "churn"])
    assert config(project, INSTANCES | {"Models": {"churn": SERVERLESS}}, "iris").instance_count == 1


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ({"InstanceCount": 0}, "Staging: Models.iris.InstanceCount: found 0"),
        ({"NetworkIsolation": 1}, "Staging: Models.iris.NetworkIsolation: found 1"),
        (
            SERVERLESS | {"NetworkIsolation": True},
            "Staging: Models.iris: NetworkIsolation is not possible with serverless",
        ),
        ({"Models": {}}, "Staging: Models.iris: unknown key Models"),
        ({"Vpc": {"Subnet": ["subnet-1"]}}, "Staging: Models.iris.Vpc: unknown key Subnet"),
    ],
)
def test_a_wrong_override_is_named_with_its_model(project, override, complaint):
    write_inference(project, INSTANCES | {"Models": {"iris": override}})
    assert complaint in "\n".join(problems(project))


def test_an_override_for_a_group_that_no_stack_serves_is_an_error(project):
    text = problem(project, INSTANCES | {"Models": {"irsi": {"InstanceCount": 2}}})
    assert text.endswith("Models.irsi: found a group that no stack serves; allowed: iris; did you mean iris?")


def test_an_override_may_be_for_a_group_of_another_stack(project):
    change_stack(project, "production", models=["churn"])
    assert config(project, INSTANCES | {"Models": {"churn": {"InstanceCount": 2}}}).instance_count == 1


def test_the_digest_tells_every_value_and_no_way_of_writing(project):
    before = read(project, "staging").digest()
    path = project / "config/inference.yaml"
    path.write_text(
        "# a comment\n" + path.read_text(encoding="utf-8").replace("ml.m5.large", '"ml.m5.large"'), "utf-8"
    )
    assert read(project, "staging").digest() == before
    seen = {before}
    for values in (
        {"maxRemovals": 2},
        {"tags": {"a": "b"}},
        {"allowedAccount": "0" * 12},
        {"aws__region": "eu-west-1"},
    ):
        change_stack(project, **values)
        seen.add(read(project, "staging").digest())
    write_inference(project, INSTANCES | {"InstanceCount": 2})
    seen.add(read(project, "staging").digest())
    assert len(seen) == 6


KEYS = [str(info.alias) for info in InferenceConfig.model_fields.values()]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(["ml.m5.large", 1, 2, 1024, "s3://bucket", VPC, "LatestApproved"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | SCALARS, inner, max_size=5)
    ),
    max_leaves=12,
)
SECTIONS = st.dictionaries(st.sampled_from([*KEYS, "Models"]) | st.text(max_size=5), ANYTHING, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ANYTHING | st.dictionaries(st.sampled_from(["Staging", "Production"]), SECTIONS | ANYTHING))
def test_whatever_the_file_holds_the_answer_is_settings_or_their_problems(project, document):
    (project / "config/inference.yaml").write_text(dump(document), encoding="utf-8")
    _read_or_refuse(project)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text())
def test_whatever_the_text_is_the_answer_is_settings_or_their_problems(project, text):
    (project / "config/inference.yaml").write_text(text, encoding="utf-8", errors="replace")
    _read_or_refuse(project)


STACK_KEYS = st.sampled_from(["models", "tags", "subnets", "kmsKeyId", "maxRemovals", "environment", "x"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(STACK_KEYS.map(lambda key: f"model-deployment:{key}") | SCALARS, ANYTHING) | ANYTHING)
def test_whatever_a_stack_file_holds_the_answer_is_settings_or_their_problems(project, values):
    (project / "Pulumi.staging.yaml").write_text(dump({"config": values}), encoding="utf-8")
    _read_or_refuse(project)


def _read_or_refuse(project):
    try:
        made, told = read(project, "staging"), ()
    except SettingsError as error:
        made, told = None, error.problems
    assert bool(made) != bool(told)
    assert all(found.startswith(("Pulumi.staging.yaml", "config/inference.yaml")) for found in told)
