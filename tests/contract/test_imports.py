"""Who may import whom: the table of the architecture, held against the code.

Imports for type checkers alone (`if TYPE_CHECKING:`) do not run and do not count.
"""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AWS_SDK = {"boto3", "botocore"}
ALLOWED = {
    "registry": {"registry"} | AWS_SDK,
    "settings": {"settings", "registry", "pydantic", "pydantic_core", "yaml", "pulumi"},
    "components": {"components", "pulumi", "pulumi_aws"},
    "handlers": {"handlers", "registry"} | AWS_SDK,
    "runner": {"runner", "registry", "settings", "rich", "semver", "pulumi"} | AWS_SDK,
    "__main__.py": {"components", "registry", "settings", "pulumi", "pulumi_aws"},
    "tools": {"tools", "runner", "pulumi", "semver"},
    "sandbox": {"sandbox", "tools", "moto", "numpy", "regex", "yaml"} | AWS_SDK,
    "demo": {"demo", "sandbox", "tools", "settings", "rich", "joblib", "numpy", "sklearn"} | AWS_SDK,
    "benchmarks": {"benchmarks", "sandbox", "tools", "registry", "rich", "yaml"} | AWS_SDK,
}
"""What each room may import beside the standard library. No room but tests may import demo or benchmarks."""

SLOW = {"boto3", "botocore", "pulumi", "pulumi_aws", "moto", "sklearn"}
"""Libraries that take long to import. Where a command or a program does without them, they are imported inside functions."""

QUICK_ROOMS = ("registry", "settings", "runner")


@dataclass(frozen=True)
class Import:
    """One import statement's module; ``top``: it runs when its own module is imported."""

    file: str
    line: int
    module: str
    top: bool

    @property
    def library(self) -> str:
        return self.module.split(".")[0]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def imports_of(source: str, file: str) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, top: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(file, node.lineno, alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found.extend(Import(file, node.lineno, f"{module}.{alias.name}", top) for alias in node.names)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, top and not inside)

    visit(ast.parse(source), top=True)
    return found


def imports_in(room: str) -> list[Import]:
    path = ROOT / room
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [each for file in files for each in imports_of(file.read_text(), str(file.relative_to(ROOT)))]


def forbidden(found: list[Import], allowed: set[str]) -> list[str]:
    """Imports of what is neither allowed nor in the standard library."""
    return [each.place for each in found if each.library not in allowed | sys.stdlib_module_names]


@pytest.mark.parametrize("room", ALLOWED)
def test_each_room_imports_only_what_its_place_in_the_architecture_allows(room):
    assert forbidden(imports_in(room), ALLOWED[room]) == []


def test_every_room_with_python_is_in_the_table():
    rooms = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("[a-z_]*/**/*.py")} | {"__main__.py"}
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {name.split("/")[0] for name in listed.stdout.split()}
    assert rooms & tracked - {"tests"} <= set(ALLOWED)


def test_only_the_runners_stack_module_and_the_installer_import_the_automation_api():
    importers = {
        each.file for room in ALLOWED for each in imports_in(room) if "pulumi.automation" in each.module
    }
    assert importers == {
        "runner/stack.py",
        "tools/engine/official.py",
    }  # the latter for PulumiCommand.install


def test_only_the_runners_stack_module_and_settings_load_import_pulumi_without_being_a_program():
    importers = {
        each.file
        for room in ("registry", "settings", "handlers", "runner")
        for each in imports_in(room)
        if each.library in ("pulumi", "pulumi_aws")
    }
    assert importers == {"runner/stack.py", "settings/stack.py"}


def test_plain_decisions_of_components_import_no_pulumi():
    plain = [
        each
        for each in imports_in("components")
        if Path(each.file).name.startswith("_") and "__" not in each.file
    ]
    assert plain
    assert forbidden(plain, {"components"}) == []


def test_components_import_one_another_through_plain_modules_only():
    own = {
        each.module
        for each in imports_in("components")
        if each.library == "components" and not each.file.endswith("__init__.py")
    }
    assert own
    assert all(module.removeprefix("components.").startswith("_") for module in own)


@pytest.mark.parametrize("room", QUICK_ROOMS)
def test_slow_libraries_are_imported_where_they_are_needed_and_not_at_the_top(room):
    early = [
        each.place
        for each in imports_in(room)
        if each.top and each.library in SLOW and each.file != "runner/stack.py"
    ]
    assert early == []


def test_components_have_no_postponed_annotations_as_pulumi_reads_them():
    futures = [each.place for each in imports_in("components") if each.module == "__future__.annotations"]
    assert futures == []


@pytest.mark.parametrize("module", ["registry", "settings", "runner.cli", "sandbox", "tools.engine"])
def test_importing_the_face_of_a_room_loads_no_slow_library(module):
    program = f"import sys, {module}; print(sorted({SLOW!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import boto3", [("boto3", True)]),
        ("from pulumi import automation", [("pulumi.automation", True)]),
        ("import pulumi.automation as auto", [("pulumi.automation", True)]),
        ("def f():\n    import boto3", [("boto3", False)]),
        ("class C:\n    import boto3", [("boto3", True)]),
        ("try:\n    import boto3\nexcept ImportError:\n    pass", [("boto3", True)]),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import boto3",
            [("typing.TYPE_CHECKING", True)],
        ),
    ],
)
def test_the_reader_of_imports_sees_every_form(source, seen):
    assert [(each.module, each.top) for each in imports_of(source, "file.py")] == seen


def test_the_check_of_the_table_can_fail():
    found = imports_of("import components, registry, os", "runner/bad.py")
    assert forbidden(found, ALLOWED["runner"]) == ["runner/bad.py:1 imports components"]
