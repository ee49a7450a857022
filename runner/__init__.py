"""The Automation API runner: what CodeBuild and people call, as ``python -m runner COMMAND STACK``."""
