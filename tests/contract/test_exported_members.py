"""What each room offers to the others: a change here is a change of a contract and needs a second look."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import components

ROOT = Path(__file__).parents[2]
FACES = ("components", "registry", "sandbox", "settings", "tools.engine")


def face(room: str) -> ast.Module:
    return ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_text())


@pytest.mark.parametrize("room", FACES)
def test_a_face_lists_each_of_its_names_once_in_order_and_has_them_all(room):
    module = importlib.import_module(room)
    in_order = sorted(set(module.__all__), key=lambda name: (not name.isupper(), name.islower(), name))
    assert module.__all__ == in_order
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("room", FACES)
def test_what_a_face_imports_from_its_own_room_is_what_it_lists(room):
    imported = {
        alias.asname or alias.name
        for node in face(room).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{room}.")
        for alias in node.names
        if not (alias.asname or alias.name).startswith("_")
    }
    assert imported <= set(importlib.import_module(room).__all__)


@pytest.mark.parametrize("room", FACES)
def test_every_class_and_function_of_a_face_says_what_it_is_for(room):
    module = importlib.import_module(room)
    offered = [getattr(module, name) for name in module.__all__]
    silent = [
        each for each in offered if (inspect.isclass(each) or callable(each)) and not inspect.getdoc(each)
    ]
    assert silent == []


def test_the_components_offered_are_these():
    assert components.__all__ == [
        "NAME_LIMIT",
        "DataCaptureArgs",
        "ExecutionRoleArgs",
        "ModelEndpoint",
        "ModelEndpointArgs",
        "ServerlessArgs",
    ]


def test_every_field_of_a_components_arguments_is_documented():
    tree = ast.parse((ROOT / "components" / "endpoint.py").read_text())
    for made in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for field, below in zip(made.body, [*made.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                assert isinstance(below, ast.Expr), (
                    f"{made.name}.{ast.unparse(field.target)} has no docstring"
                )
                assert isinstance(below.value, ast.Constant)


def test_type_tokens_never_change_unnoticed():
    source = (ROOT / "components" / "endpoint.py").read_text()
    assert 'super().__init__("model-deployment:index:ModelEndpoint", name' in source
