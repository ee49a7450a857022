"""The variables of a build: a clean environment, CodeBuild's own, and those that are asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.cloud.codebuild.buildspec import Buildspec
from sandbox.cloud.codebuild.state import Record
from sandbox.environment import engine_environment

MACHINE = (
    "PIP_",
    "UV_",
    "GOPROXY",
    "GOFLAGS",
    "GONOSUMDB",
    "GONOSUMCHECK",
    "GOSUMDB",
    "SSL_CERT_",
    "REQUESTS_CA_",
    "CURL_CA_",
)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


class NoValue(Exception):
    """A variable's value cannot be read; the text says why and never what it is."""


def base_variables(home: Path) -> dict[str, str]:
    """Give what every build has: the tools of this checkout, as an image has them, and this machine's way to the network."""
    engine = engine_environment()
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), engine.pop("PATH", os.environ.get("PATH", os.defpath))]
    )
    network = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(MACHINE) or name.upper() in PROXIES
    }
    return {**network, **engine, "PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home)}


def own_variables(record: Record, folder: Path) -> dict[str, str]:
    """Give CodeBuild's own variables.

    Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
    """
    region = record["arn"].split(":")[3]
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "CODEBUILD_BUILD_ARN": record["arn"],
        "CODEBUILD_BUILD_ID": record["id"],
        "CODEBUILD_BUILD_IMAGE": record["environment"].get("image", ""),
        "CODEBUILD_BUILD_NUMBER": str(record["buildNumber"]),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_CI": "true",
        "CI": "true",
        "CODEBUILD_INITIATOR": record["initiator"],
        "CODEBUILD_KMS_KEY_ID": record["encryptionKey"],
        "CODEBUILD_LOG_PATH": record["logs"]["streamName"],
        "CODEBUILD_RESOLVED_SOURCE_VERSION": record.get("resolvedSourceVersion", ""),
        "CODEBUILD_SOURCE_REPO_URL": record["source"].get("location", ""),
        "CODEBUILD_SOURCE_VERSION": record.get("sourceVersion", ""),
        "CODEBUILD_SRC_DIR": str(folder),
        "CODEBUILD_START_TIME": str(int(record["startTime"] * 1000)),
    }


class Values:
    """Reads values from Parameter Store and Secrets Manager.

    Args:
        ssm: boto3's client.
        secrets: boto3's client of Secrets Manager.
    """

    def __init__(self, ssm: Any, secrets: Any) -> None:
        self._ssm, self._secrets = ssm, secrets
        self.hidden: set[str] = set()

    def asked_for(self, spec: Buildspec, variables: Iterable[Mapping[str, str]]) -> dict[str, str]:
        """Give the variables of a buildspec and, over them, those of project and call.

        Raises:
            NoValue: one cannot be read.
        """
        values = dict(spec.variables)
        values |= {name: self._parameter(name, where) for name, where in spec.parameters.items()}
        values |= {name: self._secret(name, where) for name, where in spec.secrets.items()}
        for each in variables:
            name, kind, value = each["name"], each.get("type", "PLAINTEXT"), each["value"]
            if kind == "PARAMETER_STORE":
                value = self._parameter(name, value)
            elif kind == "SECRETS_MANAGER":
                value = self._secret(name, value)
            values[name] = value
        return values

    def _parameter(self, name: str, where: str) -> str:
        try:
            value = self._ssm.get_parameter(Name=where, WithDecryption=True)["Parameter"]["Value"]
        except Exception as error:
            msg = f"the parameter {where} of the variable {name} cannot be read: {error}"
            raise NoValue(msg) from error
        return self._hide(value)

    def _secret(self, name: str, where: str) -> str:
        """Read `secret-id:json-key:version-stage:version-id`, of which all but the first may be missing."""
        secret, key, stage, version = split_reference(where)
        which = {"VersionStage": stage, "VersionId": version}
        try:
            value = self._secrets.get_secret_value(
                SecretId=secret, **{member: text for member, text in which.items() if text}
            )["SecretString"]
            value = json.loads(value)[key] if key else value
        except (KeyError, TypeError, ValueError):
            msg = f"the secret {where} of the variable {name} has no key {key!r}"
            raise NoValue(msg) from None
        except Exception as error:
            msg = f"the secret {where} of the variable {name} cannot be read: {error}"
            raise NoValue(msg) from error
        return self._hide(value if isinstance(value, str) else json.dumps(value))

    def _hide(self, value: str) -> str:
        self.hidden |= {line for line in value.splitlines() if line.strip()}
        return value


def split_reference(where: str) -> tuple[str, str, str, str]:
    """Split a reference to a secret into secret, JSON key, stage and version."""
    parts = where.split(":")
    length = 7 if where.startswith("arn:") else 1
    rest = [*parts[length:], "", "", ""]
    return ":".join(parts[:length]), rest[0], rest[1], rest[2]
