"""The runner's engine path beside terraform: same resources, same provider binary, same cloud, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks import terraform
from benchmarks.commands import say
from benchmarks.results import Limit, Result
from benchmarks.workspace import (
    INSTANCE_TYPE,
    OTHER_INSTANCE_TYPE,
    RUNNER,
    Project,
    Setting,
    Workspace,
    groups_of,
    same_resources,
    workspace,
)

NAME = "engine-path"

PREVIEW = (*RUNNER, "preview", "staging")
DEPLOY = (*RUNNER, "deploy", "staging")
DEPLOY_FULL = (*DEPLOY, "--full")

_ENDPOINT_SECONDS, _QUICK_ENDPOINT_SECONDS = 12.0, 2.0
_READ = Limit(1.0, "ratio")
_CHANGE = Limit(0.5, "ratio")


@dataclass(frozen=True, slots=True)
class Sides:
    """A project and a terraform folder that want the same endpoints of one cloud. No terraform: None."""

    place: Workspace
    project: Project
    terraform: terraform.Terraform | None
    packages: dict[str, str]

    def want(self, instance_type: str) -> None:
        """Let both sides want their endpoints on this instance type."""
        self.project.use_instances(instance_type)
        if self.terraform:
            self.terraform.write(same_resources(self.packages, self.place.role_arn, instance_type))

    def first(self, count: int) -> "Sides":
        """Let both sides want only the first so many of these endpoints."""
        sides = replace(self, packages=dict(list(self.packages.items())[:count]))
        sides.project.serve(list(sides.packages))
        sides.want(INSTANCE_TYPE)
        return sides

    def measure(
        self,
        what: str,
        ours: Sequence[str],
        theirs: Sequence[str],
        *,
        rounds: int,
        limit: Limit | None,
        profiled: bool = True,
    ) -> Result:
        """Run both commands so many times, the order changing from round to round, then once more with a profile.

        Args:
            what: name of the result.
            ours: run in the project.
            theirs: run in terraform's folder.
            rounds: pairs; a change can be made only once.
            limit: the target.
            profiled: whether to run both once more; not for a change, which is watched while it is measured.
        """
        size = len(self.packages)
        mine: list[float] = []
        other: list[float] = []
        profiles = []
        for number in range(rounds):
            sides = [(ours, self.project.folder, mine)]
            if self.terraform:
                sides.append((theirs, self.terraform.folder, other))
            for command, folder, seconds in reversed(sides) if number % 2 else sides:
                if profiled:
                    seconds.append(self.place.commands.seconds(command, folder))
                else:
                    profiles.append(self.place.commands.profile(command, folder))
                    seconds.append(profiles[-1].seconds)
            beside = f", {' '.join(theirs[:2])} {other[-1]:.2f} s" if other else ""
            say(f"  {what}, {size}: {mine[-1]:.2f} s{beside}")
        if profiled:
            profiles.append(self.place.commands.profile(ours, self.project.folder))
            if self.terraform:
                profiles.append(self.place.commands.profile(theirs, self.terraform.folder))
        return Result(
            NAME,
            what,
            size,
            tuple(mine),
            " ".join(theirs[:2]) if other else "",
            tuple(other),
            limit,
            profiles=tuple(profiles),
        )


def run(setting: Setting) -> Iterator[Result]:
    """Measure preview and no-change deploy of 1 and of many endpoints, and creating and updating many.

    Raises:
        Skipped: no engine. Without terraform our side is measured alone.
        BenchmarkError: a command failed.
    """
    provider = terraform.provider_if_any(setting.require_engine())
    for size in (1, setting.many):
        with workspace(provider) as place:
            sides = make_sides(place, size)
            yield from _life(sides, setting, changes=size > 1)


def make_sides(place: Workspace, size: int) -> Sides:
    """Register so many models, and let both sides want them; nothing is deployed yet."""
    say(f"  a cloud with {size} registered models")
    packages = {group: place.register(group) for group in groups_of(size)}
    sides = Sides(place, place.make_project(list(packages)), place.make_terraform(), packages)
    sides.want(INSTANCE_TYPE)
    if sides.terraform:
        sides.terraform.init()
    return sides


def _life(sides: Sides, setting: Setting, *, changes: bool) -> Iterator[Result]:
    place = sides.place
    seconds = (_QUICK_ENDPOINT_SECONDS if setting.quick else _ENDPOINT_SECONDS) if changes else 0.0
    place.sandbox.control.set_endpoint_seconds(seconds)
    limit = None if setting.quick else _CHANGE
    made = sides.measure(
        f"create ({seconds:.0f} s each)", DEPLOY, terraform.APPLY, rounds=1, limit=limit, profiled=False
    )
    if changes:
        yield made
    # The first of each reads files that the others find in memory.
    place.commands.seconds(PREVIEW, sides.project.folder)
    limit = None if setting.quick and changes else _READ
    yield sides.measure("preview, no change", PREVIEW, terraform.PLAN, rounds=setting.rounds, limit=limit)
    yield sides.measure(
        "deploy --full, no change", DEPLOY_FULL, terraform.APPLY, rounds=setting.rounds, limit=limit
    )
    if changes:
        sides.want(OTHER_INSTANCE_TYPE)
        limit = None if setting.quick else _CHANGE
        yield sides.measure(
            f"update ({seconds:.0f} s each)", DEPLOY, terraform.APPLY, rounds=1, limit=limit, profiled=False
        )
