"""SageMakerRegistry with the real botocore, against a small HTTP server that answers, refuses or breaks as told."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from unittest.mock import Mock

import pytest

from registry import (
    AccessRefusedError,
    Clients,
    GroupRequest,
    LiveEndpoint,
    NameCollisionError,
    RegistryError,
    SageMakerRegistry,
    Select,
    UnavailableError,
    UnknownGroupError,
    resolve,
)
from tests.support.http import serving

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package"


class FakeAws:
    """Packages, endpoints and configurations, and a fault for any call: (status, body) instead of the answer."""

    def __init__(self):
        self.groups = {"empty": []}
        self.endpoints, self.configs, self.faults = {}, {}, {}
        self.calls = Counter()
        self.page_size = 100

    def add(self, group, count, *, partition="aws", **values):
        known = {
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "Approved",
            "CustomerMetadataProperties": {"mlflow_current_stage": "Staging", "mlflow_version": "1"},
            "InferenceSpecification": {
                "Containers": [{"Image": "image:1", "ModelDataUrl": "s3://bucket/model.tar.gz"}]
            },
        }
        packages = self.groups.setdefault(group, [])
        for _ in range(count):
            version = len(packages) + 1
            arn = f"{ARN.replace('arn:aws:', f'arn:{partition}:')}/{group}/{version}"
            packages.append({"ModelPackageArn": arn, "CreationTime": 1, **known, **values})

    def answer(self, operation, body):
        self.calls[operation] += 1
        fault = self.faults.get((operation, body.get("NextToken"))) or self.faults.get(operation)
        return fault or getattr(self, operation)(body)

    def ListModelPackages(self, body):  # noqa: N802  the operation's name
        packages = self.groups.get(body["ModelPackageGroupName"], [])
        start = int(body.get("NextToken", 0))
        end = start + min(self.page_size, body["MaxResults"])
        summary_keys = ("ModelPackageArn", "CreationTime", "ModelPackageStatus", "ModelApprovalStatus")
        page = {
            "ModelPackageSummaryList": [
                {k: p[k] for k in summary_keys if k in p} for p in packages[start:end]
            ]
        }
        return 200, page | ({"NextToken": str(end)} if end < len(packages) else {})

    def DescribeModelPackageGroup(self, body):  # noqa: N802
        name = body["ModelPackageGroupName"]
        if name in self.groups:
            return 200, {"ModelPackageGroupName": name}
        return error("ValidationException", f"ModelPackageGroup {name} does not exist.")

    def DescribeModelPackage(self, body):  # noqa: N802
        arn = body["ModelPackageName"]
        return 200, next(
            p for packages in self.groups.values() for p in packages if p["ModelPackageArn"] == arn
        )

    def DescribeEndpoint(self, body):  # noqa: N802
        if body["EndpointName"] in self.endpoints:
            return 200, self.endpoints[body["EndpointName"]]
        return error("ValidationException", f'Could not find endpoint "{body["EndpointName"]}".')

    def DescribeEndpointConfig(self, body):  # noqa: N802
        if body["EndpointConfigName"] in self.configs:
            return 200, self.configs[body["EndpointConfigName"]]
        return error(
            "ValidationException", f'Could not find endpoint configuration "{body["EndpointConfigName"]}".'
        )

    def GetCallerIdentity(self, _):  # noqa: N802
        xml = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
        return 200, f"{xml}</GetCallerIdentityResponse>".encode()


def error(code, message="no", status=400):
    return status, {"__type": code, "message": message}


@pytest.fixture(scope="module")
def server():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet, or each answer waits 40 ms for an acknowledgement

        def do_POST(self):
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers.get("X-Amz-Target", "x.GetCallerIdentity").split(".")[1]
            status, body = self.server.fake.answer(
                operation, json.loads(sent) if sent.startswith(b"{") else {}
            )
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with serving(Handler) as made:
        yield made


@pytest.fixture(scope="module")
def clients(server):
    """Made once, as botocore reads SageMaker's large model for each; throttling slows a client, so tests of it make one."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle_environment(monkeypatch, server.url)
        made = Clients("us-east-1")
        made.get("sagemaker")
        return made


