"""Events as ledger lines: the keys that old ledgers have, and nothing lost on the way back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import TypeAdapter, ValidationError

from eng5_runner.core.classify import Accepted
from eng5_runner.core.events import (
    CallbackAccepted,
    OffsetsLost,
    Position,
    RunStarted,
    add_json,
    event_facts,
    event_from_json,
    event_to_json,
    text_or_base64,
)
from eng5_runner.core.spec import RunSpec, Timeouts, Versions
from eng5_runner.core.state import fold
from tests.support.run.events import ONE_OF_EACH
from tests.support.run.runs import make_spec

AT = datetime(2027, 3, 2, tzinfo=UTC)
SPEC = make_spec(timeouts=Timeouts(await_completion=False, total=7.0))
STARTED = RunStarted(
    at=AT,
    spec=SPEC,
    inputs_sha256="0" * 64,
    versions=Versions(runner="0", git_sha="", python="", os=""),
)
LEDGERS = sorted((Path(__file__).parents[1] / "guard" / "runs").glob("*/ledger.jsonl"))
# The keys of `spec` in the ledgers of version 0.1.0, in their order.
SPEC_KEYS = [
    *("run_id", "label", "mode", "send", "assets", "encoding", "study", "judge", "budget", "target"),
    *("patience", "uploading"),
]


INSTANTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # of messages that were UTF-8
ACCEPTED = st.builds(
    CallbackAccepted,
    at=INSTANTS,
    position=st.builds(Position, topic=TEXTS, partition=st.integers(0, 2**31), offset=st.integers(0, 2**63 - 1)),
    raw=TEXTS,
    kind=st.just("comparison"),
    key=TEXTS,
    fingerprint=TEXTS,
    judged=st.booleans(),
    cost_usd=st.floats(0, 1e6),
    note=TEXTS,
    batch_id=st.none() | st.uuids(),
    about=st.none() | TEXTS,
    objection=st.none() | st.sampled_from(["late", "judge"]),
    happened_at=st.none() | INSTANTS,
)


@settings(deadline=None, derandomize=True)
@given(ACCEPTED)
def test_a_callback_is_written_as_the_slower_writer_writes_it(event) -> None:
    assert event_to_json(event) == TypeAdapter(CallbackAccepted).dump_json(event)
    lines = bytearray(b"before")
    add_json(event, lines)
    add_json(STARTED, lines)
    assert lines == b"before" + event_to_json(event) + event_to_json(STARTED)


@settings(deadline=None, derandomize=True)
@given(ACCEPTED, st.floats(0, 9) | st.none(), st.integers(0, 9) | st.none())
def test_a_verdict_becomes_the_event_with_its_fields(event, limit_usd, counted) -> None:
    event = replace(event, limit_usd=limit_usd, counted=counted)
    verdict = Accepted(**{name: getattr(event, name) for name in Accepted.__struct_fields__})
    assert verdict.event(at=event.at, position=event.position, raw=event.raw.encode()) == event


def test_a_callback_has_each_field_in_its_line_but_those_that_older_ledgers_lack() -> None:
    event = CallbackAccepted(
        at=AT, position=Position(topic="t", partition=0, offset=7), raw="{}", kind="result", key="k", fingerprint="f"
    )
    assert event_to_json(event) == (
        b'{"v":1,"at":"2027-03-02T00:00:00Z","type":"CallbackAccepted","position":{"topic":"t","partition":0,"offset":7},'
        b'"raw":"{}","kind":"result","key":"k","fingerprint":"f","judged":false,"cost_usd":0.0,"note":"","limit_usd":null}'
    )


@pytest.mark.parametrize("event", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_an_event_is_read_back_as_it_was_written(event) -> None:
    line = event_to_json(event)
    assert b"\n" not in line
    assert event_from_json(line) == event
    assert event_from_json(line[:-1] + b',"_crc":"00000000"}') == event


@pytest.mark.parametrize("event", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_logs_hold_what_an_event_says_but_no_message_and_no_field_that_is_not_set(event) -> None:
    line = json.loads(event_to_json(event))
    bulky = {"raw", "raw_base64", "payload", "spec"}
    assert event_facts(event) == {
        name: value for name, value in line.items() if value is not None and name not in bulky
    }


def test_an_event_of_another_version_is_refused() -> None:
    for line in (b'{"type":"Unheard","at":"2027-03-02T00:00:00Z"}', event_to_json(STARTED).replace(b'"v":1', b'"v":2')):
        with pytest.raises(ValidationError):
            event_from_json(line)


def test_a_callback_with_a_cost_that_is_no_number_is_refused() -> None:
    line = event_to_json(ONE_OF_EACH["CallbackAccepted"])
    with pytest.raises(ValidationError, match="finite"):
        event_from_json(line.replace(b'"cost_usd":0.0', b'"cost_usd":NaN'))


def test_the_timeouts_keep_the_key_that_old_ledgers_have() -> None:
    spec = json.loads(event_to_json(STARTED))["spec"]
    assert list(spec) == SPEC_KEYS
    timeouts = {"await_completion": False, "total": 7.0, "idle": 900.0, "result": 60.0, "publish": 30.0}
    assert spec["patience"] == timeouts
    old = event_to_json(STARTED)
    assert fold([event_from_json(old)]).spec.timeouts == SPEC.timeouts
    assert event_to_json(event_from_json(old)) == old


def test_a_ledger_without_timeouts_has_the_defaults() -> None:
    document = SPEC.model_dump(mode="json")
    del document["patience"]
    assert RunSpec.model_validate(document).timeouts == Timeouts()


def test_lost_records_are_counted_by_their_offsets() -> None:
    lost = OffsetsLost(at=AT, position=Position(topic="t", partition=0, offset=5), resumed_at=9)
    assert lost.count == 4


def test_bytes_that_are_no_text_are_kept_as_base64() -> None:
    assert text_or_base64("å".encode()) == ("å", None)
    assert text_or_base64(b"\xff\x00") == (None, "/wA=")


@pytest.mark.parametrize("ledger", LEDGERS, ids=lambda path: path.parent.name)
def test_a_ledger_of_version_0_1_0_is_read_and_would_be_written_with_the_same_bytes(ledger: Path) -> None:
    lines = ledger.read_bytes().splitlines()
    events = [event_from_json(line) for line in lines]
    assert [event_to_json(event) for event in events] == [re.sub(rb',"_crc":"\w{8}"\}$', b"}", line) for line in lines]
    assert fold(events).closed is not None


@pytest.mark.parametrize(
    ("written", "as_well"),
    [
        (b'"at":"2027-03-02T08:00:00Z"', b'"at":"2027-03-02T10:00:00+02:00"'),
        (b'"judged":true', b'"judged":"true"'),
        (b'"cost_usd":2.0', b'"cost_usd":"2"'),
        (b'"offset":7', b'"offset":7.0'),
    ],
)
def test_a_callback_is_read_in_each_form_that_the_careful_reader_accepts(written: bytes, as_well: bytes) -> None:
    accepted = CallbackAccepted(
        at=datetime(2027, 3, 2, 8, tzinfo=UTC),
        position=Position(topic="t", partition=0, offset=7),
        raw="{}",
        kind="comparison",
        key="k",
        fingerprint="f",
        judged=True,
        cost_usd=2.0,
    )
    line = event_to_json(accepted)
    assert written in line
    assert event_from_json(line.replace(written, as_well)) == accepted
