"""A small study for the runs among the judges' tests."""

from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here
