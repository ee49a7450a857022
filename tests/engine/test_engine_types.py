from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

PROGRAM = (Path(__file__).parent / "every_type.py").read_text()
TABLE = json.loads((Path(__file__).parents[2] / "tools" / "engine" / "aws" / "types.json").read_text())
REPLACED = {"model", "configuration"}
"""AWS cannot change them: the round's other value makes new ones."""


def settings(change: str, model_url: str, *more: str) -> list[str]:
    values = [f"round={change}", f"model_url={model_url}", *more]
    return [argument for value in values for argument in ("-c", value)]


def resources(project: Any) -> dict[str, dict[str, Any]]:
    """The resources of the state by their logical name, without the stack and its providers."""
    state = json.loads(project.pulumi("stack", "export", "--stack", "dev"))
    return {
        item["urn"].rsplit("::", 1)[1]: item
        for item in state["deployment"].get("resources", [])
        if item["type"].startswith("aws:")
    }


def import_id(item: dict[str, Any]) -> str:
    """The id by which a resource is imported: its own, but for Application Auto Scaling.

    https://www.pulumi.com/registry/packages/aws/api-docs/appautoscaling/policy/#import
    """
    if not item["type"].startswith("aws:appautoscaling/"):
        return str(item["id"])
    outputs = item["outputs"]
    keys = ("serviceNamespace", "resourceId", "scalableDimension", "name")
    return "/".join(outputs[key] for key in keys if key in outputs)


def operations(output: str) -> dict[str, int]:
    """The counts of `up --json`'s last event."""
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(event["summaryEvent"]["resourceChanges"] for event in events if "summaryEvent" in event)


def up(project: Any, *arguments: str) -> dict[str, int]:
    return operations(project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", "--json", *arguments))


def test_every_type_of_the_table_is_created_left_alone_updated_refreshed_and_destroyed(
    project: Any, model_url: str, aws: Any, wait_until: Any
) -> None:
    project.write(PROGRAM)
    project.pulumi("stack", "init", "dev")
    first, second = settings("one", model_url), settings("two", model_url)

    up(project, *first)
    made = resources(project)
    mapped = Counter(row["token"] for row in TABLE["resources"].values())
    assert Counter(item["type"] for item in made.values()) == mapped
    outputs = json.loads(project.pulumi("stack", "output", "--json", "--stack", "dev"))
    assert outputs == {"account": "123456789012", "partition": "aws", "region": "us-east-1"}

    project.pulumi("preview", "--stack", "dev", "--expect-no-changes", *first)

    changed = up(project, *second)
    unchangeable = {"alias"}
    assert changed["replace"] == len(REPLACED)
    assert changed["update"] == len(made) - len(REPLACED) - len(unchangeable)
    assert all(resources(project)[name]["id"] == made[name]["id"] for name in set(made) - REPLACED)

    project.pulumi("refresh", "--yes", "--skip-preview", "--stack", "dev", "--expect-no-changes", *second)
    project.pulumi("preview", "--stack", "dev", "--expect-no-changes", *second)

    project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", *second)
    assert resources(project) == {}
    wait_until(lambda: aws("sagemaker").list_endpoints()["Endpoints"] == [])
    assert [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]] == ["models"]


def test_every_type_of_the_table_is_imported_without_a_warning_and_without_a_change(
    project: Any, model_url: str
) -> None:
    project.write(PROGRAM)
    project.pulumi("stack", "init", "dev")
    given = settings("one", model_url, "fixed=true")
    up(project, *given)
    made = resources(project)

    project.pulumi("stack", "rm", "dev", "--force", "--yes", "--preserve-config")
    project.pulumi("stack", "init", "dev")
    wanted = [{"type": item["type"], "name": name, "id": import_id(item)} for name, item in made.items()]
    (project.folder / "import.json").write_text(json.dumps({"resources": wanted}))
    told = project.pulumi(
        "import",
        *("--file", "import.json", "--stack", "dev"),
        *("--yes", "--skip-preview", "--generate-code=false", "--protect=false"),
    )
    assert "warning" not in told.lower()
    assert set(resources(project)) == set(made)
    project.pulumi("preview", "--stack", "dev", "--expect-no-changes", *given)


def test_names_that_nobody_gave_have_the_logical_name_and_fit_the_services_limits(
    project: Any, model_url: str
) -> None:
    project.write(PROGRAM)
    project.pulumi("stack", "init", "dev")
    up(project, *settings("one", model_url))
    made = resources(project)
    for name in (
        "role",
        "policy",
        "model",
        "configuration",
        "endpoint",
        "rule",
        "alarm",
        "parameter",
        "scaling",
    ):
        assert made[name]["outputs"]["name"].startswith(f"{name}-"), name
    assert made["Bucket"]["outputs"]["bucket"].startswith("bucket-")
