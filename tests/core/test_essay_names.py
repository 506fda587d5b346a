"""Names on the wire: distinct, the same order for the same texts, of one run only, and silent about the essay."""

from __future__ import annotations

from uuid import UUID

from eng5_runner.core.essay_names import EssayNames, wire_ids
from eng5_runner.core.events import AnchorRow

RUN = UUID("c0ffee00-0000-4000-8000-000000000000")
OTHER = UUID("deadbeef-0000-4000-8000-000000000000")


def test_numbers_follow_the_texts_past_ten_and_names_stay_in_the_order_of_our_ids() -> None:
    essays = {f"s{number:02}": f"{99 - number}" for number in range(12)}
    names = wire_ids(essays, run_id=RUN)
    assert list(names) == sorted(essays)
    assert names["s00"] == "12-essay-c0ffee00"
    assert names["s11"] == "01-essay-c0ffee00"


def test_a_name_has_no_part_of_our_id_and_does_not_depend_on_it() -> None:
    texts = {"lindqvist-maria": "b", "anchor-aplus1": "a", "akesson": "c"}
    renamed = {"pupil-1": "b", "anchor-2": "a", "pupil-3": "c"}
    assert list(wire_ids(texts, run_id=RUN).values()) == ["3-essay-c0ffee00", "1-essay-c0ffee00", "2-essay-c0ffee00"]
    assert sorted(wire_ids(texts, run_id=RUN).values()) == sorted(wire_ids(renamed, run_id=RUN).values())
    assert wire_ids(renamed, run_id=RUN)["pupil-1"] == wire_ids(texts, run_id=RUN)["lindqvist-maria"]


def test_essays_with_the_same_text_have_different_names() -> None:
    assert wire_ids({"b": "x", "a": "x"}, run_id=RUN) == {"a": "1-essay-c0ffee00", "b": "2-essay-c0ffee00"}


def test_two_runs_share_no_name() -> None:
    first, second = (set(wire_ids({"a": "x", "b": "y"}, run_id=run).values()) for run in (RUN, OTHER))
    assert not first & second


def test_a_text_of_a_service_is_shown_with_our_ids() -> None:
    names = EssayNames.of({"1-birk-c0ffee00": "birk"}, rows=[AnchorRow(row_id=7, anchor_id="anchor-a1")])
    text = "no text for 1-birk-c0ffee00 (ANCHOR_7_0badcafe, ANCHOR_8_0badcafe, 1-birk-c0ffee001)"
    assert names.with_our_ids(text) == "no text for birk (anchor-a1, ANCHOR_8_0badcafe, 1-birk-c0ffee001)"
