"""The artefact's types: what is written is read again alike, and what an older version did not write is None."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from eng5_runner.canonical import canonical_json
from eng5_runner.results.artefact import ZERO_CHECKSUM, Artefact, HashedFile, parse_artefact, sealed
from eng5_runner.results.artefact.part import to_bytes, to_json
from eng5_runner.results.artefact.study import Replayed, ReplayedUnknown
from eng5_runner.results.compare import compare_artefacts
from tests.support.artefacts import AT, artefact, comparison, entry, model

DATA = Path(__file__).parent / "data"
GUARD = Path(__file__).parents[1] / "guard" / "runs"
OF_TODAY = sorted(GUARD.glob("*/assessment_run.*.json"))
FIRST = DATA / "first_version.execute.json"
"""By the first version that ran a study: it had no quality card, no intervals of agreement, no look at the service."""
BEFORE_DESIGNS = DATA / "before_designs.anchor-align.json"
"""By a version that knew no designs and no targets."""


def sealed_bytes(read: Artefact) -> tuple[Artefact, bytes]:
    """The sealed artefact and the bytes of its file."""
    data = bytearray()
    return sealed(read, HashedFile(data.extend)), bytes(data)


@pytest.mark.parametrize("path", OF_TODAY, ids=lambda path: path.parent.name)
def test_what_is_read_is_written_again_byte_for_byte(path):
    data = path.read_bytes()
    read = parse_artefact(data)
    assert to_bytes(read) == data
    assert sealed_bytes(read) == (read, data)
    assert to_json(read) == json.loads(data)


def test_the_first_version_is_read_and_what_it_lacks_is_none():
    run = parse_artefact(FIRST.read_bytes())
    assert (run.judge_quality, run.judge_request, run.comparison_with_service, run.stopping) == (None,) * 4
    alignment = run.anchor_alignment
    assert alignment.kendall_tau_b is not None
    assert (alignment.intervals_90, alignment.spearman, alignment.left_out_bias, alignment.targets) == (None,) * 4
    assert (run.bt_model.reliability.bootstrap_draws, run.bt_model.reliability.separation) == (None, None)
    assert {entry.interval_90 for entry in run.bt_summary} == {None}
    assert len(run.llm_comparisons) == 24 and run.llm_comparisons[0].first_won in (True, False)


def test_a_version_before_designs_is_read_and_has_no_stopping():
    run = parse_artefact(BEFORE_DESIGNS.read_bytes())
    assert run.stopping is None
    assert run.metadata.runner_mode.anchors_only
    assert run.anchor_alignment.targets is not None and run.judge_quality is not None


def test_runs_of_different_versions_can_be_compared():
    compared = compare_artefacts(parse_artefact(FIRST.read_bytes()), parse_artefact(BEFORE_DESIGNS.read_bytes()))
    assert (compared.essays.shared, compared.anchors.anchors) == (6, 6)
    assert compared.anchors.tau_b_a.interval_90 is not None, "estimated, for the first version states none"


def test_a_field_of_a_later_version_is_ignored():
    document = json.loads(FIRST.read_bytes())
    document["of_next_year"] = document["metadata"]["of_next_year"] = document["llm_comparisons"][0]["new"] = 1
    assert parse_artefact(canonical_json(document)) == parse_artefact(FIRST.read_bytes())


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema_version": "2.0.0"}, "schema_version"),
        ({"metadata": {}}, "metadata.assignment_id"),
        ({"bt_summary": [{"essay_id": "birk", "theta": "a secret", "standard_error": 1.0}]}, "bt_summary.0"),
        ({"llm_comparisons": [{"sequence": True}]}, "llm_comparisons.0"),
        ({"costs": None}, "costs"),
    ],
)
def test_what_is_no_artefact_is_refused_by_place_and_without_its_values(change, place):
    document = json.loads(FIRST.read_bytes()) | change
    with pytest.raises(ValueError, match=place) as caught:
        parse_artefact(canonical_json(document))
    assert "a secret" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"schema_version": '])
def test_bytes_that_are_no_artefact_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        parse_artefact(data)


def test_the_checksum_is_of_the_file_with_zeros_in_its_place():
    made, data = sealed_bytes(artefact())
    stated = made.validation.artefact_checksum
    blank = data.replace(stated.encode(), ZERO_CHECKSUM.encode())
    assert hashlib.sha256(blank).hexdigest() == stated != ZERO_CHECKSUM
    assert json.loads(data)["validation"]["artefact_checksum"] == stated


def test_a_text_that_looks_like_the_checksum_is_left_alone():
    trap = f'"artefact_checksum": "{ZERO_CHECKSUM}"'
    rows = (comparison("birk", "cleo", "birk", justification=trap),)
    made, data = sealed_bytes(artefact(llm_comparisons=rows))
    assert parse_artefact(data) == made
    assert parse_artefact(data).llm_comparisons[0].justification == trap


def test_an_absent_figure_is_left_out_or_null_as_the_field_says():
    stated = to_json(artefact(bt_summary=(entry("birk"),), bt_model=model()))
    assert isinstance(stated, dict)
    assert "infit" not in stated["bt_summary"][0], "a field that is left out"
    assert stated["bt_model"]["position_effect"] is None, "a field that is null"
    assert "judge_request" not in stated, "a block that older versions did not write"


def test_a_replay_of_unknown_origin_is_an_empty_object_and_an_unknown_price_is_null():
    known = Replayed(request_id="queue-1", recorded_at=AT, cost_usd=None, tokens_prompt=1, tokens_completion=2)
    rows = tuple(comparison("birk", "cleo", "birk", replayed=replayed) for replayed in (known, ReplayedUnknown()))
    made = artefact(llm_comparisons=rows)
    stated = json.loads(to_bytes(made))["llm_comparisons"]
    assert stated[0]["replayed"]["cost_usd"] is None
    assert stated[1]["replayed"] == {}
    assert parse_artefact(to_bytes(made)).llm_comparisons == rows


def test_an_artefact_cannot_be_changed():
    made = artefact(llm_comparisons=(comparison("birk", "cleo", "birk"),))
    with pytest.raises(ValueError, match="frozen"):
        made.schema_version = "1.0.2"
    with pytest.raises(AttributeError):
        made.llm_comparisons[0].winner_id = "cleo"


def test_what_is_no_part_is_not_written():
    with pytest.raises(TypeError, match="not JSON serializable"):
        to_bytes({"a": object()})
    with pytest.raises(TypeError, match="no part of an artefact"):
        to_json([object()])
