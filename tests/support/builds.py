"""A CodeBuild project of the local cloud and its builds."""

from __future__ import annotations

import json
from typing import Any

from tests.support.processes import eventually

ROLE = "arn:aws:iam::123456789012:role/build"
ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}


def spec(**phases: Any) -> str:
    return json.dumps(
        {"version": "0.2", "phases": {name: {"commands": each} for name, each in phases.items()}}
    )


class Builds:
    """One project and its builds."""

    def __init__(self, aws: Any) -> None:
        self.aws, self.client = aws, aws.client("codebuild")

    def project(self, buildspec: str | None = None, **settings: Any) -> dict[str, Any]:
        source = settings.pop("source", {"type": "NO_SOURCE", "buildspec": buildspec})
        environment = {**ENVIRONMENT, "environmentVariables": settings.pop("variables", [])}
        made: dict[str, Any] = self.client.create_project(
            name="sync",
            source=source,
            artifacts={"type": "NO_ARTIFACTS"},
            environment=environment,
            serviceRole=ROLE,
            **settings,
        )["project"]
        return made

    def start(self, **overrides: Any) -> str:
        return str(self.client.start_build(projectName="sync", **overrides)["build"]["id"])

    def get(self, build_id: str) -> dict[str, Any]:
        (build,) = self.client.batch_get_builds(ids=[build_id])["builds"]
        return dict(build)

    def ended(self, build_id: str) -> dict[str, Any]:
        return eventually(lambda: build if (build := self.get(build_id))["buildComplete"] else None)

    def run(self, **overrides: Any) -> tuple[dict[str, Any], str]:
        """Start a build; gives its end and what it printed."""
        build = self.ended(self.start(**overrides))
        return build, self.printed(build)

    def printed(self, build: dict[str, Any]) -> str:
        logs = build["logs"]
        events = self.aws.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], startFromHead=True
        )["events"]
        return "\n".join(event["message"] for event in events)
