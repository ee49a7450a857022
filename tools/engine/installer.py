"""Get an engine: the one that is there, the official one, or one that is built."""

import os
import time

from tools.engine import build, cache, official, progress, provider, versions
from tools.engine.cache import Engine
from tools.engine.errors import EngineError


def install() -> Engine:
    """Give the engine of this checkout, installing it first where it is not there.

    In this order: the cache, the official release, a build from Go modules. Idempotent; waits for another installation
    that is at work; harmless to interrupt at any point.

    Raises:
        EngineError: none could be had, or it does not fit the Python packages; one line that says what was tried.
    """
    engine = cache.find()
    if engine is None:
        with cache.lock():
            cache.remove_unfinished()
            engine = cache.find() or _install_new()
    versions.check_installed(engine.cli)
    return engine


def _install_new() -> Engine:
    started = time.monotonic()
    tried = []
    for attempt in (_official, _built):
        try:
            engine = attempt()
        except EngineError as error:
            tried.append(str(error))
        else:
            progress.say(
                f"{engine.kind} engine is ready in {engine.folder} after {time.monotonic() - started:.0f} s"
            )
            return engine
    text = (
        f"no Pulumi engine could be had. Tried: {'; '.join(tried)}. "
        f"Either is enough: HTTPS to {official.HOST}; or Go, a Go module proxy and terraform-provider-aws "
        f"{versions.TERRAFORM_PROVIDER_AWS}. `make test ENGINE=none` runs the tests that need no engine."
    )
    raise EngineError(text)


def _official() -> Engine:
    reason = official.unreachable()
    if reason is not None:
        text = f"the official release ({official.HOST} cannot be reached: {reason})"
        raise EngineError(text)
    versions.check_installed(versions.CLI_OFFICIAL)
    with cache.unfinished() as folder:
        official.install(folder)
        return cache.finish(folder, "official", versions.CLI_OFFICIAL)


def _built() -> Engine:
    try:
        go, terraform_provider = build.go_command(), provider.find()
    except EngineError as error:
        text = f"a build from Go modules ({error})"
        raise EngineError(text) from error
    progress.say(
        f"the official release cannot be downloaded: building from Go modules, over {terraform_provider}"
    )
    versions.check_installed(versions.CLI_BUILT)
    with cache.unfinished() as folder:
        build.install(folder, go, terraform_provider)
        return cache.finish(folder, "built", versions.CLI_BUILT, str(terraform_provider))


def installed() -> Engine:
    """Give the installed engine.

    Raises:
        EngineError: none is installed, or it does not fit the Python packages.
    """
    engine = cache.find()
    if engine is None:
        raise EngineError(
            "no Pulumi engine is installed for this checkout: run `make setup` (or `python -m tools.engine install`)"
        )
    versions.check_installed(engine.cli)
    return engine


def environment() -> dict[str, str]:
    """Give the variables by which any program uses the installed engine, and no other.

    Returns:
        PATH with the engine's folder first, PULUMI_HOME (the engine's own, never ``~/.pulumi``),
        PULUMI_SKIP_UPDATE_CHECK and, for a built engine, PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: a plugin that is
        missing is then an error at once, not a long search in the network.

    Raises:
        EngineError: none is installed, or it does not fit the Python packages.
    """
    engine = installed()
    variables = {
        "PATH": os.pathsep.join([str(engine.folder / "bin"), os.environ.get("PATH", os.defpath)]),
        "PULUMI_HOME": str(engine.home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if engine.kind == "built":
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return variables
