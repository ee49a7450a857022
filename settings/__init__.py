"""Typed settings: the only reader of pulumi.Config, of the stack files and of config/inference.yaml."""

from settings.inference import InferenceConfig, Vpc
from settings.stack import Settings, SettingsError, load, read

__all__ = ["InferenceConfig", "Settings", "SettingsError", "Vpc", "load", "read"]
