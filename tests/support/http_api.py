"""An HTTP API of the local cloud with one function behind it."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

ECHO = (
    "import json\n"
    "def handler(event, context):\n"
    "    return {'statusCode': 201, 'headers': {'X-Kind': 'echo'}, 'cookies': ['a=b'], 'body': json.dumps(event)}\n"
)


class Api:
    """An API with one function behind one route, on the stage `$default` unless another is given."""

    def __init__(
        self, aws: Any, make: Any, source: str = ECHO, route: str = "POST /webhook", **stage: Any
    ) -> None:
        self.client, self.arn = aws.client("apigatewayv2"), make(source)
        made = self.client.create_api(Name="hook", ProtocolType="HTTP", Tags={"a": "b"})
        self.id, self.url = made["ApiId"], made["ApiEndpoint"]
        integration = self.client.create_integration(
            ApiId=self.id, IntegrationType="AWS_PROXY", IntegrationUri=self.arn, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        self.client.create_route(ApiId=self.id, RouteKey=route, Target=f"integrations/{integration}")
        self.stage = stage.pop("StageName", "$default")
        self.client.create_stage(ApiId=self.id, StageName=self.stage, **{"AutoDeploy": True, **stage})

    def permit(self, aws: Any) -> Api:
        aws.client("lambda").add_permission(
            FunctionName="f",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{self.id}/*/*",
        )
        return self

    def ask(self, method: str = "POST", path: str = "/webhook", body: bytes = b"", **headers: str) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        try:
            connection.request(method, address.path + path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()
