"""A trace context is passed on as it came, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.app.environment import trace_of
from tests.support.runner import newest, run

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@pytest.mark.parametrize("parent", [PARENT, f"cc-{TRACE_ID}-00f067aa0ba902b7-00-what-will-be", f" {PARENT}\n"])
def test_a_context_is_read(parent: str) -> None:
    found = trace_of({"TRACEPARENT": parent, "TRACESTATE": "rojo=00f067aa0ba902b7, 2t@congo=a b"})
    assert found.headers == {"traceparent": parent.strip(), "tracestate": "rojo=00f067aa0ba902b7, 2t@congo=a b"}
    assert (found.trace_id, found.ignored) == (TRACE_ID, ())


@pytest.mark.parametrize(
    "parent",
    [
        "nonsense",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-more",
        f"ff{PARENT[2:]}",
        PARENT.replace(TRACE_ID, "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
        f"cc-{TRACE_ID}-00f067aa0ba902b7-00-x\r\nX-Other: 1",
    ],
)
def test_a_malformed_parent_is_left_out_with_its_state(parent: str) -> None:
    found = trace_of({"TRACEPARENT": parent, "TRACESTATE": "a=1"})
    assert (found.headers, found.trace_id, found.ignored) == ({}, None, ("TRACEPARENT",))


@pytest.mark.parametrize(
    "state", ["a", "A=1", "a=1=2", "a=1\r\nb", "=1", ",".join(f"k{n}=1" for n in range(33)), "a=" + "x" * 600]
)
def test_a_malformed_state_is_left_out_alone(state: str) -> None:
    found = trace_of({"TRACEPARENT": PARENT, "TRACESTATE": state})
    assert (found.headers, found.ignored) == ({"traceparent": PARENT}, ("TRACESTATE",))


def test_without_a_context_there_is_none() -> None:
    assert trace_of({}) == trace_of({"TRACEPARENT": "", "TRACESTATE": "a=1"}) == trace_of({"TRACESTATE": "a=1"})
    assert (trace_of({}).headers, trace_of({}).ignored) == ({}, ())


@given(st.text(max_size=80), st.text(max_size=80))
def test_nothing_that_a_header_cannot_hold_gets_through(parent: str, state: str) -> None:
    for text in trace_of({"TRACEPARENT": parent, "TRACESTATE": state}).headers.values():
        assert text.isascii() and text.isprintable()


def test_what_is_left_out_is_a_warning_in_the_log(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "dry-run", "--assets", study, cwd=tmp_path, env={"TRACEPARENT": "nonsense"}).code == 0
    log = [json.loads(line) for line in (newest(tmp_path) / "run.log.jsonl").read_text().splitlines()]
    (warned,) = [line for line in log if line["event"] == "trace_context_ignored"]
    assert (warned["level"], warned["variable"]) == ("warning", "TRACEPARENT")
    assert not any("trace_id" in line for line in log)
