"""What the measurements ran on: figures mean nothing without it."""

import os
import platform
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tools.engine import Engine
from tools.engine.versions import TERRAFORM_PROVIDER_AWS


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine at one moment.

    Attributes:
        at: time in UTC, ISO 8601.
        processor: as the kernel names it.
        cores: that this process may use.
        memory_mb: of the machine, MB.
        system: kernel and its release.
        versions: of everything that is measured, by name.
    """

    at: str
    processor: str
    cores: int
    memory_mb: int
    system: str
    versions: dict[str, str]


def load() -> tuple[float, float, float]:
    """How many processes wanted a core, averaged over 1, 5 and 15 minutes; above the number of cores times are long."""
    one, five, fifteen = os.getloadavg()
    return round(one, 2), round(five, 2), round(fifteen, 2)


def describe(engine: Engine | None, terraform: str | None) -> Machine:
    """Describe this machine.

    Args:
        engine: the Pulumi engine; None where there is none.
        terraform: version of terraform; None where there is none.
    """
    versions = {
        "Python": platform.python_version(),
        **{name: version(name) for name in ("pulumi", "pulumi-aws")},
    }
    versions["Pulumi CLI"] = f"{engine.cli} ({engine.kind})" if engine else "none"
    versions["terraform"] = terraform or "none"
    versions["terraform-provider-aws"] = TERRAFORM_PROVIDER_AWS
    return Machine(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=_processor(Path("/proc/cpuinfo").read_text()),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6),
        system=f"{platform.system()} {platform.release()}",
        versions=versions,
    )


def is_supported() -> bool:
    """Whether processes can be watched here: only Linux has /proc and process handles as they are used."""
    return sys.platform == "linux"


def _processor(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()
