"""What the documents say against what the code does: links, commands, exit codes, settings, rights, dependencies."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest
import yaml

import sandbox.__main__
import tools.engine.__main__
from demo.__main__ import NEW_MODEL
from registry import owner_tags
from runner import cli, errors
from runner.record import parameter_name

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"python -m (runner|sandbox|tools\.engine|demo)\b((?:\"[^\"\n]*\"|[^`\n|)\";<])*)")
MAKE = re.compile(r"`make ([^`]+)`|^make ([^#\n]+)", re.MULTILINE)


@pytest.fixture(params=NAMES)
def page(request) -> SimpleNamespace:
    path = ROOT / request.param
    return SimpleNamespace(path=path, text=path.read_text(encoding="utf-8"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    target, _, anchor = link.partition("#")
    file = (page.parent / target).resolve() if target else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of this project that a page names: module and arguments, placeholders filled in."""
    filled = (
        text.replace("STACK", "staging").replace("SECONDS", "60").replace("COMMAND staging", "check staging")
    )
    for module, rest in COMMAND.findall(filled):
        yield (
            module,
            [part for part in shlex.split(rest, comments=True) if part not in ("…", "...", "COMMAND")],
        )


def first_cells(text: str, header: str) -> list[str]:
    """The first column of the table that begins with a header, without code marks."""
    table = text.partition(f"| {header} |")[2].partition("\n\n")[0]
    return [row.split("|")[1].strip().strip("`") for row in table.splitlines()[2:]]


def test_the_pages_of_a_project_are_there():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/README.md", "docs/runner.md"} <= set(NAMES)


def test_every_relative_link_leads_to_a_file_and_its_anchor_to_a_heading(page):
    links = [link for link in LINK.findall(page.text) if not link.startswith(("https://", "mailto:"))]
    broken = [link for link in links if not leads_somewhere(page.path, link)]
    assert not broken


@pytest.mark.parametrize(
    "link", ["nowhere.md", "#no-such-heading", "docs/runner.md#no-such-heading", "../../etc/passwd"]
)
def test_a_link_that_leads_nowhere_would_be_seen(link):
    assert not leads_somewhere(ROOT / "README.md", link)


def test_no_page_has_a_badge_or_a_picture_from_elsewhere(page):
    assert not re.findall(r"!\[[^\]]*\]\(http", page.text)
    assert "http://" not in page.text.replace("http://127.0.0.1", "")


def test_every_command_that_a_page_names_exists_with_its_options(page):
    for module, arguments in commands(page.text):
        if module == "demo" or not arguments:
            assert not arguments
        elif module == "tools.engine":
            with pytest.raises(SystemExit) as ended:
                tools.engine.__main__.main([*arguments, "--help"])
            assert ended.value.code == 0, arguments
        else:
            parser = cli._parser() if module == "runner" else sandbox.__main__._parser()
            needs_stack = module == "runner" and len([a for a in arguments if not a.startswith("-")]) == 1
            parser.parse_args([*arguments, "staging"] if needs_stack else arguments)


def test_a_command_that_does_not_exist_would_be_seen(capsys):
    assert list(commands("`python -m runner explode STACK`")) == [("runner", ["explode", "staging"])]
    with pytest.raises(SystemExit):
        cli._parser().parse_args(["explode", "staging"])


def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    for groups in MAKE.findall(page.text):
        words = "".join(groups).split()
        assert {word for word in words if "=" not in word and word != "…"} <= targets


@pytest.mark.parametrize("name", ["README.md", "docs/runner.md"])
def test_the_table_of_the_runners_commands_is_whole(name):
    documented = [
        cell.removeprefix("python -m runner ").removesuffix(" STACK")
        for cell in first_cells(read(name), "command")
    ]
    assert documented == list(cli._COMMANDS)


def test_every_option_of_the_runner_is_documented_and_no_other():
    documented = {cell.split()[0] for cell in first_cells(read("docs/runner.md"), "option")}
    help_texts = cli._parser()._subparsers._group_actions[0].choices
    offered = {option for parser in help_texts.values() for option in parser._option_string_actions}
    assert documented == {option for option in offered if option.startswith("--")} - {"--help"}


def test_the_exit_codes_are_those_of_the_runners_errors():
    kinds = [errors.RunnerError, *errors.RunnerError.__subclasses__()]
    codes = {str(code) for code in [0, *(kind.exit_code for kind in kinds)]}
    assert set(first_cells(read("docs/runner.md"), "code")) == codes
    listed = read("README.md").partition("Exit codes: ")[2].partition("Options,")[0]
    assert set(re.findall(r"\b(\d+) [a-zA-Z]", listed)) == codes


def test_the_configuration_in_the_readme_is_the_shipped_one():
    assert yaml.safe_load(blocks(read("README.md"), "yaml")[0]) == yaml.safe_load(
        read("config/inference.yaml")
    )


def test_the_index_lists_every_page():
    listed = set(LINK.findall(read("docs/README.md")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= listed


def test_the_stack_settings_in_the_guide_are_declared():
    project = yaml.safe_load(read("Pulumi.yaml"))
    shown = yaml.safe_load(blocks(read("docs/getting-started-on-aws.md"), "yaml")[0])["config"]
    own = {key.partition(":")[2] for key in shown if key.startswith(f"{project['name']}:")}
    assert own <= set(project["config"])


def test_the_guide_tells_what_derives_from_the_projects_name_as_the_code_makes_it():
    guide = read("docs/getting-started-on-aws.md")
    made = {parameter_name("churn-deployment", "staging")}
    for tag, value in owner_tags("churn-deployment", "staging", "churn-staging").items():
        if tag.startswith("pulumi:"):
            made.add(f"{tag}` = `{value}")
    assert [name for name in made if f"`{name}`" not in guide] == []


@pytest.fixture(scope="module")
def policy() -> list[dict[str, object]]:
    document = json.loads(blocks(read("docs/getting-started-on-aws.md"), "json")[0])
    return document["Statement"]


def actions(policy: list[dict[str, object]]) -> set[str]:
    return {
        action
        for each in policy
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }


def test_the_policy_names_only_actions_that_aws_has(policy):
    session = botocore.session.get_session()
    not_calls = {"iam:PassRole", "s3:ListBucket"}  # rights that are no operation of the same name
    for action in actions(policy) - not_calls:
        service, _, operation = action.partition(":")
        assert operation in session.get_service_model(service).operation_names, action


def test_the_policy_allows_what_a_new_model_version_needs(policy):
    assert {f"sagemaker:{operation}" for operation in NEW_MODEL} <= actions(policy)


def test_the_policy_names_what_it_allows_and_never_everything(policy):
    for statement in policy:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource.startswith("arn:aws:")
            assert resource.rsplit(":", 1)[-1] != "*"
        assert "*" not in str(statement["Action"])


def test_every_dependency_has_its_reason_and_every_reason_its_dependency():
    project = tomllib.loads(read("pyproject.toml"))
    named = [*project["project"]["dependencies"]]
    for group in project["dependency-groups"].values():
        named += [entry for entry in group if isinstance(entry, str)]
    named += [line for line in read("tools/bootstrap.in").splitlines() if line and not line.startswith("#")]
    packages = {re.split(r"[\[=<>~ ]", entry)[0] for entry in named}
    assert set(first_cells(read("CONTRIBUTING.md"), "package")) == packages


def test_the_changelog_has_what_is_not_released_yet_first():
    assert re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)[0] == "Unreleased"


def test_the_license_is_the_one_that_the_project_names():
    assert tomllib.loads(read("pyproject.toml"))["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in read("LICENSE")
