"""What is mended in moto's services: one function for each, called once when the service is loaded.

What a mended service needs of this cloud comes through `SEAMS`: moto's classes are global, so this is too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote


def _not_connected(*_: Any) -> Any:
    raise RuntimeError("the local cloud has not been started in this process")


@dataclass(slots=True)
class Seams:
    """What moto's services ask of this cloud; `sandbox.cloud.router` fills it in.

    Args:
        send_to_targets: takes a rule of moto and an event.
        enqueue: takes the ARN of a function and an event, to be handled later.
        url: of the cloud.
    """

    send_to_targets: Callable[[Any, Mapping[str, Any]], None] = _not_connected
    enqueue: Callable[[str, str], None] = _not_connected
    url: str = ""


SEAMS = Seams()
STAGE_SETTINGS = {
    "accessLogSettings": "access_log_settings",
    "autoDeploy": "auto_deploy",
    "defaultRouteSettings": "default_route_settings",
    "description": "description",
    "routeSettings": "route_settings",
    "stageVariables": "stage_variables",
}
"""Members of UpdateStage that moto's stages have."""


def mend(service: str) -> None:
    """Mend a service, by its signing name."""
    _MENDS.get(service, lambda: None)()


def _mend_events() -> None:
    """Moto delivers for disabled rules, ignores Input and InputPath, and fails on usual InputTransformers."""
    from moto.events.models import Rule

    def send_to_targets(self: Any, original: Mapping[str, Any], transform_input: bool = True) -> None:  # noqa: ARG001, FBT001, FBT002 -- moto's signature
        SEAMS.send_to_targets(self, original)

    Rule.send_to_targets = send_to_targets


def _mend_autoscaling() -> None:
    """Moto lacks the tags that the AWS provider reads, and two dimensions of SageMaker."""
    import moto.applicationautoscaling.models as models
    import moto.applicationautoscaling.responses as responses

    known = {member.name: member.value for member in models.ScalableDimensionValueSet}
    known["SAGEMAKER_VARIANT_PROVISIONED_CONCURRENCY"] = "sagemaker:variant:DesiredProvisionedConcurrency"
    known["SAGEMAKER_COPY_COUNT"] = "sagemaker:inference-component:DesiredCopyCount"
    dimensions = Enum("ScalableDimensionValueSet", known)  # type: ignore[misc]
    models.ScalableDimensionValueSet = responses.ScalableDimensionValueSet = dimensions
    tags: dict[str, dict[str, str]] = {}

    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"Tags": tags.get(self._get_param("ResourceARN"), {})})

    def tag_resource(self: Any) -> str:
        tags.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags"))
        return "{}"

    def untag_resource(self: Any) -> str:
        for key in self._get_param("TagKeys"):
            tags.get(self._get_param("ResourceARN"), {}).pop(key, None)
        return "{}"

    response = responses.ApplicationAutoScalingResponse
    response.list_tags_for_resource = list_tags_for_resource
    response.tag_resource = tag_resource
    response.untag_resource = untag_resource


def _mend_iam() -> None:
    """Moto's UpdateRole without a description removes the one that is there."""
    from moto.iam.models import IAMBackend

    original = IAMBackend.update_role

    def update_role(
        self: Any, role_name: str, role_description: str | None, max_session_duration: str
    ) -> Any:
        if role_description is None:
            role_description = self.get_role(role_name).description
        return original(self, role_name, role_description, max_session_duration)

    IAMBackend.update_role = update_role


def _mend_sqs() -> None:
    """Moto writes RedrivePolicy with blanks, which AWS's provider takes for a change."""
    from moto.sqs.models import Queue

    original = Queue.attributes.fget

    def attributes(self: Any) -> Any:
        found = original(self)
        for name in ("RedrivePolicy", "RedriveAllowPolicy"):
            if isinstance(found.get(name), str):
                found[name] = json.dumps(json.loads(found[name]), separators=(",", ":"))
        return found

    Queue.attributes = property(attributes)


