"""A whole local cloud for the demo and the tests: `python -m sandbox start`; docs/local-cloud.md describes it."""

from sandbox.client import Control
from sandbox.files import SandboxError
from sandbox.process import Sandbox, Status
from sandbox.samples import tiny_model_archive

__all__ = ["Control", "Sandbox", "SandboxError", "Status", "tiny_model_archive"]
