"""What was measured, as plain values: each target's figure, what stands beside it, and whether it is met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.commands import Profile


@dataclass(frozen=True, slots=True)
class Limit:
    """A target: at most so many seconds, or at most so many times what stands beside it.

    Attributes:
        at_most: the number.
        of: ``seconds`` or ``ratio``.
    """

    at_most: float
    of: str


@dataclass(frozen=True, slots=True)
class Result:
    """One measured thing.

    Attributes:
        benchmark: the benchmark that measured it, as ``--only`` names it.
        what: the command or call.
        endpoints: how many endpoints (or versions) it worked on.
        seconds: of each round.
        beside: the name of what it is compared with, empty for nothing.
        beside_seconds: of each round, as many as ``seconds``: round i of both ran one after the other.
        limit: the target, where there is one for this size.
        facts: other figures, by name with unit.
        profiles: where the time went.
    """

    benchmark: str
    what: str
    endpoints: int
    seconds: tuple[float, ...]
    beside: str = ""
    beside_seconds: tuple[float, ...] = ()
    limit: Limit | None = None
    facts: Mapping[str, float | str] = field(default_factory=dict)
    profiles: tuple[Profile, ...] = ()

    @property
    def typical_s(self) -> float:
        """Median of the rounds, seconds."""
        return median(self.seconds)

    @property
    def beside_s(self) -> float | None:
        """Median of what stands beside it, seconds; None for nothing."""
        return median(self.beside_seconds) if self.beside_seconds else None

    @property
    def ratio(self) -> float | None:
        """Median of the ratios of each pair of rounds; None where nothing stands beside it."""
        return median(ratios(self.seconds, self.beside_seconds)) if self.beside_seconds else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none, or where nothing was there to compare with."""
        if self.limit is None:
            return None
        figure = self.typical_s if self.limit.of == "seconds" else self.ratio
        return None if figure is None else figure <= self.limit.at_most


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A benchmark without figures: left out because something is missing here, or failed."""

    benchmark: str
    reason: str
    failed: bool


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Ratio of each pair of rounds: load that moves between the rounds moves both sides of a pair alike.

    Raises:
        ValueError: not as many of one as of the other.
    """
    return tuple(mine / other for mine, other in zip(ours, theirs, strict=True))


def straight_line(small: tuple[int, float], large: tuple[int, float], at: int) -> float:
    """Seconds at a size if they grew linearly, by the line through two measured (size, seconds)."""
    slope = (large[1] - small[1]) / (large[0] - small[0])
    return large[1] + slope * (at - large[0])
