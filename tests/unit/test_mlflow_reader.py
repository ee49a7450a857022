"""MlflowRegistry with the real mlflow-skinny, against a small HTTP server that answers, refuses or breaks as told."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest

from registry import AccessRefusedError, RegistryError, UnavailableError
from registry.mlflow_reader import MlflowRegistry
from registry.mlflow_values import ModelVersion
from tests.support.http import serving

PREFIX = "/api/2.0/mlflow/"
FULL = {
    "name": "churn",
    "version": "2",
    "source": "models:/m-2",
    "current_stage": "Staging",
    "status": "READY",
    "run_id": "abc",
    "description": 'it said "yes"',
    "user_id": "me",
    "creation_timestamp": 1700000000000,
    "tags": [{"key": "owner", "value": "me"}],
}


class FakeMlflow:
    """A registered model, pages of versions, and a fault for any path: (status, body) instead of the answer."""

    def __init__(self):
        self.aliases = [{"alias": "champion", "version": "2"}]
        self.pages = {"": ([FULL], None)}
        self.faults, self.calls = {}, []

    def answer(self, path, query, body):
        self.calls.append((path, query or body))
        if path in self.faults:
            return self.faults[path]
        if path == "registered-models/get":
            return 200, {"registered_model": {"name": "churn", "aliases": self.aliases}}
        if path == "model-versions/search":
            versions, token = self.pages[query.get("page_token", [""])[0]]
            return 200, {"model_versions": versions, **({"next_page_token": token} if token else {})}
        if path == "model-versions/get-download-uri":
            return 200, {"artifact_uri": "mlflow-artifacts:/1/models/m-2/artifacts"}
        return 200, {}


@pytest.fixture(scope="module")
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(None)

        def do_POST(self):
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body):
            url = urlsplit(self.path)
            status, answer = self.server.fake.answer(url.path.removeprefix(PREFIX), parse_qs(url.query), body)
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with serving(Handler) as made:
        yield made


@pytest.fixture
def mlflow(server):
    server.fake = FakeMlflow()
    return server.fake


@pytest.fixture
def registry(server, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return MlflowRegistry(f"http://somebody:s3cret@127.0.0.1:{server.server_port}")


def test_a_version_is_read_with_all_that_decides_and_its_aliases_from_the_model(registry):
    assert registry.read_versions("churn") == (
        ModelVersion(
            name="churn",
            version="2",
            source="models:/m-2",
            stage="Staging",
            aliases=frozenset({"champion"}),
            status="READY",
            run_id="abc",
            description='it said "yes"',
            user="me",
            created_at=1700000000000,
            tags={"owner": "me"},
        ),
    )


def test_a_version_that_says_little_is_read_too(registry, mlflow):
    mlflow.pages[""] = ([{"name": "churn", "version": "1"}], None)
    (found,) = registry.read_versions("churn")
    assert (found.run_id, found.stage, found.aliases, found.source) == (None, "None", frozenset(), "")


def test_defect_13_all_pages_are_read(registry, mlflow):
    mlflow.pages = {"": ([FULL], "two"), "two": ([{**FULL, "version": "1"}], None)}
    assert [each.version for each in registry.read_versions("churn")] == ["2", "1"]


def test_a_list_without_end_is_an_error(registry, mlflow):
    mlflow.pages = {"": ([FULL], "two"), "two": ([FULL], "two")}
    with pytest.raises(RegistryError, match="has no end"):
        registry.read_versions("churn")


def test_a_model_that_mlflow_says_does_not_exist_is_told_from_a_failed_read(registry, mlflow):
    mlflow.faults["registered-models/get"] = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"})
    assert registry.read_versions("churn") is None


@pytest.mark.parametrize("path", ["registered-models/get", "model-versions/search"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ((403, {"error_code": "PERMISSION_DENIED", "message": "no"}), AccessRefusedError),
        ((500, {"error_code": "INTERNAL_ERROR", "message": "no"}), UnavailableError),
        ((503, "<html>busy</html>"), RegistryError),
        ((200, "<html>a login page</html>"), RegistryError),
        ((200, "[1, 2]"), RegistryError),
        ((404, "<html>not found</html>"), RegistryError),
    ],
)
def test_defect_1_a_refused_failed_or_broken_answer_is_an_error_and_never_no_versions(
    registry, mlflow, path, fault, kind
):
    mlflow.faults[path] = fault
    with pytest.raises(
        kind, match=r"MLflow at http://127\.0\.0\.1:\d+ gave no answer.*nothing was changed"
    ) as told:
        registry.read_versions("churn")
    assert "s3cret" not in str(told.value)


def test_a_server_that_is_down_is_an_error(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="gave no answer"):
        MlflowRegistry("http://127.0.0.1:9").read_versions("churn")


@pytest.mark.parametrize(
    ("name", "asked"),
    [("a b/c.d", "name='a b/c.d'"), ("it's", 'name="it\'s"'), ("cat.schema.m", "name='cat.schema.m'")],
)
def test_any_name_that_mlflow_takes_is_searched_for(registry, mlflow, name, asked):
    registry.read_versions(name)
    (query,) = [query for path, query in mlflow.calls if path == "model-versions/search"]
    assert query["filter"] == [asked]


def test_a_name_with_both_kinds_of_quotes_is_refused(registry):
    with pytest.raises(RegistryError, match="both kinds of quotes"):
        registry.read_versions('it\'s "it"')


def test_only_tags_that_differ_are_written(registry, mlflow):
    version = ModelVersion("churn", "2", "models:/m-2", tags={"sagemaker.status": "registered"})
    registry.write_tags(version, {"sagemaker.status": "registered", "sagemaker.reason": "new"})
    written = [body for path, body in mlflow.calls if path == "model-versions/set-tag"]
    assert written == [{"name": "churn", "version": "2", "key": "sagemaker.reason", "value": "new"}]


def test_the_artifacts_lie_where_mlflow_says_and_not_where_the_source_says(registry):
    uri = registry.artifact_uri(ModelVersion("churn", "2", "models:/m-2"))
    assert uri == "mlflow-artifacts:/1/models/m-2/artifacts"