@pytest.fixture
def aws(server, monkeypatch):
    settle_environment(monkeypatch, server.url)
    server.fake = FakeAws()
    return server.fake


@pytest.fixture
def registry(aws, clients):
    return SageMakerRegistry(clients)


def settle_environment(monkeypatch, url):
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)


def requests(*groups, select=None, per_version=False):
    return [GroupRequest(group, select or Select(), per_version) for group in groups]


def test_a_package_is_read_with_all_that_its_endpoint_needs(aws, registry):
    source = {"S3DataSource": {"S3Uri": "s3://bucket/dir/"}}
    containers = [
        {"Image": "image:1", "ModelDataUrl": "s3://bucket/a.tar.gz"},
        {
            "Image": "image:1",
            "ModelDataSource": source,
            "AdditionalModelDataSources": [{"S3DataSource": {"S3Uri": "s3://b/c"}}],
        },
    ]
    life_cycle = {"Stage": "staging", "StageStatus": "active"}
    aws.add("churn", 1, InferenceSpecification={"Containers": containers}, ModelLifeCycle=life_cycle)
    (package,) = registry.read_packages("churn")
    assert (package.arn, package.group, package.version) == (f"{ARN}/churn/1", "churn", 1)
    assert package.may_serve
    assert package.metadata["mlflow_version"] == "1"
    assert (package.stage, package.stage_status) == ("staging", "active")
    assert package.images == ("image:1",)
    assert package.model_data_urls == ("s3://bucket/a.tar.gz", "s3://bucket/dir/", "s3://b/c")


def test_defect_13_every_page_is_read(aws, registry):
    aws.add("churn", 230)
    assert [package.version for package in registry.read_packages("churn")] == list(range(1, 231))
    assert aws.calls["ListModelPackages"] == 3


def test_a_package_that_cannot_be_served_is_not_described(aws, registry):
    aws.add("churn", 1)
    aws.add("churn", 2, ModelApprovalStatus="Rejected")
    aws.add("churn", 1, ModelPackageStatus="Failed")
    assert [package.may_serve for package in registry.read_packages("churn")] == [True, False, False, False]
    assert aws.calls["DescribeModelPackage"] == 1


def test_a_group_without_packages_is_empty_and_a_group_that_does_not_exist_is_an_error(aws, registry):
    assert registry.read_packages("empty") == ()
    with pytest.raises(UnknownGroupError, match="group curn does not exist"):
        registry.read_packages("curn")


def test_a_list_that_is_refused_for_an_unknown_group_names_the_group(aws, registry):
    aws.faults["ListModelPackages"] = error("ValidationException", "ModelPackageGroup x does not exist.")
    with pytest.raises(UnknownGroupError, match="churn"):
        registry.read_packages("churn")


FAILURES = {
    "refused": (
        error("AccessDeniedException", "is not authorized"),
        AccessRefusedError,
        "AccessDeniedException",
    ),
    "expired": (error("ExpiredTokenException"), AccessRefusedError, "ExpiredTokenException"),
    "bad key": (error("UnrecognizedClientException"), AccessRefusedError, "UnrecognizedClientException"),
    "500": (error("InternalFailure", status=500), UnavailableError, "InternalFailure"),
    "503 from a proxy": ((503, b"<html>"), UnavailableError, "503"),
    "other": (error("ValidationException", "bad token"), RegistryError, "ValidationException"),
}
BROKEN_PAGES = {
    "no list": {},
    "list is null": {"ModelPackageSummaryList": None},
    "no ARN": {"ModelPackageSummaryList": [{"ModelPackageStatus": "Completed"}]},
    "no status": {"ModelPackageSummaryList": [{"ModelPackageArn": f"{ARN}/churn/1"}]},
    "another group": {
        "ModelPackageSummaryList": [{"ModelPackageArn": f"{ARN}/other/1", "ModelPackageStatus": "Failed"}]
    },
    "no version": {
        "ModelPackageSummaryList": [{"ModelPackageArn": f"{ARN}/churn", "ModelPackageStatus": "Failed"}]
    },
    "truncated": b'{"ModelPackageSummaryList": [{"ModelPack',
    "nothing": b"",
    "a list": b"[]",
    "a number": b"1",
    "entries are text": {"ModelPackageSummaryList": ["x"]},
    "entry is null": {"ModelPackageSummaryList": [None]},
    "list is text": {"ModelPackageSummaryList": "x"},
    "token is a number": {"ModelPackageSummaryList": [], "NextToken": 7},
    "no time": {"ModelPackageSummaryList": [{"ModelPackageArn": f"{ARN}/churn/1", "CreationTime": "x"}]},
    "not JSON": b"<html>welcome</html>",
}


