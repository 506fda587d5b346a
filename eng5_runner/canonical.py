"""One way to turn a value into bytes, so that the same value always has the same checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import orjson

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def canonical_json(value: Json) -> bytes:
    """The value as UTF-8 JSON with sorted keys, two-space indent and a final newline.

    Raises:
        TypeError: the value holds something that JSON cannot express.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of the bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
