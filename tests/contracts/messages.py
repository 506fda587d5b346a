"""The invented messages of `data/`, and ways to alter a copy of one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING

from eng5_runner.contracts.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

DATA = Path(__file__).parent / "data"
BATCH = "c0ffee00-1111-4222-8333-444455556666"

CALLBACKS = (
    ("comparison_won", Topic.COMPARISON),
    ("comparison_failed", Topic.COMPARISON),
    ("completed", Topic.COMPLETED),
    ("failed", Topic.FAILED),
    ("result", Topic.RESULT),
)

Steps = tuple[str | int, ...]


def text(name: str) -> bytes:
    """A message as it would come from the wire."""
    return (DATA / f"{name}.json").read_bytes()


def message(name: str) -> dict[str, JsonValue]:
    """A message as plain values, to be altered at will."""
    found: dict[str, JsonValue] = json.loads(text(name))
    return found


def raw(value: JsonValue) -> bytes:
    """Plain values as the wire carries them."""
    return json.dumps(value).encode()


def at(value, path: Steps):
    """What lies at a path."""
    for step in path:
        value = value[step]
    return value


def altered(name: str, changes: dict[Steps, JsonValue]) -> bytes:
    """A message with other values at some paths."""
    value = message(name)
    for path, new in changes.items():
        at(value, path[:-1])[path[-1]] = copy.deepcopy(new)
    return raw(value)


def without(name: str, path: Steps) -> bytes:
    """A message without what lies at the path."""
    value = message(name)
    del at(value, path[:-1])[path[-1]]
    return raw(value)


def paths(value: JsonValue, here: Steps = ()) -> Iterator[Steps]:
    """The path of every value in a message, its root included."""
    yield here
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*here, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from paths(inner, (*here, position))
