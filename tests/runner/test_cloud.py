from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProfileNotFound

from registry import Clients
from runner.cloud import FINDABLE_TYPES, Cloud
from runner.errors import BackendAccessError, ResourceFailure

ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/churn-staging"
PARAMETER = "/model-deployment/staging/last-verified-deploy"
# As AWS says it (botocore's models; SageMaker's texts are those of tests/sandbox).
NO_ENDPOINT = ("ValidationException", 'Could not find endpoint "churn-staging".')
DENIED = ("AccessDeniedException", "User is not authorized")


def refused(code, message):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class Client:
    """An AWS client that gives or raises prepared answers, the last one again and again."""

    def __init__(self, **answers):
        self.answers = {operation: list(given) for operation, given in answers.items()}
        self.calls = []

    def __getattr__(self, operation):
        def call(**parameters):
            self.calls.append((operation, parameters))
            given = self.answers[operation]
            answer = given.pop(0) if len(given) > 1 else given[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation):
        client = self

        class Paginator:
            def paginate(self, **parameters):
                return iter(getattr(client, operation)(**parameters))

        return Paginator()


def account(**clients):
    made = Mock()
    made.get.side_effect = clients.__getitem__
    return Cloud(made)


@contextmanager
def refusal_of(kind, said):
    with pytest.raises(kind, match=said):
        yield


@pytest.mark.parametrize(
    ("type_", "service", "operation", "parameter", "missing"),
    [
        (
            "aws:sagemaker/model:Model",
            "sagemaker",
            "describe_model",
            "ModelName",
            ("ValidationException", 'Could not find model "m".'),
        ),
        (
            "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
            "sagemaker",
            "describe_endpoint_config",
            "EndpointConfigName",
            ("ValidationException", 'Could not find endpoint configuration "c".'),
        ),
        ("aws:sagemaker/endpoint:Endpoint", "sagemaker", "describe_endpoint", "EndpointName", NO_ENDPOINT),
        ("aws:iam/role:Role", "iam", "get_role", "RoleName", ("NoSuchEntity", "The role cannot be found.")),
    ],
)
def test_each_findable_type_is_asked_by_its_name(type_, service, operation, parameter, missing):
    client = Client(**{operation: [{}, refused(*missing)]})
    asked = account(**{service: client})
    assert (asked.exists(type_, "name"), asked.exists(type_, "name")) == (True, False)
    assert client.calls[0] == (operation, {parameter: "name"})
    assert type_ in FINDABLE_TYPES


def test_every_findable_type_is_tried_above():
    assert len(FINDABLE_TYPES) == 4


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.exists("aws:sagemaker/endpoint:Endpoint", "churn-staging"),
        lambda it: it.endpoint_tags("churn-staging"),
    ],
    ids=["exists", "tags"],
)
@pytest.mark.parametrize(
    "answer",
    [
        refused(*DENIED),
        refused("ThrottlingException", "Rate exceeded"),
        refused("ValidationException", "odd"),
        refused("AccessDeniedException", "The role does not exist or may not be assumed"),
    ],
)
def test_defect_1_a_read_that_fails_is_an_error_and_never_there_is_none(ask, answer):
    asked = account(sagemaker=Client(describe_endpoint=[answer]))
    with refusal_of(ResourceFailure, "sagemaker describe_endpoint: [A-Z]"):
        ask(asked)


def test_no_network_is_an_error_of_access():
    answer = EndpointConnectionError(endpoint_url="https://example.com")
    asked = account(sagemaker=Client(describe_endpoint=[answer]))
    with refusal_of(BackendAccessError, "Could not connect"):
        asked.endpoint_tags("churn-staging")


def test_an_aws_profile_that_does_not_exist_is_an_error_of_access(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with refusal_of(BackendAccessError, "nowhere"):
        Cloud(Clients("us-east-1")).read_parameter(PARAMETER)
    assert issubclass(ProfileNotFound, Exception)


def test_tags_of_all_pages_are_read():
    pages = [
        {"Tags": [{"Key": "pulumi:project", "Value": "model-deployment"}]},
        {"Tags": [{"Key": "pulumi:stack", "Value": "staging"}]},
    ]
    client = Client(describe_endpoint=[{"EndpointArn": ARN}], list_tags=[pages])
    assert account(sagemaker=client).endpoint_tags("churn-staging") == {
        "pulumi:project": "model-deployment",
        "pulumi:stack": "staging",
    }
    assert client.calls[1] == ("list_tags", {"ResourceArn": ARN})


def test_an_endpoint_that_does_not_exist_has_no_tags():
    client = Client(describe_endpoint=[refused(*NO_ENDPOINT)])
    assert account(sagemaker=client).endpoint_tags("churn-staging") is None


def test_tags_that_may_not_be_read_are_an_error_of_ours_and_no_trace():
    client = Client(describe_endpoint=[{"EndpointArn": ARN}], list_tags=[refused(*DENIED)])
    with refusal_of(ResourceFailure, "sagemaker list_tags: AccessDeniedException: User is not authorized"):
        account(sagemaker=client).endpoint_tags("churn-staging")


def test_a_parameter_is_read_written_over_and_deleted():
    client = Client(
        get_parameter=[{"Parameter": {"Value": "text"}}, refused("ParameterNotFound", "")],
        put_parameter=[{}],
        delete_parameter=[{}, refused("ParameterNotFound", "")],
    )
    ssm = account(ssm=client)
    assert (ssm.read_parameter(PARAMETER), ssm.read_parameter(PARAMETER)) == ("text", None)
    ssm.write_parameter(PARAMETER, "new")
    ssm.delete_parameter(PARAMETER)
    ssm.delete_parameter(PARAMETER)
    assert client.calls[2] == (
        "put_parameter",
        {"Name": PARAMETER, "Value": "new", "Type": "String", "Overwrite": True},
    )


def test_a_parameter_that_may_not_be_read_is_an_error():
    client = Client(get_parameter=[refused(*DENIED)])
    with refusal_of(ResourceFailure, "ssm get_parameter: AccessDeniedException"):
        account(ssm=client).read_parameter(PARAMETER)