@pytest.mark.parametrize(("fault", "kind", "code"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("call", ["ListModelPackages", ("ListModelPackages", "1"), "DescribeModelPackage"])
def test_defect_1_a_failed_read_is_an_error_and_never_an_empty_answer(aws, call, fault, kind, code, registry):
    aws.page_size = 1
    aws.add("churn", 2)
    aws.faults[call] = fault
    operation = call if isinstance(call, str) else call[0]
    with pytest.raises(kind, match=rf"{operation} of .*churn.*{code}.*Nothing was changed\."):
        registry.read_packages("churn")


@pytest.mark.parametrize("page", BROKEN_PAGES.values(), ids=BROKEN_PAGES)
@pytest.mark.parametrize("token", [None, "1"])
def test_defect_1_a_broken_page_is_an_error_and_never_the_end_of_the_list(aws, token, page, registry):
    aws.page_size = 1
    aws.add("churn", 2)
    aws.faults["ListModelPackages", token] = (200, page)
    with pytest.raises(RegistryError, match="ListModelPackages of model package group churn"):
        registry.read_packages("churn")


@pytest.mark.parametrize(
    "answer", [{}, {"ModelPackageArn": f"{ARN}/churn/2", "ModelPackageStatus": "Completed"}]
)
def test_a_broken_description_is_an_error(aws, answer, registry):
    aws.add("churn", 1)
    aws.faults["DescribeModelPackage"] = (200, answer)
    with pytest.raises(RegistryError, match=f"DescribeModelPackage of package {ARN}/churn/1"):
        registry.read_packages("churn")


def test_a_list_that_repeats_its_token_ends_in_an_error(aws, registry):
    aws.faults["ListModelPackages"] = (200, {"ModelPackageSummaryList": [], "NextToken": "again"})
    with pytest.raises(RegistryError, match="same NextToken twice"):
        registry.read_packages("churn")


def test_a_page_may_be_empty_in_the_middle_of_a_list(aws, registry):
    aws.add("churn", 3)
    aws.faults["ListModelPackages", None] = (200, {"ModelPackageSummaryList": [], "NextToken": "1"})
    assert [package.version for package in registry.read_packages("churn")] == [2, 3]


@pytest.mark.parametrize("call", ["ListModelPackages", "DescribeModelPackage", "DescribeEndpoint"])
def test_defect_1_a_throttled_read_is_repeated_and_then_an_error(aws, monkeypatch, call):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    aws.add("churn", 1)
    aws.faults[call] = error("ThrottlingException", "Rate exceeded")
    with pytest.raises(
        UnavailableError, match=f"{call} of .*churn.* was throttled.*ThrottlingException: Rate exceeded"
    ):
        resolve("Staging", requests("churn"), SageMakerRegistry(Clients("us-east-1")))
    assert aws.calls[call] == 2


def test_a_refused_connection_is_an_error(aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(
        UnavailableError, match="ListModelPackages of model package group churn got no answer"
    ):
        SageMakerRegistry(Clients("us-east-1")).read_packages("churn")


def test_missing_credentials_are_an_error(aws, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessRefusedError, match="Give valid AWS credentials"):
        SageMakerRegistry(Clients("us-east-1")).read_packages("churn")


def endpoint(**values):
    return {"EndpointStatus": "InService", "EndpointConfigName": "config-1", **values}


def test_live_endpoints_are_read_with_what_their_next_configuration_must_keep(aws, registry):
    counts = {"VariantName": "main", "CurrentInstanceCount": 2, "DesiredInstanceCount": 3}
    serverless = {
        "VariantName": "main",
        "CurrentServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2},
    }
    aws.endpoints["scaled"] = endpoint(ProductionVariants=[counts])
    aws.endpoints["serverless"] = endpoint(ProductionVariants=[serverless])
    aws.endpoints["broken"] = endpoint(
        EndpointStatus="Failed", FailureReason="no ping", ProductionVariants=[counts]
    )
    assert registry.read_live(["scaled", "serverless", "broken", "gone"]) == {
        "scaled": LiveEndpoint("InService", "config-1", "instance", {"main": 3}, None),
        "serverless": LiveEndpoint("InService", "config-1", "serverless", {}, None),
        "broken": LiveEndpoint("Failed", "config-1", "instance", {"main": 3}, "no ping"),
        "gone": None,
    }


def test_an_endpoint_that_is_still_being_made_is_of_the_kind_that_its_configuration_says(aws, registry):
    aws.endpoints["new"] = endpoint(EndpointStatus="Creating")
    variant = {
        "VariantName": "main",
        "ModelName": "m",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    aws.configs["config-1"] = {"EndpointConfigName": "config-1", "ProductionVariants": [variant]}
    assert registry.read_live(["new"])["new"] == LiveEndpoint("Creating", "config-1", "serverless", {}, None)


def test_an_endpoint_that_failed_without_variants_and_configuration_can_still_be_read(aws, registry):
    aws.endpoints["failed"] = endpoint(EndpointStatus="Failed", FailureReason="no quota")
    assert registry.read_live(["failed"])["failed"] == LiveEndpoint(
        "Failed", "config-1", "instance", {}, "no quota"
    )


@pytest.mark.parametrize("fault", [*(fault for fault, _, _ in FAILURES.values()), (200, {})])
def test_an_endpoint_that_cannot_be_read_is_never_one_that_does_not_exist(aws, fault, registry):
    aws.faults["DescribeEndpoint"] = fault
    for read in (
        lambda: registry.read_live(["churn-staging"]),
        lambda: registry.in_use("churn-staging"),
    ):
        with pytest.raises(RegistryError, match="DescribeEndpoint of endpoint churn-staging"):
            read()


def test_in_use_names_the_configuration_and_all_models_of_the_live_endpoint(aws, registry):
    aws.endpoints["churn-staging"] = endpoint()
    variants, shadows = (
        [{"VariantName": "main", "ModelName": "m1"}],
        [{"VariantName": "s", "ModelName": "m2"}],
    )
    aws.configs["config-1"] = {"ProductionVariants": variants, "ShadowProductionVariants": shadows}
    assert registry.in_use("churn-staging") == {"config-1", "m1", "m2"}
    assert registry.in_use("gone") is None


def test_in_use_names_also_the_configuration_that_the_endpoint_is_moving_to(aws, registry):
    moving = {"EndpointStatus": "Updating", "PendingDeploymentSummary": {"EndpointConfigName": "config-2"}}
    aws.endpoints["churn-staging"] = {**endpoint(), **moving}
    for name, model in (("config-1", "m1"), ("config-2", "m2")):
        aws.configs[name] = {"ProductionVariants": [{"VariantName": "main", "ModelName": model}]}
    assert registry.in_use("churn-staging") == {"config-1", "config-2", "m1", "m2"}


def test_nothing_is_in_use_by_an_endpoint_that_is_being_deleted(aws, registry):
    aws.endpoints["churn-staging"] = {**endpoint(), "EndpointStatus": "Deleting"}
    assert registry.in_use("churn-staging") is None


def test_in_use_is_an_error_when_aws_serves_a_mix_of_two_configurations(aws, registry):
    aws.endpoints["churn-staging"] = {**endpoint(), "EndpointStatus": "UpdateRollbackFailed"}
    with pytest.raises(RegistryError, match="a mix of two configurations; nothing of it is deleted"):
        registry.in_use("churn-staging")


def test_in_use_is_an_error_when_the_configuration_is_gone_because_nobody_knows_the_models(aws, registry):
    aws.endpoints["churn-staging"] = endpoint()
    with pytest.raises(RegistryError, match="DescribeEndpointConfig of endpoint configuration config-1"):
        registry.in_use("churn-staging")


def test_the_account_is_that_of_the_credentials(aws):
    assert SageMakerRegistry(Clients("us-east-1")).account_id() == "123456789012"


def test_an_account_that_cannot_be_told_is_an_error(aws):
    aws.faults["GetCallerIdentity"] = (
        403,
        b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
    )
    with pytest.raises(AccessRefusedError, match="GetCallerIdentity of the caller's account was refused"):
        SageMakerRegistry(Clients("us-east-1")).account_id()


def test_resolve_joins_what_is_wanted_with_what_is_live_and_what_is_ignored(aws, registry):
    aws.add("churn", 2)
    aws.add("iris", 1)
    aws.endpoints["churn-staging"] = endpoint(
        ProductionVariants=[{"VariantName": "main", "DesiredInstanceCount": 2}]
    )
    manifest = resolve("Staging", requests("iris", "churn"), registry)
    assert [
        (wanted.name, wanted.package_version, wanted.mlflow_version) for wanted in manifest.endpoints
    ] == [
        ("churn-staging", 2, "1"),
        ("iris-staging", 1, "1"),
    ]
    assert [wanted.live and wanted.live.instance_counts for wanted in manifest.endpoints] == [
        {"main": 2},
        None,
    ]
    assert [entry.package_arn for entry in manifest.ignored] == [f"{ARN}/churn/1"]


def test_resolve_of_a_group_without_packages_is_an_empty_selection(aws, registry):
    assert resolve("Staging", requests("empty"), registry).endpoints == ()


def test_a_collision_is_found_before_any_endpoint_is_read_and_names_both_groups(aws, registry):
    aws.add("churn", 1)
    aws.add("Churn", 1)
    with pytest.raises(NameCollisionError, match="group churn and model package group Churn"):
        resolve("Staging", requests("churn", "Churn"), registry)
    assert aws.calls["DescribeEndpoint"] == 0


def test_defect_29_packages_of_any_partition_are_read(aws, registry):
    aws.add("churn", 1, partition="aws-cn")
    (wanted,) = resolve("Staging", requests("churn"), registry).endpoints
    assert wanted.package_arn.startswith("arn:aws-cn:sagemaker:")


class CountingClient:
    """Holds every description until 16 are in flight, and counts how many ever were."""

    def __init__(self, packages):
        self.packages, self.flying, self.most = packages, 0, 0
        self.lock, self.barrier = threading.Lock(), threading.Barrier(16)

    def list_model_packages(self, **asked):
        return {
            "ModelPackageSummaryList": [
                {"ModelPackageArn": arn, "ModelPackageStatus": "Completed", "ModelApprovalStatus": "Approved"}
                for arn in self.packages
            ]
        }

    def describe_model_package(self, *, ModelPackageName):  # noqa: N803  botocore's name
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        self.barrier.wait(timeout=60)
        with self.lock:
            self.flying -= 1
        return {
            "ModelPackageArn": ModelPackageName,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "Approved",
        }


def test_sixteen_reads_are_in_flight_at_once_and_never_more():
    client, clients = CountingClient([f"{ARN}/churn/{version}" for version in range(1, 65)]), Mock()
    clients.get.return_value = client
    assert len(SageMakerRegistry(clients).read_packages("churn")) == 64
    assert client.most == 16


def test_an_aws_profile_that_is_not_there_is_an_error_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(AccessRefusedError, match="nowhere"):
        SageMakerRegistry(Clients("us-east-1"))


def test_clients_are_of_their_region_and_made_once():
    clients = Clients("eu-west-1")
    client = clients.get("ssm")
    assert client.meta.region_name == "eu-west-1"
    assert clients.get("ssm") is client
    client.close()
