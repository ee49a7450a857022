"""Which containers are kept, and for whom.

Endpoints that run the same archive in the same image with the same variables share one unpacked folder and one
process, so a hundred endpoints of one model cost one. At most WARM processes run; a colder one starts again on demand.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox.cloud.scoring.archive import BadArchive, unpack
from sandbox.cloud.scoring.container import BadLayout, Container, find_program
from sandbox.cloud.scoring.process import Prediction, Refusal, WorkerProcess

LOG = logging.getLogger(__name__)
WARM = 4
Containers = Mapping[str, tuple[Container, ...]]
"""What each variant runs, by variant name."""


class Unhealthy(Exception):
    """An endpoint cannot come into service; the text is its FailureReason."""


@dataclass(frozen=True, slots=True)
class _Image:
    """A container that can be started."""

    fingerprint: str
    folder: Path
    code: Path
    module: str
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _NotRun:
    """A container that this cloud accepts, as AWS does, but cannot run."""

    why: str


class ScorerPool:
    """Keeps what endpoints run. Safe for many threads.

    Args:
        folder: for unpacked archives; emptied at the start and at the end.
        logs: for what containers print, a file for each.
        fetch: gives the bytes of a container's archive; LookupError when there is no such object.
        environment: variables of every container, under the container's own.
    """

    def __init__(
        self,
        folder: Path,
        logs: Path,
        fetch: Callable[[Container], bytes],
        environment: Mapping[str, str],
    ) -> None:
        self._folder, self._logs, self._fetch = folder, logs, fetch
        self._environment = dict(environment)
        self._lock = threading.RLock()
        self._starting = threading.Lock()
        self._owners: dict[str, dict[str, _Image | _NotRun]] = {}
        self._workers: OrderedDict[str, WorkerProcess] = OrderedDict()
        self._healthy: set[str] = set()
        self._epoch = 0
        self._checks = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ping")
        shutil.rmtree(folder, ignore_errors=True)

    def check(self, owner: str, containers: Containers, done: Callable[[str | None], None]) -> None:
        """Start the containers in the background and call `done` with the failure reason, or None when all answer."""
        epoch = self._epoch

        def run() -> None:
            try:
                found = {variant: self._bring_up(variant, parts) for variant, parts in containers.items()}
            except Unhealthy as error:
                done(str(error))
                return
            except Exception:
                LOG.exception("the health check of %s broke", owner)
                done("The local cloud failed while it checked the container; see its log.")
                return
            with self._lock:
                if epoch == self._epoch:
                    self._owners[owner] = found
            done(None)

        self._checks.submit(run)

    def score(self, owner: str, variant: str, body: bytes, *, content_type: str, accept: str) -> Prediction:
        """Score a request with an owner's variant.

        Raises:
            Refusal: the container refused or failed, or cannot be run here.
        """
        with self._lock:
            image = self._owners.get(owner, {}).get(variant)
        if image is None:
            raise Refusal("the container is being replaced; try again", status=503, log=self._logs)
        if isinstance(image, _NotRun):
            msg = f"the local cloud does not emulate {image.why}"
            raise Refusal(msg, status=501, log=self._logs)
        process = self._worker(image)
        try:
            return process.score(body, content_type, accept)
        finally:
            if not process.alive:
                self._drop(image.fingerprint, process)

    def release(self, owner: str) -> None:
        """End what only this owner used."""
        with self._lock:
            images = self._owners.pop(owner, {})
            used = {
                image.fingerprint
                for kept in self._owners.values()
                for image in kept.values()
                if isinstance(image, _Image)
            }
            unused = [
                image
                for image in images.values()
                if isinstance(image, _Image) and image.fingerprint not in used
            ]
            processes = [self._workers.pop(image.fingerprint, None) for image in unused]
            self._healthy -= {image.fingerprint for image in unused}
        for image, process in zip(unused, processes, strict=True):
            if process is not None:
                process.kill()
            shutil.rmtree(image.folder, ignore_errors=True)

    def release_all(self) -> None:
        """End everything, also checks that still run."""
        with self._lock:
            self._epoch += 1
            processes = list(self._workers.values())
            self._workers.clear()
            self._owners.clear()
            self._healthy.clear()
        for process in processes:
            process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bring_up(self, variant: str, parts: tuple[Container, ...]) -> _Image | _NotRun:
        """Prepare a variant's container and see that it answers.

        Raises:
            Unhealthy: as AWS would set the endpoint to Failed.
        """
        if len(parts) != 1:
            return _NotRun(f"inference pipelines ({len(parts)} containers)")
        if parts[0].model_data_url is None:
            return _NotRun("images that bring their own model (the container has no ModelDataUrl)")
        primary = f"The primary container for production variant {variant}"
        try:
            image = self._prepare(parts[0])
            with self._lock:
                known = image.fingerprint in self._healthy
            if not known:
                self._worker(image)
                with self._lock:
                    self._healthy.add(image.fingerprint)
            return image
        except LookupError:
            msg = (
                f'Failed to download model data for container "container_1" from URL: "{parts[0].model_data_url}". '
                "Please ensure that there is an object located at the URL and that the role passed to CreateModel "
                "has permissions to download the model."
            )
            raise Unhealthy(msg) from None
        except BadArchive as error:
            msg = (
                f'Failed to extract model data archive for container "container_1" from URL: '
                f'"{parts[0].model_data_url}": {error}'
            )
            raise Unhealthy(msg) from error
        except BadLayout as error:
            reason = str(error)
        except Refusal as error:
            reason = f"{error.message} (log: {error.log})"
        msg = (
            f"{primary} did not pass the ping health check. Please check CloudWatch logs for this endpoint. "
            f"[local cloud: {reason}]"
        )
        raise Unhealthy(msg)

    def _prepare(self, container: Container) -> _Image:
        archive = self._fetch(container)
        description = repr((container.image, container.environment)).encode()
        fingerprint = hashlib.sha256(hashlib.sha256(archive).digest() + description).hexdigest()[:16]
        folder = self._folder / fingerprint
        with self._starting:
            if not folder.exists():
                temporary = self._folder / f"{fingerprint}.part"
                shutil.rmtree(temporary, ignore_errors=True)
                unpack(archive, temporary)
                temporary.rename(folder)
        code, module = find_program(container, folder)
        return _Image(fingerprint, folder, code, module, container.environment)

    def _worker(self, image: _Image) -> WorkerProcess:
        """Give the process of an image, started when it does not run."""
        with self._starting:
            with self._lock:
                process = self._workers.get(image.fingerprint)
                if process is not None and process.alive:
                    self._workers.move_to_end(image.fingerprint)
                    return process
                epoch = self._epoch
            process = WorkerProcess(
                image.folder,
                image.code,
                image.module,
                self._variables(image),
                self._logs / f"model-{image.fingerprint}.log",
            )
            with self._lock:
                coldest = []
                if epoch == self._epoch:
                    self._workers[image.fingerprint] = process
                    while len(self._workers) > WARM:
                        coldest.append(self._workers.popitem(last=False)[1])
                else:
                    coldest.append(process)
        for old in coldest:
            old.kill()
        return process

    def _variables(self, image: _Image) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(image.folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "SM_MODEL_DIR": str(image.folder),
            **self._environment,
            **dict(image.environment),
        }

    def _drop(self, fingerprint: str, process: WorkerProcess) -> None:
        with self._lock:
            if self._workers.get(fingerprint) is process:
                del self._workers[fingerprint]
        process.kill()
