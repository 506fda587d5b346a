"""Canonical JSON: the same value always gives the same bytes, and so the same checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import orjson

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_FORM = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def canonical_json(value: Json) -> bytes:
    """A value as UTF-8 JSON with sorted keys, an indent of two spaces and a final newline.

    Raises:
        TypeError: the value has something that JSON cannot express.

    >>> canonical_json({"b": 1, "a": None}).decode().splitlines()
    ['{', '  "a": null,', '  "b": 1', '}']
    """
    return orjson.dumps(value, option=_FORM)


def canonical_json_of(value: object, *, as_json: Callable[[object], Json]) -> bytes:
    """The same of a value that holds objects: `as_json` turns each into JSON when its turn to be written comes.

    Raises:
        TypeError: `as_json` does not know an object, or the value holds something else that JSON cannot express.
    """
    return orjson.dumps(value, default=as_json, option=_FORM | orjson.OPT_PASSTHROUGH_DATACLASS)


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of the bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
