"""What a command says at its end: a table for people, one JSON document for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from registry import ENDPOINT_TAG, IgnoredPackage, LiveEndpoint, Manifest
from runner.changes import MODEL_TYPE, Change
from runner.state import ENDPOINT_TYPE, State

if TYPE_CHECKING:
    from rich.table import Table


_MOST_IGNORED_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint in the closing table.

    Attributes:
        package_version: version in the model package group; None for an endpoint that is no longer wanted.
        note: what the run did to it, in a few words, or ``unchanged``; what the report's ``note_title`` says elsewhere.
        seconds: how long its slowest step took, 0 without a step.
        status: AWS's EndpointStatus now, empty in a preview.
        config: endpoint configuration that serves now, empty in a preview.
    """

    endpoint: str
    package_version: int | None
    note: str
    seconds: float = 0.0
    status: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a command found or did.

    Attributes:
        command: the runner's command.
        stack: the stack's name.
        result: one word or few: ``deployed``, ``no changes``, ``planned``, ``verified``, …
        rows: one for each endpoint.
        note_title: what the rows' notes are about.
        ignored: packages that are not served, with the reason.
        changes: what the engine changed or would change, one line each.
        seconds: the command's whole time.
    """

    command: str
    stack: str
    result: str
    rows: tuple[Row, ...] = ()
    note_title: str = "what changed"
    ignored: tuple[IgnoredPackage, ...] = ()
    changes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """The report as one JSON document."""
        return json.dumps({"ok": True, **asdict(self)}, indent=2)


def rows_of(
    manifest: Manifest, before: State, changes: Sequence[Change], live: Mapping[str, LiveEndpoint | None]
) -> tuple[Row, ...]:
    """One row for each wanted endpoint and for each that the changes remove, by name."""
    versions = {wanted.name: wanted.package_version for wanted in manifest.endpoints}
    gone = {each.endpoint for each in changes if each.endpoint and each.type == ENDPOINT_TYPE}
    names = sorted({*versions, *gone})
    rows = []
    for name in names:
        own = [change for change in changes if change.endpoint == name]
        now = live.get(name)
        rows.append(
            Row(
                name,
                versions.get(name),
                what_changed(own, package_of(before, name)),
                max((change.seconds or 0.0 for change in own), default=0.0),
                now.status if now else "",
                now.config if now else "",
            )
        )
    return tuple(rows)


def what_changed(own: Sequence[Change], old_package: str | None) -> str:
    """A few words on one endpoint's changes: ``created``, ``package 2 → 3``, ``configuration (productionVariants)``."""
    whole = {"create": "created", "delete": "deleted", "replace": "replaced"}
    for change in own:
        if change.type == ENDPOINT_TYPE and change.op in whole:
            return whole[change.op]
    words = []
    for change in own:
        if change.type == MODEL_TYPE and change.package and old_package and change.package != old_package:
            words.append(f"package {_version(old_package)} → {_version(change.package)}")
        elif change.op == "delete":
            words.append("old configuration or model deleted")
        elif change.type == ENDPOINT_TYPE:
            words += [] if change.properties == ("endpointConfigName",) else [_listed("endpoint", change)]
        elif not _follows(change, own):
            words.append(_listed(change.type.rsplit(":", 1)[1], change))
    return ", ".join(dict.fromkeys(words)) or ("updated" if own else "unchanged")


def show(report: Report) -> None:
    """Print the report as a table to stdout."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 140, highlight=False)
    if report.rows:
        console.print(_table(report))
    else:
        console.print(f"{report.stack}: {report.result}; no endpoints")
    for package in report.ignored[:_MOST_IGNORED_SHOWN]:
        console.print(f"ignored {_short(package.package_arn)}: {package.reason}", markup=False)
    if len(report.ignored) > _MOST_IGNORED_SHOWN:
        console.print(f"ignored {len(report.ignored) - _MOST_IGNORED_SHOWN} more packages; --json lists them")
    console.print(f"{report.command} took {report.seconds:.1f} s")


def _table(report: Report) -> "Table":
    """The rows, without the columns that nobody filled."""
    from rich.table import Table

    columns: list[tuple[str, Any, Sequence[str]]] = [
        ("endpoint", {"overflow": "fold"}, [row.endpoint for row in report.rows]),
        ("package version", {"justify": "right"}, [str(row.package_version or "") for row in report.rows]),
        (report.note_title, {"overflow": "fold"}, [row.note for row in report.rows]),
        (
            "seconds",
            {"justify": "right"},
            [f"{row.seconds:.1f}" if row.seconds else "" for row in report.rows],
        ),
        ("status", {}, [row.status for row in report.rows]),
        ("configuration", {"overflow": "fold"}, [row.config for row in report.rows]),
    ]
    filled = [column for column in columns if any(column[2])]
    table = Table(title=f"{report.stack}: {report.result}", title_justify="left")
    for header, options, _ in filled:
        table.add_column(header, **options)
    for cells in zip(*(cells for _, _, cells in filled), strict=True):
        table.add_row(*cells)
    return table


def _follows(change: Change, own: Sequence[Change]) -> bool:
    """Whether a configuration differs only because its model is a new one."""
    return change.properties == ("productionVariants",) and any(other.type == MODEL_TYPE for other in own)


def _listed(what: str, change: Change) -> str:
    return f"{what} ({', '.join(change.properties)})" if change.properties else what


def package_of(state: State, endpoint: str) -> str | None:
    """The package that the state's model of one endpoint was made from."""
    for resource in state.resources:
        if resource.type == MODEL_TYPE and not resource.to_delete:
            tags = resource.inputs.get("tags") or {}
            if tags.get(ENDPOINT_TAG) == endpoint:
                container = resource.inputs.get("primaryContainer") or {}
                return str(container.get("modelPackageName", ""))
    return None


def _version(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _short(arn: str) -> str:
    return "/".join(arn.split("/")[-2:])
