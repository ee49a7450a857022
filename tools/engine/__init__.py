"""A Pulumi engine (CLI, Python language host, aws plugin) for this machine: found, downloaded or built. docs/engine.md."""

from tools.engine.cache import Engine
from tools.engine.errors import EngineError
from tools.engine.installer import environment, install, installed

__all__ = ["Engine", "EngineError", "environment", "install", "installed"]
