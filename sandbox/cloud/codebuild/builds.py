"""Builds: started, stopped, described."""

from __future__ import annotations

import time
import uuid

from sandbox.cloud.codebuild.projects import REPOSITORIES
from sandbox.cloud.codebuild.state import Build, Call, Record
from sandbox.cloud.errors import AwsError, not_emulated

TOKEN_SECONDS = 300
OVERRIDES = (
    "projectName",
    "sourceVersion",
    "artifactsOverride",
    "environmentVariablesOverride",
    "sourceTypeOverride",
    "sourceLocationOverride",
    "buildspecOverride",
    "environmentTypeOverride",
    "imageOverride",
    "computeTypeOverride",
    "serviceRoleOverride",
    "privilegedModeOverride",
    "timeoutInMinutesOverride",
    "queuedTimeoutInMinutesOverride",
    "idempotencyToken",
)


def start_build(call: Call) -> Record:
    """Start a build; within five minutes a token starts only one."""
    unknown = sorted(name for name in call.request if name not in OVERRIDES)
    if unknown:
        msg = f"codebuild StartBuild with {', '.join(unknown)}"
        raise not_emulated(msg)
    project = call.state.project(call.request["projectName"])
    of_project = [
        build for build in call.state.builds.values() if build.record["projectName"] == project["name"]
    ]
    token = call.request.get("idempotencyToken")
    for build in of_project:
        if token and build.token == token and time.time() - build.record["startTime"] < TOKEN_SECONDS:
            return {"build": build.record}
    limit = project.get("concurrentBuildLimit")
    if limit is not None and sum(build.running for build in of_project) >= limit:
        msg = f"Cannot have more than {limit} active builds for the project"
        raise AwsError("AccountLimitExceededException", msg)
    build = _new(call, project)
    call.state.builds[build.record["id"]] = build
    if call.fault is not None and call.fault.outcome:
        build.wanted_end = call.fault.outcome
    call.start(call.state, build)
    return {"build": build.record}


def stop_build(call: Call) -> Record:
    """Ask a build to end: its commands get SIGTERM, then SIGKILL. One that has ended stays as it is."""
    build = call.state.build(call.request["id"])
    build.stop("STOPPED")
    return {"build": build.record}


def batch_get_builds(call: Call) -> Record:
    """Describe builds by id or ARN."""
    ids = {given: given.rpartition("/")[2] for given in call.request["ids"]}
    for given in ids:
        if ":" not in given:
            raise AwsError("InvalidInputException", "Invalid build ID provided")
    found = [call.state.builds[build_id].record for build_id in ids.values() if build_id in call.state.builds]
    missing = [given for given, build_id in ids.items() if build_id not in call.state.builds]
    return {"builds": found, "buildsNotFound": missing}


def list_builds(call: Call) -> Record:
    """List the ids of all builds, the newest first."""
    return {"ids": _ordered(call, list(call.state.builds))}


def list_builds_for_project(call: Call) -> Record:
    """List the ids of a project's builds, the newest first."""
    name = call.state.project(call.request["projectName"])["name"]
    found = [build_id for build_id, build in call.state.builds.items() if build.record["projectName"] == name]
    return {"ids": _ordered(call, found)}


def _ordered(call: Call, ids: list[str]) -> list[str]:
    return ids if call.request.get("sortOrder") == "ASCENDING" else ids[::-1]


def _new(call: Call, project: Record) -> Build:
    request, state, name = call.request, call.state, project["name"]
    source = dict(project["source"])
    for member, override in (("type", "sourceTypeOverride"), ("location", "sourceLocationOverride")):
        if request.get(override) is not None:
            source[member] = request[override]
    if source["type"] == "CODEPIPELINE":
        msg = "A project with the source type CODEPIPELINE is started by its pipeline"
        raise AwsError("InvalidInputException", msg)
    if source["type"] not in ("NO_SOURCE", "S3", *REPOSITORIES):
        msg = f"Invalid type provided: Project source type {source['type']}"
        raise AwsError("InvalidInputException", msg)
    if (request.get("artifactsOverride") or {}).get("type", "NO_ARTIFACTS") != "NO_ARTIFACTS":
        raise not_emulated("codebuild artifacts; a build can upload them itself")
    if request.get("buildspecOverride") is not None:
        source["buildspec"] = request["buildspecOverride"]
    number = state.numbers[name] = state.numbers.get(name, 0) + 1
    build_id = f"{name}:{uuid.uuid4()}"
    now = time.time()
    record: Record = {
        "id": build_id,
        "arn": state.arn(f"build/{build_id}"),
        "buildNumber": number,
        "projectName": name,
        "buildStatus": "IN_PROGRESS",
        "buildComplete": False,
        "currentPhase": "QUEUED",
        "startTime": now,
        "phases": [],
        "source": source,
        "artifacts": {"location": ""},
        "cache": project["cache"],
        "environment": _environment(project["environment"], request),
        "serviceRole": request.get("serviceRoleOverride") or project["serviceRole"],
        "timeoutInMinutes": request.get("timeoutInMinutesOverride") or project["timeoutInMinutes"],
        "queuedTimeoutInMinutes": request.get("queuedTimeoutInMinutesOverride")
        or project["queuedTimeoutInMinutes"],
        "encryptionKey": project["encryptionKey"],
        "initiator": "local",
        "logs": _logs(call, project, build_id),
    }
    version = request.get("sourceVersion") or project.get("sourceVersion")
    if version:
        record["sourceVersion"] = version
    build = Build(record, source.get("buildspec"), request.get("idempotencyToken"))
    build.begin("SUBMITTED")
    build.finish("SUCCEEDED")
    build.begin("QUEUED")
    return build


def _environment(of_project: Record, request: Record) -> Record:
    """Lay a call's overrides over a project's environment; a variable is replaced by its name."""
    variables = {each["name"]: each for each in of_project.get("environmentVariables", [])}
    for each in request.get("environmentVariablesOverride") or []:
        variables[each["name"]] = {"type": "PLAINTEXT", **each}
    members = {
        "type": "environmentTypeOverride",
        "image": "imageOverride",
        "computeType": "computeTypeOverride",
        "privilegedMode": "privilegedModeOverride",
    }
    overrides = {member: request[name] for member, name in members.items() if request.get(name) is not None}
    return {**of_project, **overrides, "environmentVariables": list(variables.values())}


def _logs(call: Call, project: Record, build_id: str) -> Record:
    wanted = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
    group = wanted.get("groupName") or f"/aws/codebuild/{project['name']}"
    prefix = f"{wanted['streamName']}/" if wanted.get("streamName") else ""
    stream = f"{prefix}{build_id.rpartition(':')[2]}"
    arn = f"arn:aws:logs:{call.state.region}:{call.state.account}:log-group:{group}:log-stream:{stream}"
    return {
        "groupName": group,
        "streamName": stream,
        "cloudWatchLogsArn": arn,
        "cloudWatchLogs": {"status": "ENABLED"},
    }
