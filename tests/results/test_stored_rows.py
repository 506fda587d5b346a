"""Rows that lie in a byte store: numbered as they were asked, read as they were written, never all in memory."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import fields, replace
from math import isnan

import pytest

from eng5_runner.effects.scratch import Scratch
from eng5_runner.results.artefact import HashedFile, sealed
from eng5_runner.results.artefact.columns import columns_of
from eng5_runner.results.artefact.stored_rows import MemoryBytes, RowStore, StoredRows
from eng5_runner.results.artefact.study import Comparison, FailedComparison, Replayed, ReplayedUnknown
from tests.support.artefacts import AT, artefact, comparison
from tests.support.results import call

REPLAY = Replayed(request_id="queue-1", recorded_at=AT, cost_usd=None, tokens_prompt=1, tokens_completion=2)


def at_second(second: int, request_id: str, **changes: object) -> Comparison:
    started = f"2027-03-02T08:00:{second:02}.000000Z"
    return comparison("birk", "cleo", "birk", started_at=started, request_id=request_id, **changes)


def fields_of(*rows: Comparison | FailedComparison) -> dict[str, list[object]]:
    return {field.name: [getattr(row, field.name) for row in rows] for field in fields(rows[0])}


def stored(*rows: Comparison) -> StoredRows[Comparison]:
    store = RowStore(Comparison, MemoryBytes())
    for row in rows:
        store.add(fields_of(row))
    return store.in_order()


def test_rows_are_numbered_as_they_were_asked_and_those_of_one_instant_by_their_ids() -> None:
    asked = [at_second(0, "q9"), *(at_second(1, name) for name in ("q1", "q10", "q2", "é")), at_second(2, "q0")]
    for seed in range(5):
        rows = stored(*random.Random(seed).sample(asked, k=len(asked)))
        assert list(rows) == [replace(row, sequence=number) for number, row in enumerate(asked, start=1)]
        assert [rows[place] for place in range(-len(asked), 0)] == list(rows) == list(rows[:])


def test_a_store_of_no_rows_has_none_and_no_columns() -> None:
    rows = stored()
    assert (list(rows), len(columns_of(rows).first)) == ([], 0)


@pytest.mark.parametrize("replayed", [None, ReplayedUnknown(), REPLAY, replace(REPLAY, cost_usd=0.1 + 0.2)])
def test_a_row_is_read_as_it_was_written(replayed: Replayed | ReplayedUnknown | None) -> None:
    row = at_second(1, "q", replayed=replayed, justification='a \u2028 "b"\n', confidence=1 / 3, served_model="m-1")
    assert list(stored(row)) == [replace(row, sequence=1)]


def test_rows_that_lie_far_apart_are_read_too() -> None:
    rows = stored(*(at_second(n * 7 % 60, f"q{n:03}", justification="x" * (n % 5 * 1000)) for n in range(600)))
    assert [row.request_id for row in rows] == [f"q{n:03}" for n in sorted(range(600), key=lambda n: (n * 7 % 60, n))]


def test_no_rows_are_an_empty_list_and_a_place_beyond_the_end_is_none() -> None:
    failed = RowStore(FailedComparison, MemoryBytes())
    assert failed.in_order() == ()
    failed.add(fields_of(call("birk", "cleo", None)))
    assert failed.in_order()[0].failure_code and failed.in_order() != ()
    with pytest.raises(IndexError):
        failed.in_order()[1]


def test_an_artefact_of_stored_rows_has_the_same_bytes() -> None:
    rows = stored(at_second(1, "q1"), at_second(2, "q2", replayed=REPLAY))
    files: list[bytearray] = []
    for llm_comparisons in (rows, tuple(rows)):
        files.append(bytearray())
        sealed(artefact(llm_comparisons=llm_comparisons), HashedFile(files[-1].extend))
    assert files[0] == files[1]


def test_many_rows_take_little_memory() -> None:
    row = fields_of(at_second(1, "queue-0000000000", justification="It answers the task. " * 20))
    tracemalloc.start()
    try:
        scratch = Scratch()
        store = RowStore(Comparison, scratch)
        for n in range(20_000):
            store.add(row | {"started_at": [f"2027-03-02T08:{n // 60 % 60:02}:{n % 60:02}.{n:06}Z"]})
        rows = store.in_order()
        assert sum(1 for _ in rows) == 20_000
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert scratch.size > 12_000_000 and held < 20_000 * 100 + 500_000


def test_the_columns_stand_in_the_order_of_the_rows() -> None:
    rows = [
        at_second(
            n * 7 % 60,
            f"q{n}",
            cost_usd=n / 8,
            confidence=n // 9 or None,
            provider=f"p{n // 20}",
            essay_a_id=f"a{n // 11}",
            essay_b_id=f"b{n // 13}",
            winner_position="AB"[n // 30],
        )
        for n in range(60)
    ]
    ordered = list(stored(*rows))
    for columns in (columns_of(stored(*rows)), columns_of(tuple(stored(*rows)))):
        told = zip(columns.first, columns.second, columns.first_won, columns.judge, columns.cost_usd, strict=True)
        assert [
            (columns.essays[first], columns.essays[second], "BA"[won], *columns.judges[judge], usd)
            for first, second, won, judge, usd in told
        ] == [(r.essay_a_id, r.essay_b_id, r.winner_position, r.provider, r.model, r.cost_usd) for r in ordered]
        assert [None if isnan(one) else one for one in columns.confidence] == [r.confidence for r in ordered]


def test_the_columns_count_reasons_flags_and_told_probabilities() -> None:
    told = [("Why.", None, None), (None, "A", None), ("Ja.", "both", None), ("", "B", None)]
    rows = [
        at_second(n, f"q{n}", justification=reason, flagged=flagged, probability_a=chance)
        for n, (reason, flagged, chance) in enumerate(told)
    ]
    for columns in (columns_of(stored(*rows)), columns_of(tuple(rows))):
        assert (columns.reason_characters, columns.flagged, columns.any_probability) == (7, 3, False)
    probable = (*rows, at_second(9, "q9", probability_a=0.0), at_second(10, "q10"))
    assert columns_of(probable).any_probability and columns_of(stored(*probable)).any_probability


def test_columns_name_essays_by_their_places_in_any_list() -> None:
    columns = columns_of(stored(at_second(1, "q"))).of_essays(["cleo", "dag"])
    assert (list(columns.first), list(columns.second), list(columns.first_won)) == ([-1], [0], [1])
