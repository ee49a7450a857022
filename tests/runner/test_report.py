import json
from dataclasses import replace

import pytest

from registry import ENDPOINT_TAG, IgnoredPackage
from runner.changes import MODEL_TYPE
from runner.report import Report, Row, rows_of, show, what_changed
from tests.support.fakes import change, endpoint, live, manifest, new_model, package, resource, state, wanted

CONFIG_TYPE = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
ROLE_TYPE = "aws:iam/role:Role"
OLD = package("churn", 7)
NEW_CONFIG = change("replace", CONFIG_TYPE, "churn-staging-config", endpoint="churn-staging")
FOLLOWS = replace(NEW_CONFIG, properties=("productionVariants",))
MOVED = change("update", properties=("endpointConfigName",))


def model_of(version, **more):
    inputs = {
        "tags": {ENDPOINT_TAG: "churn-staging"},
        "primaryContainer": {"modelPackageName": package("churn", version)},
    }
    return resource(MODEL_TYPE, f"churn-staging-model-{version}", "churn-staging", inputs=inputs, **more)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([], "unchanged"),
        ([change("create"), change("create", MODEL_TYPE, "m")], "created"),
        ([change("delete", MODEL_TYPE, "m"), change("delete")], "deleted"),
        ([change("replace")], "replaced"),
        ([new_model(version=8), FOLLOWS, MOVED], "package 7 → 8"),
        ([replace(new_model(version=7), properties=("vpcConfig",)), FOLLOWS, MOVED], "Model (vpcConfig)"),
        ([FOLLOWS, MOVED], "EndpointConfiguration (productionVariants)"),
        ([replace(NEW_CONFIG, properties=("kmsKeyArn",)), MOVED], "EndpointConfiguration (kmsKeyArn)"),
        (
            [new_model(version=8), replace(NEW_CONFIG, properties=("kmsKeyArn",))],
            "package 7 → 8, EndpointConfiguration (kmsKeyArn)",
        ),
        ([replace(MOVED, properties=("tags",))], "endpoint (tags)"),
        (
            [change("delete", CONFIG_TYPE, "c"), change("delete", MODEL_TYPE, "m")],
            "old configuration or model deleted",
        ),
        ([change("update", ROLE_TYPE, "r", properties=("tags",))], "Role (tags)"),
        ([MOVED], "updated"),
    ],
)
def test_what_changed_is_said_in_a_few_words(own, said):
    assert what_changed(own, OLD) == said


def test_a_row_has_version_change_longest_step_status_and_configuration():
    changes = [replace(new_model(), seconds=1.5), replace(MOVED, seconds=12.25)]
    before = state(model_of(6, to_delete=True), model_of(7), endpoint())
    (row,) = rows_of(manifest(wanted(version=8)), before, changes, {"churn-staging": live("config-2")})
    assert row == Row("churn-staging", 8, "package 7 → 8", 12.25, "InService", "config-2")


def test_wanted_and_removed_endpoints_are_both_told_in_order():
    rows = rows_of(manifest(wanted("b")), state(), [change("delete", name="a-staging")], {})
    assert rows == (Row("a-staging", None, "deleted"), Row("b-staging", 7, "unchanged"))


def test_changes_of_no_endpoint_make_no_row():
    assert rows_of(manifest(), state(), [change("update", ROLE_TYPE, "r", endpoint=None)], {}) == ()


REPORT = Report(
    "deploy",
    "staging",
    "deployed",
    (Row("churn-staging", 8, "package 7 → 8", 12.25, "InService", "config-2"),),
    ignored=(IgnoredPackage(package("churn", 6), "mlflow stage is [Archived], not Staging"),),
    changes=("update Endpoint churn-staging",),
    seconds=14.5,
)


def test_json_is_one_document_with_everything():
    assert json.loads(REPORT.to_json()) == {
        "ok": True,
        "command": "deploy",
        "stack": "staging",
        "result": "deployed",
        "rows": [
            {
                "endpoint": "churn-staging",
                "package_version": 8,
                "note": "package 7 → 8",
                "seconds": 12.25,
                "status": "InService",
                "config": "config-2",
            }
        ],
        "note_title": "what changed",
        "ignored": [
            {"package_arn": package("churn", 6), "reason": "mlflow stage is [Archived], not Staging"}
        ],
        "changes": ["update Endpoint churn-staging"],
        "seconds": 14.5,
    }


def test_the_table_shows_every_value_and_the_reason_of_what_is_left_out(capsys):
    show(REPORT)
    said = capsys.readouterr().out
    for text in (
        "staging: deployed",
        "what changed",
        "churn-staging",
        "package 7 → 8",
        "12.2",
        "InService",
        "config-2",
        "ignored churn/6: mlflow stage is [Archived], not Staging",
        "deploy took 14.5 s",
    ):
        assert text in said


def test_columns_that_nobody_filled_are_left_out(capsys):
    show(Report("check", "staging", "good", (Row("churn", None, "serverless"),), note_title="served by"))
    said = capsys.readouterr().out
    assert "served by" in said
    assert not any(title in said for title in ("seconds", "status", "configuration", "package version"))


def test_a_report_without_endpoints_says_so(capsys):
    show(Report("deploy", "staging", "no changes"))
    assert capsys.readouterr().out.startswith("staging: no changes; no endpoints\n")


def test_many_ignored_packages_are_counted(capsys):
    ignored = tuple(IgnoredPackage(package("churn", number), "old") for number in range(8))
    show(replace(REPORT, ignored=ignored))
    said = capsys.readouterr().out
    assert said.count("ignored churn/") == 5
    assert "ignored 3 more packages; --json lists them" in said
