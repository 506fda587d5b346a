"""Names on the wire: short, distinct, in order, of one run only, and silent about grades."""

from __future__ import annotations

from uuid import UUID

from eng5_runner.contracts.request import ESSAY_ID_LENGTH
from eng5_runner.core.essay_names import EssayNames, wire_ids
from eng5_runner.core.events import AnchorRow

RUN = UUID("c0ffee00-0000-4000-8000-000000000000")
OTHER = UUID("deadbeef-0000-4000-8000-000000000000")


def test_names_keep_the_order_of_our_ids_past_ten() -> None:
    ids = [f"s{number:02}" for number in range(12)]
    names = wire_ids(reversed(ids), run_id=RUN)
    assert list(names) == ids
    assert list(names.values()) == sorted(names.values())
    assert names["s00"] == "01-s00-c0ffee00"


def test_a_long_id_is_shortened_and_stays_distinct() -> None:
    ids = [f"{'x' * 60}-{end}" for end in "ab"]
    names = wire_ids(ids, run_id=RUN)
    assert len(set(names.values())) == 2
    assert {len(name) for name in names.values()} == {ESSAY_ID_LENGTH}


def test_a_shortened_id_does_not_end_with_a_separator() -> None:
    room = ESSAY_ID_LENGTH - len("1-") - len("-c0ffee00")
    (name,) = wire_ids([f"{'x' * (room - 2)}-_yy"], run_id=RUN).values()
    assert name == f"1-{'x' * (room - 2)}-c0ffee00"


def test_two_runs_share_no_name() -> None:
    first, second = (set(wire_ids(["a", "b"], run_id=run).values()) for run in (RUN, OTHER))
    assert not first & second


def test_an_id_that_is_given_twice_is_one_essay() -> None:
    assert wire_ids(["a", "a"], run_id=RUN) == {"a": "1-a-c0ffee00"}


def test_a_text_of_a_service_is_shown_with_our_ids() -> None:
    names = EssayNames.of({"1-birk-c0ffee00": "birk"}, rows=[AnchorRow(row_id=7, anchor_id="anchor-a1")])
    text = "no text for 1-birk-c0ffee00 (ANCHOR_7_0badcafe, ANCHOR_8_0badcafe, 1-birk-c0ffee001)"
    assert names.with_our_ids(text) == "no text for birk (anchor-a1, ANCHOR_8_0badcafe, 1-birk-c0ffee001)"
