"""Fixtures of the input tests."""

from tests.inputs.folders import folder

__all__ = ["folder"]