def _mend_lambda() -> None:
    """Moto drops DeadLetterConfig and LoggingConfig, keeps the first of two invoke configurations, and needs Docker."""
    from moto.awslambda.models import LambdaBackend, LambdaFunction

    kept = ("DeadLetterConfig", "LoggingConfig")
    make, describe, update = (
        LambdaFunction.__init__,
        LambdaFunction.get_configuration,
        LambdaFunction.update_configuration,
    )
    put_invoke_config = LambdaBackend.put_function_event_invoke_config

    def __init__(self: Any, account_id: str, spec: dict[str, Any], *more: Any, **named: Any) -> None:  # noqa: N807
        self.kept = {name: spec[name] for name in kept if spec.get(name)}
        make(self, account_id, spec, *more, **named)

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 -- moto's signature
        return {**describe(self, on_create), **{name: value for name, value in self.kept.items() if value}}

    def update_configuration(self: Any, changes: dict[str, Any]) -> Any:
        self.kept = {**self.kept, **{name: changes[name] for name in kept if name in changes}}
        update(self, changes)
        return self.get_configuration()

    def invoke(self: Any, body: str, *_: Any) -> str:
        SEAMS.enqueue(self.function_arn, body)
        return ""

    def put_function_event_invoke_config(self: Any, function_name: str, config: dict[str, Any]) -> Any:
        self.get_function(function_name).event_invoke_config = []
        return put_invoke_config(self, function_name, config)

    LambdaFunction.__init__ = __init__
    LambdaFunction.get_configuration = get_configuration
    LambdaFunction.update_configuration = update_configuration
    LambdaFunction.invoke = invoke
    LambdaBackend.put_function_event_invoke_config = put_function_event_invoke_config


def _mend_apigateway() -> None:
    """Moto has no UpdateStage, no tags of stages, and an endpoint that nobody can reach."""
    from moto.apigatewayv2.models import Api
    from moto.apigatewayv2.responses import ApiGatewayV2Response

    make = Api.__init__

    def __init__(self: Any, *given: Any, **named: Any) -> None:  # noqa: N807
        make(self, *given, **named)
        self.api_endpoint = f"{SEAMS.url}/_api/{self.api_id}"

    def update_stage(self: Any) -> tuple[int, dict[str, str], str]:
        _, api_id, _, name = self.path.rsplit("/", 3)
        stage = self.apigatewayv2_backend.get_stage(api_id, unquote(name))
        changes = json.loads(self.body)
        for member in STAGE_SETTINGS.keys() & changes.keys():
            setattr(stage, STAGE_SETTINGS[member], changes[member])
        return 200, {}, json.dumps(stage.to_json())

    Api.__init__ = __init__
    ApiGatewayV2Response.update_stage = update_stage
    _mend_tags_of_stages()


def _mend_tags_of_stages() -> None:
    from moto.apigatewayv2.responses import ApiGatewayV2Response
    from moto.apigatewayv2.urls import url_paths

    tag, untag = ApiGatewayV2Response.tag_resource, ApiGatewayV2Response.untag_resource

    def tags_of_stage(self: Any) -> dict[str, str] | None:
        found = re.search(r"/apis/([^/]+)/stages/([^/?]+)", unquote(self.path))
        return self.apigatewayv2_backend.get_stage(*found.groups()).tags if found else None

    def tag_resource(self: Any) -> Any:
        tags = tags_of_stage(self)
        if tags is None:
            return tag(self)
        tags.update(json.loads(self.body).get("tags", {}))
        return 201, {}, "{}"

    def untag_resource(self: Any) -> Any:
        tags = tags_of_stage(self)
        if tags is None:
            return untag(self)
        for key in self.querystring.get("tagKeys") or []:
            tags.pop(key, None)
        return 204, {}, ""

    ApiGatewayV2Response.tag_resource = tag_resource
    ApiGatewayV2Response.untag_resource = untag_resource
    stage = "{0}/v2/tags/(?P<arn>[^/]+)/apis/(?P<api>[^/]+)/stages/(?P<stage>[^/]+)$"
    url_paths[stage] = ApiGatewayV2Response.dispatch


_MENDS: dict[str, Callable[[], None]] = {
    "apigateway": _mend_apigateway,
    "application-autoscaling": _mend_autoscaling,
    "events": _mend_events,
    "iam": _mend_iam,
    "lambda": _mend_lambda,
    "sqs": _mend_sqs,
}
