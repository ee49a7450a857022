"""The one error of this package."""


class EngineError(Exception):
    """No usable Pulumi engine; the text is for the user: what was tried or found, and how to get one."""
