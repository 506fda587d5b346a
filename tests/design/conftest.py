"""The embedded stack and the small study for tests of designs."""

from __future__ import annotations

from tests.cli.conftest import study
from tests.stack.conftest import stack

__all__ = ["stack", "study"]
