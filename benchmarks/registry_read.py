"""Reads of the model registry when each call takes a tenth of a second, as from far away.

``python -m benchmarks.registry_read together|one-by-one GROUP`` is what the benchmark starts: it prints the seconds of one
read and how many versions it got.
"""

import json
import sys
import time
from collections.abc import Iterator

from benchmarks.commands import BenchmarkError, say
from benchmarks.results import Limit, Result
from benchmarks.workspace import REGION, ROOT, Setting, workspace
from registry import Clients, SageMakerRegistry

NAME = "registry-read"

_GROUP, _DELAY_S = "churn", 0.1
_LIMITS = {100: Limit(1.5, "seconds")}


def run(setting: Setting) -> Iterator[Result]:
    """Measure reading all versions of one group, as the registry does, beside one call after another.

    Raises:
        BenchmarkError: a read failed.
    """
    size = setting.many
    with workspace() as place:
        say(f"  a cloud with {size} versions of one model")
        place.register(_GROUP, versions=size)
        for operation in ("ListModelPackages", "DescribeModelPackage"):
            place.sandbox.inject(operation, delay=_DELAY_S)
        seconds: dict[str, list[float]] = {"together": [], "one-by-one": []}
        for _ in range(setting.rounds):
            for way, measured in seconds.items():
                command = (sys.executable, "-m", "benchmarks.registry_read", way, _GROUP)
                took, versions = json.loads(place.commands.output(command, ROOT))
                if versions != size:
                    message = f"the read gave {versions} versions, not {size}"
                    raise BenchmarkError(message)
                measured.append(took)
                say(f"  {size} versions, {way}: {took:.2f} s")
        yield Result(
            NAME,
            f"read of versions, {_DELAY_S} s a call",
            size,
            tuple(seconds["together"]),
            "one after another",
            tuple(seconds["one-by-one"]),
            _LIMITS.get(size),
        )


def read_together(group: str) -> int:
    """Read all versions of a group as the program does; how many there are."""
    return len(SageMakerRegistry(Clients(REGION)).read_packages(group))


def read_one_by_one(group: str) -> int:
    """Read the same one call after another; how many there are."""
    import boto3

    client = boto3.client("sagemaker", region_name=REGION)
    pages = client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    arns = [package["ModelPackageArn"] for page in pages for package in page["ModelPackageSummaryList"]]
    return len([client.describe_model_package(ModelPackageName=arn) for arn in arns])


if __name__ == "__main__":
    read = {"together": read_together, "one-by-one": read_one_by_one}[sys.argv[1]]
    started = time.monotonic()
    found = read(sys.argv[2])
    print(json.dumps([time.monotonic() - started, found]))
