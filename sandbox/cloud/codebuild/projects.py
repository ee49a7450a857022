"""Projects: made, changed, described, deleted."""

from __future__ import annotations

import time

from sandbox.cloud.codebuild.state import Call, Record
from sandbox.cloud.errors import AwsError, not_emulated

SETTINGS = (
    "name",
    "description",
    "source",
    "sourceVersion",
    "artifacts",
    "cache",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "encryptionKey",
    "tags",
    "vpcConfig",
    "logsConfig",
    "concurrentBuildLimit",
)
REPOSITORIES = ("GITHUB", "GITHUB_ENTERPRISE", "BITBUCKET", "CODECOMMIT", "GITLAB", "GITLAB_SELF_MANAGED")
SOURCES = ("NO_SOURCE", "S3", "CODEPIPELINE", *REPOSITORIES)


def create_project(call: Call) -> Record:
    """Make a project."""
    request = call.request
    _check(call)
    for name in ("source", "artifacts", "environment", "serviceRole"):
        if not request.get(name):
            msg = f"Project {name} is required"
            raise AwsError("InvalidInputException", msg)
    name = request["name"]
    arn = call.state.arn(f"project/{name}")
    if name in call.state.projects:
        msg = f"Project already exists: {arn}"
        raise AwsError("ResourceAlreadyExistsException", msg)
    call.state.projects[name] = {
        "arn": arn,
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": f"arn:aws:kms:{call.state.region}:{call.state.account}:alias/aws/s3",
        "cache": {"type": "NO_CACHE"},
        "badge": {"badgeEnabled": False},
        "projectVisibility": "PRIVATE",
        "tags": [],
        "created": time.time(),
        "lastModified": time.time(),
        **_given(request),
    }
    return {"project": call.state.projects[name]}


def update_project(call: Call) -> Record:
    """Change what is given."""
    _check(call)
    project = call.state.project(call.request["name"])
    project.update(_given(call.request), lastModified=time.time())
    if call.request.get("concurrentBuildLimit") == -1:
        del project["concurrentBuildLimit"]
    return {"project": project}


def delete_project(call: Call) -> Record:
    """Delete a project; one that is not there is no error. Its builds stay."""
    call.state.projects.pop(call.request["name"].rpartition("/")[2], None)
    return {}


def batch_get_projects(call: Call) -> Record:
    """Describe projects by name or ARN."""
    names = {name: name.rpartition("/")[2] for name in call.request["names"]}
    found = [call.state.projects[name] for name in names.values() if name in call.state.projects]
    missing = [given for given, name in names.items() if name not in call.state.projects]
    return {"projects": found, "projectsNotFound": missing}


def list_projects(call: Call) -> Record:
    """List the names of all projects."""
    return {"projects": sorted(call.state.projects)}


def _given(request: Record) -> Record:
    given = {name: request[name] for name in SETTINGS if request.get(name) is not None}
    if "environment" in given:
        variables = [
            {"type": "PLAINTEXT", **each} for each in given["environment"].get("environmentVariables", [])
        ]
        given["environment"] = {
            "privilegedMode": False,
            "imagePullCredentialsType": "CODEBUILD",
            **given["environment"],
            "environmentVariables": variables,
        }
    return given


def _check(call: Call) -> None:
    """Refuse what AWS refuses, and what this cloud would not do."""
    request = call.request
    unknown = sorted(
        name for name in request if name not in SETTINGS and request[name] not in (None, [], False)
    )
    if unknown:
        msg = f"codebuild projects with {', '.join(unknown)}"
        raise not_emulated(msg)
    source = request.get("source") or {"type": "NO_SOURCE", "buildspec": "."}
    if source["type"] not in SOURCES:
        msg = f"Invalid type provided: Project source type {source['type']}"
        raise AwsError("InvalidInputException", msg)
    if source["type"] in ("S3", *REPOSITORIES) and not source.get("location"):
        raise AwsError("InvalidInputException", "Project source location is required")
    if source["type"] == "NO_SOURCE" and not source.get("buildspec"):
        msg = "Buildspec must be specified for a project with the source type NO_SOURCE"
        raise AwsError("InvalidInputException", msg)
    if (request.get("artifacts") or {}).get("type") == "S3":
        raise not_emulated("codebuild artifacts in S3; a build can upload them itself")
    role = request.get("serviceRole")
    if role is not None and not role.startswith(f"arn:aws:iam::{call.state.account}:role/"):
        msg = "Invalid service role: Service role account ID does not match caller's account"
        raise AwsError("InvalidInputException", msg)
