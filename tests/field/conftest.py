"""What the tests of the field share."""

from __future__ import annotations

from tests.run.conftest import plain as plain  # noqa: PLC0414 - pytest finds fixtures by their name here
