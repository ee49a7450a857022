"""One command's view of one stack: its settings, its account, its registry, its state, and the engine when it is needed."""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from registry import Clients, LiveEndpoint, Manifest, SageMakerRegistry, resolve
from runner import guards, preflight, record
from runner.cloud import Cloud
from runner.early import EarlyPreview
from runner.errors import BackendAccessError, PolicyRefused, ResourceFailure, SettingsRefused
from runner.locks import Holder
from runner.process import PulumiProcess, ask
from runner.redact import redact
from runner.state import State, parse_state
from runner.warm import WarmPlugin
from settings import Settings, SettingsError, read

if TYPE_CHECKING:
    from runner.stack import Outcome, PulumiStack

# Each but the first only saves time, and a `pulumi up` by hand does without (docs/performance.md has the figures).
ENGINE_VARIABLES: Mapping[str, str] = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "MODEL_DEPLOYMENT_QUIET_SDK": "true",
    "GOGC": os.environ.get("GOGC", "400"),
}
PREVIEW_VARIABLES: Mapping[str, str] = {"PULUMI_PARALLEL_DIFF": "true"}


def find_root(start: Path) -> Path:
    """The project's folder: the nearest one with a Pulumi.yaml, from `start` upwards, as the CLI looks for it.

    Raises:
        SettingsRefused: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    message = (
        f"no Pulumi.yaml in {start} or above it; run this in the checkout of the model deployment repository"
    )
    raise SettingsRefused(message)


def read_settings(root: Path, stack: str) -> Settings:
    """Read and check all settings of a stack, offline.

    Raises:
        SettingsRefused: with every problem found.
    """
    try:
        return read(root, stack)
    except SettingsError as error:
        raise SettingsRefused(str(error)) from error


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is wanted, what the state says, what is live, and what the last verified deploy recorded.

    ``live`` has each wanted endpoint, None where there is none.
    """

    manifest: Manifest
    state: State
    live: Mapping[str, LiveEndpoint | None]
    recorded: record.Record | None


class Session:
    """The stack that one command works on. A context manager: it owns a temporary folder."""

    def __init__(self, root: Path, stack: str, *, process: PulumiProcess, say: Callable[[str], None]) -> None:
        """Read the settings; nothing else is touched yet.

        Raises:
            SettingsRefused: the settings are wrong.
        """
        self.root, self.name, self.process, self.say = root, stack, process, say
        self.settings = read_settings(root, stack)
        self._clients = Clients(self.settings.region)
        self.cloud = Cloud(self._clients)
        self.warm: WarmPlugin | None = None
        self._background = ThreadPoolExecutor(max_workers=3)
        self._early: EarlyPreview | None = None
        self._version: Future[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="model-deployment-")
        self._manifest = Path(self._folder.name) / "manifest.json"

    @cached_property
    def registry(self) -> SageMakerRegistry:
        """The registry's reader, made when it is first asked: `check` needs no credentials."""
        return SageMakerRegistry(self._clients)

    def warm_up(self) -> None:
        """Begin, in the background, what a preview will wait for: plugin, Automation API's import, engine's version."""
        if self.warm is None:
            self.warm = WarmPlugin()
            self._background.submit(import_module, "runner.stack")
            self._version = self._background.submit(preflight.engine_version, self.root)

    def begin_preview(self, *, parallel: int) -> EarlyPreview:
        """Begin a preview now; the manifest follows."""
        self.warm_up()
        self._early = EarlyPreview(
            self._background, lambda: self.preview(self.stack(), parallel=parallel), self._manifest
        )
        return self._early

    def preview(self, stack: "PulumiStack", *, parallel: int, replace: Sequence[str] = ()) -> "Outcome":
        """Preview the pinned manifest, with the plugin that was started early; that one serves no second run."""
        head_start = self.warm.variables() if self.warm else {}
        try:
            return stack.preview(parallel=parallel, replace=replace, env={**PREVIEW_VARIABLES, **head_start})
        finally:
            if self.warm:
                self.warm.close()

    def __enter__(self) -> "Session":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was begun early and remove the temporary folder."""
        if self._early:
            self._early.give_up()
        if self.warm:
            self.warm.close()
        self._background.shutdown()
        self._folder.cleanup()

    @property
    def parameter(self) -> str:
        """Name of the SSM parameter with the last verified deploy."""
        return record.parameter_name(self.settings.project, self.name)

    def check_account(self) -> None:
        """Refuse the wrong AWS account.

        Raises:
            PolicyRefused: the credentials are another account's.
        """
        problem = guards.wrong_account(self.registry.account_id(), self.settings.allowed_account)
        if problem:
            raise PolicyRefused(problem)

    def resolve(self) -> Manifest:
        """Read the registry, and what is live under the wanted names."""
        return resolve(self.settings.environment, self.settings.requests(), self.registry)

    def look(self) -> Snapshot:
        """Read account, registry, state and record, all at once.

        Raises:
            PolicyRefused: the credentials are another account's.
            RegistryError, StackMissing, BackendAccessError: a read failed.
        """
        with ThreadPoolExecutor(max_workers=4) as pool:
            account = pool.submit(self.check_account)
            manifest = pool.submit(self.resolve)
            state = pool.submit(self.state)
            recorded = pool.submit(self._recorded)
            account.result()
            wanted = manifest.result()
            live = {endpoint.name: endpoint.live for endpoint in wanted.endpoints}
            return Snapshot(wanted, state.result(), live, recorded.result())

    def state(self) -> State:
        """The stack's state as its backend has it."""
        done = ask(["stack", "export", "--stack", self.name], cwd=self.root, env=ENGINE_VARIABLES)
        if done.code == 0:
            return parse_state(done.stdout)
        from runner.stack import failure

        raise failure(done, ())

    def inputs_digest(self, manifest: Manifest) -> str:
        """Digest of everything that decides what a deploy does."""
        return record.inputs_digest(self.root, manifest.digest(), self.settings.digest())

    def pin(self, manifest: Manifest) -> None:
        """Let every later run of the program deploy this manifest, whatever the registry says by then."""
        self._manifest.write_text(manifest.to_json())

    def stack(self) -> "PulumiStack":
        """The engine's side of the stack; its program deploys the manifest that was pinned last."""
        from runner.stack import PulumiStack  # the Automation API takes a second to import

        version = self._version.result() if self._version else preflight.engine_version(self.root)
        return PulumiStack(
            self.root,
            self.name,
            process=self.process,
            version=version,
            say=self.say,
            env={**ENGINE_VARIABLES, "MODEL_DEPLOYMENT_MANIFEST": str(self._manifest)},
        )

    def unlock(self, holders: Iterable[Holder]) -> None:
        """Delete the lock files of holders that are known to be gone, and no other: `pulumi cancel` would delete them all.

        Raises:
            BackendAccessError, ResourceFailure: a file cannot be deleted.
        """
        for holder in holders:
            url = urlsplit(holder.lock)
            if url.scheme == "s3":
                self.cloud.delete_object(url.netloc, url.path.lstrip("/"))
            else:
                Path(unquote(url.path)).unlink(missing_ok=True)

    def _recorded(self) -> record.Record | None:
        """The record of the last verified deploy; one that cannot be read only costs time."""
        try:
            return record.parse_record(self.cloud.read_parameter(self.parameter))
        except (ResourceFailure, BackendAccessError) as error:
            self.say(
                f"the record of the last deploy cannot be read, so nothing is skipped: {redact(str(error))}"
            )
            return None
