"""A small study of its own for the command line's tests."""

from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here
