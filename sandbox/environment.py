"""The variables with which AWS's clients, terraform and Pulumi use the local cloud."""

from __future__ import annotations

import os

from sandbox.files import Files

REGION = "us-east-1"
UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""What would send a client elsewhere, or beside the keys below."""


def environment(files: Files, host: str, port: int, mlflow: str | None = None) -> dict[str, str]:
    """Give the variables; with those of the Pulumi engine when one is installed, and of MLflow when its URL is given."""
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_BACKEND_URL": f"file://{files.state}",
        "PULUMI_CONFIG_PASSPHRASE": "local",
    }
    if mlflow is not None:
        variables["MLFLOW_TRACKING_URI"] = mlflow
    return variables | _no_proxy(host) | engine_environment()


def _no_proxy(host: str) -> dict[str, str]:
    """Keep calls to this machine away from a proxy, when there is one."""
    if not any(os.environ.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        return {}
    present = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = ",".join(filter(None, [present, host]))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def engine_environment() -> dict[str, str]:
    """Give the variables of the Pulumi engine, none when no engine is installed."""
    try:
        from tools.engine import EngineError
        from tools.engine import environment as engine_variables
    except ImportError:
        return {}
    try:
        return engine_variables()
    except EngineError:
        return {}
