from dataclasses import replace
from pathlib import Path

import pulumi
import pytest
from pulumi.resource_hooks import ResourceHookArgs

from registry import ENDPOINT_TAG, Manifest, RegistryError, WantedEndpoint
from settings import Settings, Vpc
from settings.inference import InferenceConfig
from tests.support.engine import run_program
from tests.support.fakes import live
from tests.support.program import functions, load_program, run_main

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/iris/7"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
WANTED = WantedEndpoint(
    name="iris-staging",
    group="iris",
    package_arn=PACKAGE,
    package_version=7,
    mlflow_version="7",
    images=("123456789012.dkr.ecr.us-east-1.amazonaws.com/sklearn:1",),
    model_data_urls=("s3://models/iris/7/model.tar.gz",),
    live=None,
)
INSTANCES = InferenceConfig(InstanceType="ml.m5.large", InstanceCount=2)
SETTINGS = Settings(
    project="model-deployment",
    stack="staging",
    region="us-east-1",
    allowed_account="123456789012",
    environment="Staging",
    models=("iris",),
    execution_role_arn=None,
    permissions_boundary=None,
    kms_key_id=None,
    subnets=(),
    security_groups=(),
    tags={},
    max_removals=0,
    inference={"iris": INSTANCES},
)
OWNED = {
    "pulumi:project": "model-deployment",
    "pulumi:stack": "staging",
    ENDPOINT_TAG: "iris-staging",
}
COMMON = {
    "endpoint_name": "iris-staging",
    "model_package_arn": PACKAGE,
    "network_isolation": False,
    "environment": {},
    "tags": OWNED,
}
OWN_ROLE = {
    "execution_role": {
        "partition": "aws",
        "region": "us-east-1",
        "account_id": "123456789012",
        "images": list(WANTED.images),
        "model_data_urls": list(WANTED.model_data_urls),
    }
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return written(tmp_path, WANTED)


def written(folder: Path, *wanted: WantedEndpoint, environment: str = "Staging") -> Path:
    path = folder / "manifest.json"
    path.write_text(Manifest(environment=environment, endpoints=wanted).to_json())
    return path


def args_for(monkeypatch, config: InferenceConfig, **settings):
    stack = replace(SETTINGS, inference={"iris": config}, **settings)
    return functions(monkeypatch).endpoint_args(stack, WANTED)


def test_instances_and_an_own_role_become_the_components_words(monkeypatch):
    assert args_for(monkeypatch, INSTANCES) == {
        **COMMON,
        **OWN_ROLE,
        "instance_type": "ml.m5.large",
        "initial_instance_count": 2,
    }


def test_serverless_and_a_given_role_become_the_components_words(monkeypatch):
    config = InferenceConfig(ServerlessMaxConcurrency=2, ServerlessSizeInMB=2048)
    role = "arn:aws:iam::123456789012:role/given"
    assert args_for(monkeypatch, config, execution_role_arn=role) == {
        **COMMON,
        "execution_role_arn": role,
        "serverless": {"max_concurrency": 2, "memory_size_in_mb": 2048},
    }


def test_provisioned_concurrency_is_handed_on(monkeypatch):
    config = InferenceConfig(ServerlessMaxConcurrency=2, ServerlessProvisionedConcurrency=1)
    assert args_for(monkeypatch, config)["serverless"]["provisioned_concurrency"] == 1


def test_everything_that_settings_can_say_of_instances_is_handed_on(monkeypatch):
    key = "arn:aws:kms:us-east-1:123456789012:alias/models"
    config = InferenceConfig(
        InstanceType="ml.m5.large",
        InstanceCount=1,
        CaptureDestinationS3Uri="s3://captured/iris",
        CaptureSamplingPercentage=0,
        NetworkIsolation=True,
        Vpc=Vpc(subnets=("subnet-1",), security_group_ids=("sg-1",)),
        KmsKeyId=key,
        Environment={"LOG_LEVEL": "debug"},
        Tags={"team": "flowers"},
    )
    boundary = "arn:aws:iam::aws:policy/Bound"
    made = args_for(monkeypatch, config, permissions_boundary=boundary)
    assert made == {
        **COMMON,
        "execution_role": {**OWN_ROLE["execution_role"], "permissions_boundary_arn": boundary},
        "instance_type": "ml.m5.large",
        "initial_instance_count": 1,
        "data_capture": {"destination_s3_uri": "s3://captured/iris", "sampling_percentage": 0},
        "network_isolation": True,
        "subnets": ["subnet-1"],
        "security_group_ids": ["sg-1"],
        "kms_key_arn": key,
        "environment": {"LOG_LEVEL": "debug"},
        "tags": {"team": "flowers", **OWNED},
    }


def test_defect_29_the_partition_is_that_of_the_package(monkeypatch):
    wanted = replace(WANTED, package_arn=PACKAGE.replace("arn:aws:", "arn:aws-cn:"))
    assert functions(monkeypatch).endpoint_args(SETTINGS, wanted)["execution_role"]["partition"] == "aws-cn"


def test_the_program_serves_what_the_manifest_names(monkeypatch, manifest):
    made = run_main(monkeypatch, manifest)
    assert made.one("ModelEndpoint").name == "iris-staging"
    assert made.one("Endpoint").inputs["name"] == "iris-staging"
    assert made.one("Model").inputs["primaryContainer"]["modelPackageName"] == PACKAGE
    variant = made.one("EndpointConfiguration").inputs["productionVariants"][0]
    assert (variant["instanceType"], variant["initialInstanceCount"]) == ("ml.m5.large", 1)


def test_the_program_exports_each_endpoint_with_its_configuration_and_package(monkeypatch, manifest):
    outputs = run_main(monkeypatch, manifest).component_outputs
    stack = next(values for urn, values in outputs.items() if urn.endswith("::model-deployment-staging"))
    assert stack == {
        "endpoints": {
            "iris-staging": {
                "arn": "arn:aws:test:us-east-1:123456789012:Endpoint/iris-staging",
                "config": "iris-staging-config-0123456",
                "package": PACKAGE,
            }
        }
    }


def test_every_resource_goes_through_the_provider_of_the_stacks_region_and_account(monkeypatch, manifest):
    made = run_main(monkeypatch, manifest, config={"aws:region": "eu-west-1"})
    provider = made.one("aws")
    assert provider.inputs["region"] == "eu-west-1"
    assert provider.inputs["allowedAccountIds"] == '["123456789012"]'
    children = [child for child in made.resources if child.custom and child is not provider]
    assert len(children) == 5
    assert all(child.provider.startswith(f"{provider.urn}::") for child in children)


def test_the_guard_is_bound_to_model_and_configuration(monkeypatch, manifest):
    made = run_main(monkeypatch, manifest)
    guarded = {child.type.rsplit(":", 1)[1] for child in made.resources if child.before_delete}
    assert guarded == {"Model", "EndpointConfiguration"}
    waiting = [child.type for child in made.resources if child.before_create and child.after_delete]
    assert waiting == [ENDPOINT]


def test_two_package_versions_give_the_same_urns(monkeypatch, tmp_path):
    seventh = run_main(monkeypatch, written(tmp_path, WANTED))
    newer = replace(WANTED, package_arn=PACKAGE.replace("/7", "/8"), package_version=8, mlflow_version="8")
    assert run_main(monkeypatch, written(tmp_path, newer)).urns() == seventh.urns()


def test_a_long_endpoint_name_is_kept_while_logical_names_are_shortened(monkeypatch, tmp_path):
    name = "iris-" + "x" * 58
    made = run_main(monkeypatch, written(tmp_path, replace(WANTED, name=name)))
    assert made.one("Endpoint").inputs["name"] == name
    assert len(made.one("EndpointConfiguration").outputs["name"]) <= 63


def test_nothing_wanted_makes_nothing_and_exports_an_empty_list(monkeypatch, tmp_path):
    made = run_main(monkeypatch, written(tmp_path))
    assert [resource.type for resource in made.resources] == ["pulumi:providers:aws"]


def test_without_a_manifest_the_program_resolves_the_registry_itself(monkeypatch):
    asked = []

    def prepare(program):
        program.SageMakerRegistry = lambda clients: f"registry of {clients.region}"

        def resolve(*question):
            asked.append(question)
            return Manifest(environment="Staging", endpoints=(WANTED,))

        program.resolve = resolve

    made = run_main(monkeypatch, prepare=prepare)
    assert made.one("Endpoint").name == "iris-staging"
    ((environment, requests, registry),) = asked
    assert (environment, [each.group for each in requests], registry) == (
        "Staging",
        ["iris"],
        "registry of us-east-1",
    )


def test_defect_1_a_registry_that_cannot_be_read_ends_the_program_before_any_resource(monkeypatch):
    def prepare(program):
        def resolve(*_question):
            raise RegistryError("ListModelPackages of group iris failed")

        program.resolve, program.SageMakerRegistry = resolve, lambda _region: None

    with pytest.raises(pulumi.RunError, match="ListModelPackages of group iris failed"):
        run_main(monkeypatch, prepare=prepare)


def test_defect_1_a_broken_manifest_is_an_error_and_not_an_empty_one(monkeypatch, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text("{}")
    with pytest.raises(pulumi.RunError, match="missing or unknown keys"):
        run_main(monkeypatch, path)


@pytest.mark.parametrize(
    "manifest",
    [
        Manifest(environment="Production", endpoints=()),
        Manifest(environment="Staging", endpoints=(replace(WANTED, group="other"),)),
    ],
    ids=["another environment", "a group of another stack"],
)
def test_a_manifest_that_was_left_over_from_another_stack_is_refused(monkeypatch, tmp_path, manifest):
    path = tmp_path / "manifest.json"
    path.write_text(manifest.to_json())
    with pytest.raises(pulumi.RunError, match="is not this stack's"):
        run_main(monkeypatch, path)


def test_wrong_settings_end_the_program_with_every_problem_and_no_trace(monkeypatch, manifest):
    wrong = {"model-deployment:allowedAccount": "12", "model-deployment:oops": "1"}
    with pytest.raises(pulumi.RunError) as refused:
        run_main(monkeypatch, manifest, config=wrong)
    assert "allowedAccount" in str(refused.value)
    assert "oops" in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("quiet", [True, False])
def test_only_the_runner_keeps_the_sdks_debug_lines_back(monkeypatch, manifest, quiet):
    ours = []
    monkeypatch.setattr(pulumi.log, "debug", lambda *_args, **_options: ours.append(1))
    if quiet:
        monkeypatch.setenv("MODEL_DEPLOYMENT_QUIET_SDK", "true")
    else:
        monkeypatch.delenv("MODEL_DEPLOYMENT_QUIET_SDK", raising=False)
    told = pulumi.log.debug
    run_main(monkeypatch, manifest)
    assert (pulumi.log.debug is told) is not quiet


class InUse:
    """A registry that knows what one endpoint uses."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def in_use(self, endpoint):
        self.asked.append(endpoint)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ask_guard(answer, resource="iris-staging-config-old", tags=None):
    """Run the delete guard as the engine does before a deletion; gives the registry that it asked."""
    registry = InUse(answer)

    def program():
        loaded = load_program()

        async def guarded():
            guard = loaded.delete_guard(lambda: registry)
            inputs = None if tags is None else {"tags": tags}
            await guard(ResourceHookArgs("urn", resource, "name", "type", old_inputs=inputs))
            return {}

        # The module asked for its own main already; a test of the hook alone runs this instead.
        pulumi.runtime.get_root_resource()._async_program = guarded

    run_program(program)
    return registry


TAGS = {ENDPOINT_TAG: "iris-staging"}


@pytest.mark.parametrize("used", ["iris-staging-config-old", "iris-staging-model-old"])
def test_the_guard_refuses_to_delete_what_the_live_endpoint_uses(used):
    answer = frozenset({"iris-staging-config-old", "iris-staging-model-old"})
    with pytest.raises(
        pulumi.RunError, match=f"{used} is not deleted: the live endpoint iris-staging still uses it"
    ):
        ask_guard(answer, used, TAGS)


def test_the_guard_lets_go_what_the_live_endpoint_has_left():
    answer = frozenset({"iris-staging-config-new", "iris-staging-model-new"})
    assert ask_guard(answer, tags=TAGS).asked == ["iris-staging"]


def test_the_guard_lets_everything_go_when_the_endpoint_is_gone():
    assert ask_guard(None, tags=TAGS).asked == ["iris-staging"]


def test_defect_1_the_guard_keeps_the_resource_when_aws_cannot_be_asked():
    with pytest.raises(RegistryError, match="throttled"):
        ask_guard(RegistryError("throttled"), tags=TAGS)


@pytest.mark.parametrize("tags", [{"team": "flowers"}, {}, None])
def test_the_guard_keeps_a_resource_that_has_lost_the_tag_with_its_endpoint(tags):
    with pytest.raises(
        pulumi.RunError, match="is not deleted: it has lost its tag model-deployment:endpoint"
    ):
        ask_guard(None, tags=tags)


class Deleting:
    """A registry whose endpoint is being deleted so often, and then is what it ends as."""

    def __init__(self, times, ends):
        self.left, self.ends = times, ends

    def read_live(self, names):
        assert names == ["iris-staging"]
        self.left -= 1
        return {"iris-staging": live(status="Deleting") if self.left >= 0 else self.ends}


def wait_with(registry, which):
    """Run one of the two hooks around an endpoint's life, as the engine does, with pauses that take no time."""

    def program():
        loaded = load_program()
        loaded._FIRST_PAUSE_S = 0.0
        loaded._DELETION_S = 0.5

        async def waited():
            before, after = loaded.deletion_waits(lambda: registry)
            if which == "before":
                await before(ResourceHookArgs("urn", "", "name", "type", new_inputs={"name": "iris-staging"}))
            else:
                await after(ResourceHookArgs("urn", "iris-staging", "name", "type"))
            return {}

        pulumi.runtime.get_root_resource()._async_program = waited

    run_program(program)


@pytest.mark.parametrize("which", ["before", "after"])
@pytest.mark.parametrize("ends", [None, live(status="InService")], ids=["gone", "somebody made it anew"])
def test_the_engine_goes_on_when_no_endpoint_of_the_name_is_being_deleted(ends, which):
    registry = Deleting(times=2, ends=ends)
    wait_with(registry, which)
    assert registry.left == -1


def test_a_deletion_without_end_is_told():
    with pytest.raises(pulumi.RunError, match="endpoint iris-staging is still being deleted"):
        wait_with(Deleting(times=10**9, ends=None), "before")
