from __future__ import annotations

from pathlib import Path
from typing import Any

BUCKETS = """
import pulumi_aws as aws

aws.s3.Bucket("fine", bucket="fine")
aws.s3.Bucket("taken", bucket="models")
"""

TWO_PROBLEMS = """
import pulumi_aws as aws

aws.sagemaker.EndpointConfiguration("wrong", name="under_score", production_variants=[{
    "variant_name": "main", "model_name": "m", "initial_instance_count": 0, "instance_type": "ml.m5.large"}])
"""

ACCOUNT = """
import pulumi
import pulumi_aws as aws

provider = aws.Provider("guarded", region="us-east-1", allowed_account_ids=["{allowed}"],
    default_tags={{"tags": {{"made-by": "everyone"}}}})
bucket = aws.s3.Bucket("tagged", tags={{"own": "yes"}}, opts=pulumi.ResourceOptions(provider=provider))
pulumi.export("tags", bucket.tags_all)
pulumi.export("account", aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=provider)).account_id)
"""

UNMAPPED = """
import pulumi_aws as aws

aws.sqs.Queue("queue")
"""


def diagnostics(output: str) -> dict[str, str]:
    """What the closing section of the CLI's output says, by resource."""
    section = output.split("Diagnostics:\n", 1)[1].split("\nResources:", 1)[0].split("\nOutputs:", 1)[0]
    found: dict[str, str] = {}
    title = ""
    for line in section.splitlines():
        if line.startswith("  ") and not line.startswith("   ") and line.endswith(":"):
            title = line.strip()
        elif line.strip():
            found[title] = found.get(title, "") + line.strip() + "\n"
    return found


def test_an_error_of_aws_is_told_once_under_its_resource(project: Any, model_url: str) -> None:
    project.write(BUCKETS)
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", code=1)
    told = diagnostics(output)
    assert set(told) == {"aws:s3:Bucket (taken):", "pulumi:pulumi:Stack (life-dev):"}
    text = told["aws:s3:Bucket (taken):"]
    assert (text.count("error:"), text.count("BucketAlready")) == (1, 1), output
    assert told["pulumi:pulumi:Stack (life-dev):"] == "error: update failed\n"
    assert "unhandled" not in output


def test_an_attached_plugin_tells_an_error_once_too(project: Any, model_url: str, plugin: Any) -> None:
    project.write(BUCKETS)
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", code=1, **plugin.attached)
    text = diagnostics(output)["aws:s3:Bucket (taken):"]
    assert (text.count("error:"), text.count("BucketAlready")) == (1, 1), output
    assert plugin.process.poll() is None


def test_each_wrong_input_is_named_in_preview_once(project: Any) -> None:
    project.write(TWO_PROBLEMS)
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("preview", "--stack", "dev", code=1)
    text = diagnostics(output)["aws:sagemaker:EndpointConfiguration (wrong):"]
    assert text.count("under_score") + text.count("alphanumeric") >= 1, output
    assert text.count("initialInstanceCount") == 1, output


def test_another_account_than_the_allowed_one_is_refused_once(project: Any) -> None:
    project.write(ACCOUNT.format(allowed="999999999999"))
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", code=1)
    text = "".join(diagnostics(output).values())
    assert text.count("AWS account ID not allowed: 123456789012") == 1, output


def test_an_explicit_provider_has_its_region_its_account_and_its_default_tags(project: Any) -> None:
    project.write(ACCOUNT.format(allowed="123456789012"))
    project.pulumi("stack", "init", "dev")
    project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev")
    assert '"made-by": "everyone"' in project.pulumi("stack", "output", "--json", "--stack", "dev")
    project.pulumi("preview", "--stack", "dev", "--expect-no-changes")


def test_a_type_that_is_not_in_the_table_is_an_error_that_names_it(project: Any) -> None:
    project.write(UNMAPPED)
    project.pulumi("stack", "init", "dev")
    output = project.pulumi("preview", "--stack", "dev", code=1)
    assert "aws:sqs/queue:Queue" in "".join(diagnostics(output).values())


def test_no_test_touches_the_users_own_pulumi_home(engine_env: dict[str, str]) -> None:
    assert not engine_env["PULUMI_HOME"].startswith(str(Path.home() / ".pulumi"))
