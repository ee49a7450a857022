"""The server process of the local cloud: `python -m sandbox.cloud`. Nothing outside of `sandbox` imports it."""
