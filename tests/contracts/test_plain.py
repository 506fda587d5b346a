"""The quick reader of comparison results reads what the careful one reads, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from eng5_runner.contracts.base import instant_of
from eng5_runner.contracts.flaws import receive_comparison
from eng5_runner.contracts.plain import PlainComparison, PlainMetadata, plain_arrival, plain_comparison
from eng5_runner.core.arrival import arrived, of_result
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.results.artefact.plain_rows import plain_rows
from eng5_runner.results.judgements import comparison_fields
from tests.contracts.messages import Steps, altered, at, message, paths, text, without

NUMBERS = (0, 1, -1, 7, 2.5, -0.5, 3.0, 1e300, 10**6, 10**30)
TEXTS = (
    "",
    "7",
    "0.5",
    "true",
    "é",
    "a\nb",
    "x" * 300,
    "0" * 64,
    "A" * 64,
    "0" * 64 + "\n",
    "json",
    "Essay A",
    "Essay C",
)
OTHERS = (None, True, False, [], ["a"], {}, {"a": 1}, {"a": "0" * 64})
INSTANTS = (
    "2027-03-02T08:00:00Z",
    "2027-03-02T08:00:00.1234567Z",
    "2027-03-02T08:00:00.12+00:00",
    "2027-02-30T08:00:00Z",
    "2027-03-02T24:00:00Z",
    "2027-03-02T08:00:60Z",
    "2027-03-02 08:00:00Z",
    "2027-03-02T10:00:00+02:00",
    "0000-01-01T00:00:00Z",
    "20270302T080000Z",
    "2027-03-02T08:00:00",
    "2027-03-02",
    1_800_000_000,
    "Tue, 02 Mar 2027 08:00:00 GMT",
)
UUIDS = (str(UUID(int=7)), "C0FFEE00-0000-4000-8000-000000000000", "c0ffee0000004000800000000000000")
ODD: tuple[Any, ...] = (*NUMBERS, *TEXTS, *OTHERS, *INSTANTS, *UUIDS)

RUN = UUID(int=0)
# The fields of the message, and those that it leaves out.
PATHS = {path for path in paths(message("comparison_won")) if path} | {
    *(("data", field.encode_name) for field in msgspec.structs.fields(PlainComparison)),
    *(("data", "request_metadata", field.encode_name) for field in msgspec.structs.fields(PlainMetadata)),
}


def test_a_usual_message_is_read_quickly() -> None:
    quick = plain_comparison(text("comparison_won"))
    assert quick is not None
    assert same(text("comparison_won"), quick)


def test_a_failure_a_replay_and_a_flaw_are_left_to_the_careful_reader() -> None:
    assert plain_comparison(text("comparison_failed")) is None
    assert plain_comparison(altered("comparison_won", {("data", "request_metadata", "cassette"): True})) is None
    assert plain_comparison(altered("comparison_won", {("data", "token_usage", "prompt_tokens"): 10**9})) is None
    assert plain_comparison(b"{") is None


@pytest.mark.parametrize("path", sorted(PATHS), ids=".".join)
def test_whatever_a_field_holds_both_read_the_same(path: Steps) -> None:
    for value in ODD:
        changed = altered("comparison_won", {path: value})
        quick = plain_comparison(changed)
        assert quick is None or same(changed, quick), (path, value)
        assert plain_arrival(changed) is None or arrives_the_same(changed), (path, value)
    if path[-1] in at(message("comparison_won"), path[:-1]):
        lacking = without("comparison_won", path)
        quick = plain_comparison(lacking)
        assert quick is None or same(lacking, quick), path
        assert plain_arrival(lacking) is None or arrives_the_same(lacking), path


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2027-03-02T08:00:00Z", "2027-03-02T08:00:00.000000Z"),
        ("2027-03-02T08:00:00.5Z", "2027-03-02T08:00:00.500000Z"),
        ("2027-03-02T08:00:00.000123+00:00", "2027-03-02T08:00:00.000123Z"),
    ],
)
def test_an_instant_has_microseconds(written: str, read: str) -> None:
    quick = plain_comparison(altered("comparison_won", {("data", "requested_at"): written}))
    assert quick is not None
    assert quick.requested_at == read
    assert (
        datetime.fromisoformat(read).astimezone(UTC)
        == receive_comparison(altered("comparison_won", {("data", "requested_at"): written}))[0].data.requested_at
    )


def test_bytes_that_are_no_text_are_left_to_the_careful_reader() -> None:
    broken = altered("comparison_won", {("new",): "a"}).replace(b'"new": "a"', b'"new": "\xff"')
    assert b"\xff" in broken
    assert plain_arrival(broken) is None
    assert plain_arrival(broken.replace(b"\xff", b"a")) is not None


def arrives_the_same(message: bytes) -> bool:
    careful, flaws = receive_comparison(message)
    usage = repr(careful.data.token_usage)  # fingerprints in old ledgers were made of it
    return (
        arrived(message) == of_result(careful.data, stamped_at=careful.event_timestamp, flaws=flaws)
        and arrived(message).usage == usage
    )


def same(message: bytes, quick: PlainComparison) -> bool:
    careful, _ = receive_comparison(message)
    metadata = careful.data.request_metadata
    names = EssayNames({metadata.essay_a_id: "a", metadata.essay_b_id: "b"})
    otherwise = careful.correlation_id or RUN
    row = comparison_fields(careful.data, names, cost_usd=quick.cost_estimate, otherwise=otherwise)
    quickly = {name: value for name, (value,) in plain_rows([quick], names, usd=[quick.cost_estimate]).items()}
    texts = ("answer_form", "system_prompt_sha256", "prompt_templates")
    return row == quickly and all(
        (getattr(metadata, name) or None) == (getattr(quick.request_metadata, name) or None) for name in texts
    )


@pytest.mark.parametrize("written", ["2027-03-02T24:00:00Z", "2027-03-02 24:00:00", "20270302T240000Z"])
def test_no_python_reads_the_hour_24(written: str) -> None:
    """Python 3.14 takes it for the next day, so that a ledger would depend on who reads it."""
    with pytest.raises(ValueError, match="no day has the hour 24"):
        instant_of(written)
    assert instant_of("2027-03-24T23:24:24Z") == datetime(2027, 3, 24, 23, 24, 24, tzinfo=UTC)
