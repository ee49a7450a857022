"""Lambda functions for tests: from a source text to a function of the local cloud."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    ],
}


def zipped(source: str) -> bytes:
    """Pack a source as `app.py`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", source)
    return file.getvalue()


def make_function(aws: Any, source: str | bytes, name: str = "f", **settings: Any) -> str:
    """Make a function from a source with the handler `app.handler`, or from a zip; gives its ARN."""
    iam = aws.client("iam")
    if not iam.list_roles()["Roles"]:
        iam.create_role(RoleName="lambda", AssumeRolePolicyDocument=json.dumps(TRUST))
    arn: str = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::123456789012:role/lambda",
        Handler=settings.pop("Handler", "app.handler"),
        Code={"ZipFile": zipped(source) if isinstance(source, str) else source},
        **settings,
    )["FunctionArn"]
    return arn
