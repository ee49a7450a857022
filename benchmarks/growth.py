"""How time and memory grow with the number of endpoints: previews of a stack that has nothing yet."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import terraform
from benchmarks.engine_path import PREVIEW, make_sides
from benchmarks.results import Result, straight_line
from benchmarks.workspace import Setting, workspace

NAME = "growth"

_MOST_ROUNDS_OF_LARGEST = 2


def run(setting: Setting) -> Iterator[Result]:
    """Measure the preview that would create 1, 100 and 1,000 endpoints, beside terraform's plan of the same.

    The largest is held against the straight line through the two smaller ones: linear growth is a ratio of 1 or less.

    Raises:
        Skipped: no engine.
        BenchmarkError: a command failed.
    """
    provider = terraform.provider_if_any(setting.require_engine())
    sizes = (1, setting.many, 10 * setting.many)
    with workspace(provider) as place:
        every = make_sides(place, sizes[-1])
        small: list[Result] = []
        for size in sizes:
            sides = every.first(size)
            rounds = min(setting.rounds, _MOST_ROUNDS_OF_LARGEST) if size == sizes[-1] else setting.rounds
            place.commands.seconds(PREVIEW, sides.project.folder)
            measured = sides.measure(
                "preview, all to create", PREVIEW, terraform.PLAN, rounds=rounds, limit=None
            )
            yield _with_facts(measured, small)
            small.append(measured)


def _with_facts(measured: Result, small: list[Result]) -> Result:
    facts: dict[str, float | str] = {
        "seconds per endpoint": round(measured.typical_s / measured.endpoints, 4)
    }
    if small:
        step = measured.endpoints - small[-1].endpoints
        facts["seconds per further endpoint"] = round((measured.typical_s - small[-1].typical_s) / step, 4)
    if len(small) > 1:
        points = [(result.endpoints, result.typical_s) for result in small]
        line = straight_line(points[0], points[1], measured.endpoints)
        facts["of linear growth"] = round(measured.typical_s / line, 2)
    return replace(measured, benchmark=NAME, facts=facts, limit=None)
