"""Tables for a person, and one JSON document for a machine, of the same values."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.commands import Profile
from benchmarks.machine import Machine
from benchmarks.results import Result, Unmeasured

_LEAST_CPU_S = 0.02  # a process with less would only lengthen the profile


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run.

    Attributes:
        command: how it was called.
        quick: whether its sizes are small, and its figures no measure of anything.
        rounds: pairs of each comparison.
        machine: what it ran on.
        load_before: 1, 5 and 15 minutes, as it began.
        load_after: the same, as it ended; the run itself is in it.
        seconds: that the run took.
        results: in the order in which they were measured.
        unmeasured: what has no figures, and why.
    """

    command: str
    quick: bool
    rounds: int
    machine: Machine
    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float]
    seconds: float
    results: tuple[Result, ...]
    unmeasured: tuple[Unmeasured, ...]

    def to_json(self) -> str:
        """The report as one JSON document, each result with its median, ratio and verdict."""
        document = asdict(self)
        for written, result in zip(document["results"], self.results, strict=True):
            written |= {
                "median_s": result.typical_s,
                "beside_median_s": result.beside_s,
                "ratio": result.ratio,
                "is_met": result.is_met,
            }
        return json.dumps(_rounded(document), indent=1)


def show(report: Report) -> None:
    """Print the report on stdout."""
    console = Console(highlight=False, width=200)
    machine = report.machine
    console.print(f"\n{report.command}, {machine.at}, {report.seconds:.0f} s, {report.rounds} round(s)")
    console.print(
        f"{machine.cores} cores ({machine.processor}), {machine.memory_mb / 1000:.1f} GB, {machine.system}"
    )
    console.print(", ".join(f"{name} {version}" for name, version in machine.versions.items()))
    console.print(
        f"load (1, 5, 15 min): {_load(report.load_before)} before, {_load(report.load_after)} after"
    )
    if report.quick:
        console.print(
            "--quick: small sizes, to see that everything works; hold no target against these figures"
        )
    console.print(_results(report.results))
    for missing in report.unmeasured:
        console.print(f"{missing.benchmark} {'FAILED' if missing.failed else 'left out'}: {missing.reason}")
    for result in report.results:
        for profile in result.profiles:
            console.print(
                f"\n{result.what}, {result.endpoints}: {profile.command}, {profile.seconds:.2f} s watched, "
                f"peak {profile.peak_mb:.0f} MB (PSS)"
            )
            console.print(_profile(profile))


def _results(results: Sequence[Result]) -> Table:
    headers = ("benchmark", "what", "size", "s", "beside", "s", "ratio", "target", "", "other figures")
    table = Table(*headers, box=None, padding=(0, 2, 0, 0))
    for result in results:
        beside_s, ratio = result.beside_s, result.ratio
        table.add_row(
            result.benchmark,
            result.what,
            str(result.endpoints),
            f"{result.typical_s:.2f}",
            result.beside,
            "" if beside_s is None else f"{beside_s:.2f}",
            "" if ratio is None else f"{ratio:.2f}",
            f"≤ {result.limit.at_most} {'s' if result.limit.of == 'seconds' else ''}" if result.limit else "",
            {True: "met", False: "MISSED", None: ""}[result.is_met],
            ", ".join(f"{name} {value}" for name, value in _facts(result).items()),
        )
    return table


def _facts(result: Result) -> dict[str, object]:
    found: dict[str, object] = dict(result.facts)
    for profile in result.profiles:
        side = "beside " if profile.command.startswith("terraform") else ""
        found |= {f"{side}CPU s": f"{profile.cpu_s:.1f}", f"{side}peak MB": round(profile.peak_mb)}
    return found


def _profile(profile: Profile) -> Table:
    table = Table("process", "from s", "to s", "CPU s", "peak MB", box=None, padding=(0, 2, 0, 0))
    for cost in profile.processes:
        if cost.cpu_s >= _LEAST_CPU_S:
            table.add_row(
                cost.role,
                f"{cost.from_s:.2f}",
                f"{cost.to_s:.2f}",
                f"{cost.cpu_s:.2f}",
                f"{cost.peak_mb:.0f}",
            )
    table.add_row("all", "0.00", f"{profile.seconds:.2f}", f"{profile.cpu_s:.2f}", f"{profile.peak_mb:.0f}")
    return table


def _load(load: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in load)


def _rounded(value: object) -> object:
    """The same with every number to the millisecond."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
