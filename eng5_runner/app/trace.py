"""The trace that a run is a part of, as whoever started it says: W3C Trace Context from the environment.

The runner makes no spans of its own, so it passes the context on as it came: as headers of its HTTP requests and of the
record that it publishes, and as `trace_id` on each line of its log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MOST_MEMBERS, _LONGEST = 32, 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace context.

    Attributes:
        headers: `traceparent`, and `tracestate` where there is one; empty if we are part of no trace.
        trace_id: 32 hexadecimal digits, or None.
        ignored: the variables that were set and cannot be used.
    """

    headers: Mapping[str, str]
    trace_id: str | None = None
    ignored: tuple[str, ...] = ()


def trace_of(environment: Mapping[str, str]) -> Trace:
    """The context in `TRACEPARENT` and `TRACESTATE`; what is malformed is left out."""
    parent, state = environment.get("TRACEPARENT", "").strip(), environment.get("TRACESTATE", "").strip()
    trace_id = _trace_id(parent)
    if trace_id is None:
        return Trace(headers={}, ignored=("TRACEPARENT",) if parent else ())
    if not state:
        return Trace(headers={"traceparent": parent}, trace_id=trace_id)
    if not _is_state(state):
        return Trace(headers={"traceparent": parent}, trace_id=trace_id, ignored=("TRACESTATE",))
    return Trace(headers={"traceparent": parent, "tracestate": state}, trace_id=trace_id)


def _trace_id(parent: str) -> str | None:
    """Version 00 has four fields; a later one may have more, and is read as far as we know it."""
    found = _PARENT.fullmatch(parent) if parent.isprintable() and len(parent) <= _LONGEST else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    return found["trace"] if int(found["trace"], 16) and int(found["span"], 16) else None


def _is_state(state: str) -> bool:
    members = [member.strip() for member in state.split(",")]
    return (
        len(state) <= _LONGEST
        and len(members) <= _MOST_MEMBERS
        and all(_MEMBER.fullmatch(member) or not member for member in members)
    )
