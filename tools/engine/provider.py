"""Search for a terraform-provider-aws binary, where Terraform's own users keep theirs."""

import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.engine.errors import EngineError
from tools.engine.versions import TERRAFORM_PROVIDER_AWS

VARIABLE = "TERRAFORM_PROVIDER_AWS"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def find(environ: Mapping[str, str] | None = None, opt: Path = Path("/opt")) -> Path:
    """Give the provider binary.

    Args:
        environ: the environment; this process's when left out.
        opt: folder whose children may be provider mirrors.

    Raises:
        EngineError: none was found; names every place that was looked at.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(VARIABLE)
    if named:
        if os.access(named, os.X_OK) and "terraform-provider-aws" in Path(named).name:
            return Path(named)
        text = f"{VARIABLE}={named} is not an executable named terraform-provider-aws…"
        raise EngineError(text)
    folders = list(dict.fromkeys(mirrors(environ, opt)))
    for folder in folders:
        for path in sorted(folder.glob(f"{place()}/terraform-provider-aws*")):
            if os.access(path, os.X_OK):
                return path
    looked = ", ".join(map(str, folders))
    text = (
        f"no terraform-provider-aws {TERRAFORM_PROVIDER_AWS} at {place()} below any of {looked} "
        f"(set {VARIABLE} to the binary, or TF_PLUGIN_CACHE_DIR to the folder above {place().split('/')[0]})"
    )
    raise EngineError(text)


def place() -> str:
    """Give the path of the provider's folder below a mirror, in Terraform's unpacked layout.

    https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation (read 2026-11).
    """
    machine = MACHINES.get(platform.machine(), platform.machine())
    return (
        f"registry.terraform.io/hashicorp/aws/{TERRAFORM_PROVIDER_AWS}/{platform.system().lower()}_{machine}"
    )


def mirrors(environ: Mapping[str, str], opt: Path) -> Iterator[Path]:
    """Give the folders that may hold providers, best first."""
    if environ.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(environ["TF_PLUGIN_CACHE_DIR"]).expanduser()
    home = Path(environ.get("HOME") or Path.home())
    yield from _configured(Path(environ.get("TF_CLI_CONFIG_FILE") or home / ".terraformrc"))
    yield home / ".terraform.d" / "plugins"
    yield Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "terraform" / "plugins"
    for data in (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        yield Path(data) / "terraform" / "plugins"
    yield from (path.parent for path in sorted(opt.glob("*/registry.terraform.io")))


def _configured(config: Path) -> list[Path]:
    """Read the mirrors and the cache that a Terraform CLI configuration names; the variable may name no file."""
    if not config.is_file():
        return []
    text = re.sub(r"(?m)^\s*(#|//).*$", "", config.read_text())
    found: list[str] = re.findall(r'\b(?:path|plugin_cache_dir)\s*=\s*"([^"]+)"', text)
    return [Path(os.path.expandvars(path)).expanduser() for path in found]
