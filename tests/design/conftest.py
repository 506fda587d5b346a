"""The embedded stack and the small study for tests of designs."""

from __future__ import annotations

from tests.support.small_study import study
from tests.support.stack.fixtures import stack

__all__ = ["stack", "study"]
