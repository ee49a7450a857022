"""HTTP APIs: a client that knows only the URL that the API returned reaches the function."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.gateway.payload import body_of, response_of
from sandbox.cloud.gateway.routes import Match, find_route
from sandbox.cloud.gateway.throttle import Throttle
from tests.support.http_api import Api


def test_a_request_reaches_the_function_as_payload_2_0(aws: Any, make: Any) -> None:
    api = Api(aws, make).permit(aws)
    status, headers, body = api.ask(
        path="/webhook?a=1&a=2",
        body=b'{"n": 1}',
        **{"Content-Type": "application/json", "X-MLflow-Signature": "v1,abc", "Cookie": "c=d; e=f"},
    )
    event = json.loads(body)
    assert (status, headers["X-Kind"], headers["Set-Cookie"]) == (201, "echo", "a=b")
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /webhook", "/webhook")
    assert (event["rawQueryString"], event["queryStringParameters"]) == ("a=1&a=2", {"a": "1,2"})
    assert (event["body"], event["isBase64Encoded"]) == ('{"n": 1}', False)
    assert (event["headers"]["x-mlflow-signature"], event["cookies"]) == ("v1,abc", ["c=d", "e=f"])
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["accountId"]) == (api.id, "$default", "123456789012")
    assert (context["http"]["method"], context["http"]["sourceIp"]) == ("POST", "127.0.0.1")
    assert context["requestId"] == headers["Apigw-Requestid"]


def test_bytes_arrive_as_base64_and_leave_as_bytes(aws: Any, make: Any) -> None:
    source = (
        "def handler(event, context):\n"
        "    assert event['isBase64Encoded']\n"
        "    return {'statusCode': 200, 'body': event['body'], 'isBase64Encoded': True}\n"
    )
    body = bytes(range(256))
    answer = Api(aws, make, source).permit(aws).ask(body=body, **{"Content-Type": "application/octet-stream"})
    assert (answer[0], answer[2]) == (200, body)


def test_a_named_stage_stands_in_the_path_that_the_function_sees(aws: Any, make: Any) -> None:
    api = Api(aws, make, StageName="live").permit(aws)
    status, _, body = api.ask(path="/live/webhook")
    assert (status, json.loads(body)["rawPath"]) == (201, "/live/webhook")
    assert api.ask(path="/webhook")[0] == 404


def test_without_a_permission_the_api_answers_500_and_the_function_is_not_called(aws: Any, make: Any) -> None:
    status, _, body = Api(aws, make).ask()
    assert (status, json.loads(body)) == (500, {"message": "Internal Server Error"})
    assert aws.client("logs").describe_log_groups()["logGroups"] == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/webhook"), ("POST", "/other"), ("POST", "/webhook/more"), ("POST", "")]
)
def test_what_no_route_takes_is_not_found(aws: Any, make: Any, method: str, path: str) -> None:
    status, _, body = Api(aws, make).permit(aws).ask(method, path)
    assert (status, json.loads(body)) == (404, {"message": "Not Found"})


def test_a_stage_without_automatic_deployment_serves_nothing(aws: Any, make: Any) -> None:
    assert Api(aws, make, AutoDeploy=False).permit(aws).ask()[0] == 404


@pytest.mark.parametrize(
    "source",
    [
        "def handler(e, c):\n    raise ValueError()\n",
        "def handler(e, c):\n    return {'statusCode': 'x'}\n",
        "def handler(e, c):\n    return {'statusCode': 200, 'body': '!', 'isBase64Encoded': True}\n",
    ],
)
def test_a_function_that_fails_or_answers_nonsense_is_a_500(aws: Any, make: Any, source: str) -> None:
    status, _, body = Api(aws, make, source).permit(aws).ask()
    assert (status, json.loads(body)) == (500, {"message": "Internal Server Error"})


def test_a_function_that_may_not_run_now_is_a_503(aws: Any, make: Any) -> None:
    api = Api(aws, make).permit(aws)
    aws.client("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    assert api.ask()[0] == 503


def test_a_body_of_more_than_ten_megabytes_is_refused(aws: Any, make: Any) -> None:
    assert Api(aws, make).permit(aws).ask(body=b"x" * (10 * 1024**2 + 1))[0] == 413


def test_a_stage_keeps_its_settings_and_tags_and_can_be_changed(aws: Any, make: Any) -> None:
    throttling = {"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.001}
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/api"
    api = Api(aws, make, Tags={"a": "b"}).permit(aws)
    api.client.update_stage(
        ApiId=api.id,
        StageName="$default",
        DefaultRouteSettings=throttling,
        AccessLogSettings={"DestinationArn": group, "Format": "$context.routeKey $context.status"},
    )
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api.id}/stages/$default"
    api.client.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    api.client.untag_resource(ResourceArn=arn, TagKeys=["a"])
    stage = api.client.get_stage(ApiId=api.id, StageName="$default")
    assert (stage["DefaultRouteSettings"]["ThrottlingBurstLimit"], stage["Tags"]) == (2, {"c": "d"})
    assert [api.ask()[0] for _ in range(3)] == [201, 201, 429]
    logged = aws.client("logs").filter_log_events(logGroupName="/api")["events"]
    assert [event["message"] for event in logged] == ["POST /webhook 201"] * 2 + ["POST /webhook 429"]


@pytest.mark.parametrize(
    ("call", "arguments", "said"),
    [
        ("create_api", {"Name": "x", "ProtocolType": "WEBSOCKET"}, "emulated is HTTP"),
        ("create_integration", {"ApiId": "x", "IntegrationType": "AWS_PROXY"}, "emulated is 2.0"),
        ("create_integration", {"ApiId": "x", "IntegrationType": "HTTP_PROXY"}, "emulated is AWS_PROXY"),
        (
            "create_route",
            {"ApiId": "x", "RouteKey": "GET /", "AuthorizationType": "AWS_IAM"},
            "emulated is NONE",
        ),
        (
            "create_authorizer",
            {"ApiId": "x", "AuthorizerType": "JWT", "IdentitySource": [], "Name": "x"},
            "NotEmulated",
        ),
        ("create_deployment", {"ApiId": "x"}, "NotEmulated"),
    ],
)
def test_what_an_api_would_not_do_is_refused(aws: Any, call: str, arguments: Any, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        getattr(aws.client("apigatewayv2"), call)(**arguments)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/7", Match("GET /pets/{id}", {"id": "7"})),
        ("GET", "/pets/dog%20s", Match("GET /pets/{id}", {"id": "dog s"})),
        ("GET", "/pets/all", Match("GET /pets/all")),
        ("PUT", "/pets/7", Match("ANY /{all+}", {"all": "pets/7"})),
        ("GET", "/pets/7/", Match("GET /pets/{id}", {"id": "7"})),
        ("GET", "/", Match("$default")),
    ],
)
def test_the_most_specific_route_is_taken(method: str, path: str, expected: Match) -> None:
    keys = ["$default", "ANY /{all+}", "ANY /pets/{id}/x", "GET /pets/{id}", "GET /pets/all"]
    assert find_route(keys, method, path) == expected


@pytest.mark.parametrize(
    ("payload", "status", "body"),
    [
        ('{"a": 1}', 200, b'{"a": 1}'),
        ('"text"', 200, b"text"),
        ('{"statusCode": 204}', 204, b""),
        ('{"statusCode": 99}', None, None),
    ],
)
def test_a_result_without_a_status_is_the_body(payload: str, status: int | None, body: bytes | None) -> None:
    made = response_of(payload)
    assert (made and made.status, made and made.body) == (status, body)


@given(
    st.binary(min_size=1), st.sampled_from(["text/plain", "application/json; charset=utf-8", "image/png", ""])
)
def test_no_byte_of_a_body_is_lost(body: bytes, content_type: str) -> None:
    text, encoded = body_of(body, content_type)
    assert (base64.b64decode(text) if encoded else text.encode()) == body


def test_a_throttle_lets_a_burst_through_and_refills_by_its_rate() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])

    def taken() -> list[bool]:
        return [throttle.lets_through(("a",), 2.0, 3) for _ in range(5)]

    assert taken() == [True] * 3 + [False] * 2
    now[0] = 1.0
    assert taken() == [True] * 2 + [False] * 3
    assert all(throttle.lets_through(("b",), None, None) for _ in range(100))
