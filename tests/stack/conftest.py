"""A stack for a test."""

from tests.support.stack.fixtures import stack as stack  # noqa: PLC0414 - pytest finds fixtures by their name here
