"""The zip that Lambda runs: what is in it, and that it runs with Lambda's Python alone."""

import io
import json
import subprocess
import sys
import time
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import botocore
import pytest
from botocore.exceptions import ClientError

from handlers import package
from tests.support.deliveries import SECRET, alias_set, mlflow_headers
from tests.support.http import serving
from tests.support.receiver import FakeAws, http_request

SITE = str(Path(botocore.__file__).parents[1])
PROGRAM = """
import json, sys
sys.path[:0] = json.loads(sys.argv[2])
from handlers import webhook
answer = webhook.handler(json.load(sys.stdin), None)
ours = [name for name in sys.modules if name.split(".")[0] in ("handlers", "registry")]
libraries = [name for name in ("botocore", "boto3", "pulumi", "yaml", "registry.manifest") if name in sys.modules]
print(json.dumps([answer["statusCode"], sorted(ours), libraries, webhook.__file__]))
"""


@pytest.fixture(scope="module")
def zipped(tmp_path_factory) -> Path:
    return package.write(tmp_path_factory.mktemp("package") / "webhook.zip")


@pytest.fixture
def aws_server():
    """The three services over HTTP, as botocore talks to them."""
    aws = FakeAws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service, operation = self.headers["X-Amz-Target"].split(".")
            arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            client = aws.client(
                {"AWSEvents": "events", "DynamoDB_20120810": "dynamodb"}.get(service, service)
            )
            call = {
                "PutItem": "put_item",
                "PutEvents": "put_events",
                "GetSecretValue": "get_secret_value",
            }[operation]
            try:
                status, answer = 200, getattr(client, call)(**arguments)
            except ClientError as error:
                status = 400
                answer = {"__type": error.response["Error"]["Code"], "Item": error.response.get("Item")}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Nothing of it is for a reader of the tests."""

    with serving(Handler) as server:
        yield SimpleNamespace(aws=aws, url=server.url)


def run(request: dict, paths: list[str], environment: dict[str, str]) -> tuple:
    """Call the handler in a fresh Python without this project, site-packages and the user's settings."""
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, "--", json.dumps(paths)]
    done = subprocess.run(
        command,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def environment(url: str = "http://127.0.0.1:9") -> dict[str, str]:
    return {
        "SECRET_ARN": "arn:secret",
        "TABLE_NAME": "claims",
        "MODELS": '["churn"]',
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }


OURS = ["handlers", "handlers.aws", "handlers.webhook", "registry", "registry.events"]


def test_it_has_exactly_what_the_function_needs_and_is_small(zipped):
    with zipfile.ZipFile(zipped) as archive:
        assert archive.namelist() == [
            "handlers/__init__.py",
            "handlers/aws.py",
            "handlers/webhook.py",
            "registry/__init__.py",
            "registry/events.py",
        ]
        assert archive.read("registry/__init__.py") == b""
        assert archive.read("registry/events.py") == (package.ROOT / "registry/events.py").read_bytes()
    assert zipped.stat().st_size < 100_000


def test_the_same_sources_give_the_same_bytes_whatever_the_time_and_the_rights_of_the_files(
    tmp_path, monkeypatch
):
    first = package.build()
    for name in package.FILES:
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((package.ROOT / name).read_bytes())
        copy.chmod(0o600)
    monkeypatch.setattr(package, "ROOT", tmp_path)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert package.build() == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {(each.date_time, each.external_attr >> 16) for each in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o100644)
        }


def test_a_file_that_is_as_it_should_be_is_left_alone_and_another_is_written_anew(tmp_path):
    path = package.write(tmp_path / "made" / "webhook.zip")
    path.chmod(0o400)
    before = path.stat()
    assert package.write(path).stat().st_mtime_ns == before.st_mtime_ns
    path.chmod(0o600)
    path.write_bytes(b"old")
    assert package.write(path).read_bytes() == package.build()


def test_the_command_writes_the_zip_where_it_is_told(tmp_path, capsys):
    assert package.main([str(tmp_path / "a.zip")]) == 0
    assert (tmp_path / "a.zip").read_bytes() == package.build()
    assert package.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_named_entry_is_in_the_zip():
    module, _, function = package.ENTRY.rpartition(".")
    assert f"{module.replace('.', '/')}.py" in package.FILES
    assert f"def {function}(" in (package.ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_it_answers_an_unsigned_delivery_with_nothing_but_the_standard_library(zipped):
    status, ours, libraries, file = run(http_request({}, "{}"), [str(zipped)], environment())
    assert (status, ours, libraries) == (401, OURS, [])
    assert file.startswith(str(zipped))


def test_it_hands_a_delivery_on_with_botocore_alone(zipped, aws_server):
    body = alias_set(at=time.time())
    request = http_request(mlflow_headers(body, SECRET, int(time.time())), body.decode())
    found = run(request, [str(zipped), SITE], environment(aws_server.url))
    assert found[:3] == (202, OURS, ["botocore"])
    assert [hint["model"] for hint in aws_server.aws.hints] == ["churn"]
    again = run(request, [str(zipped), SITE], environment(aws_server.url))
    assert again[0] == 200
    assert len(aws_server.aws.bus) == 1


def test_it_answers_503_when_aws_is_not_there(zipped):
    body = alias_set(at=time.time())
    request = http_request(mlflow_headers(body, SECRET, int(time.time())), body.decode())
    assert run(request, [str(zipped), SITE], environment())[0] == 503
