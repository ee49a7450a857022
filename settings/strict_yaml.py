"""YAML as its users mean it: the core types of YAML 1.2, each key once, and nothing that makes objects or expands.

PyYAML alone reads YAML 1.1, where ``no`` is false, ``1:30`` is 90 and a second key silently wins; editors and Pulumi
read 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).
"""

import re
from typing import Any

import yaml


class YamlError(ValueError):
    """The text is not YAML that we read; the message names the line."""


def load_yaml(text: str) -> Any:
    """Read one YAML document.

    Returns:
        dicts, lists, strings, ints, floats, bools and None; None for an empty document.

    Raises:
        YamlError: wrong syntax, a key given twice, a tag, an alias, or nesting too deep to read.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise YamlError(line + (error.problem or str(error))) from error
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise YamlError("nested too deeply to read") from error


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own way to choose the types

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            problem = f"aliases are not supported, found *{event.anchor}; write the value out"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        if getattr(event, "tag", None):
            problem = f"tags are not supported, found {event.tag}; write a plain value"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  PyYAML's signature
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    problem = (
                        f"the key {key.value} is given twice, first in line {lines[key.value]}; remove one"
                    )
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_int(self, node: Any) -> int:
        text = str(self.construct_scalar(node))
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def construct_float(self, node: Any) -> float:
        text = str(self.construct_scalar(node)).lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_CORE_TYPES = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,16}", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)
for _name, _pattern, _starts in _CORE_TYPES:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _starts)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)
