"""The one message that a run sends, and what a run would do before it sends anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.canonical import canonical_json
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import AnchorRow, text_or_base64
from eng5_runner.core.request import build_request
from eng5_runner.core.spec import Budget
from eng5_runner.planning.candidates import Candidates, lengths_of
from eng5_runner.planning.plan import make_plan
from eng5_runner.planning.pricing import PromptSize
from eng5_runner.results.judgements import instant
from tests.support.run.messages import SENT
from tests.support.run.runs import ASSIGNED, ASSIGNMENT, RUN_ID, make_inputs, make_spec

AT = datetime(2027, 3, 2, tzinfo=UTC)
INPUTS, TEXTS = make_inputs()
STORED = {sha256: f"{number:032x}" for number, sha256 in enumerate(sorted(TEXTS))}


def sent(**spec: object) -> dict:
    request = build_request(make_spec(**spec), INPUTS, storage_ids=STORED, at=AT)
    return json.loads(request.to_bytes())


def test_a_guest_run_sends_anchors_as_essays_and_the_instructions_as_rubric():
    data = sent()["data"]
    assert [essay["essay_id"] for essay in data["essays_for_cj"]] == list(SENT.values())
    assert data["assignment_id"] is None
    assert data["llm_config_overrides"]["judge_rubric_override"] == INPUTS.instructions.text
    assert datetime.fromisoformat(data["system_metadata"]["timestamp"]) == AT


def test_a_rubric_that_was_given_is_not_replaced():
    judge = LLMConfigOverrides(judge_rubric_override="Mine.")
    assert sent(judge=judge)["data"]["llm_config_overrides"]["judge_rubric_override"] == "Mine."


def test_with_an_assignment_the_service_has_anchors_and_instructions():
    data = sent(**ASSIGNED)["data"]
    names = [essay["essay_id"] for essay in data["essays_for_cj"]]
    assert names == ["1-essay-c0ffee00", "2-essay-c0ffee00", "3-essay-c0ffee00"]
    assert (data["assignment_id"], data["parent_id"]) == (str(ASSIGNMENT), str(ASSIGNMENT))
    assert data["llm_config_overrides"] is None


def test_every_text_is_named_by_the_id_under_which_it_is_stored():
    data = sent()["data"]
    by_id = {SENT[student.essay_id]: student.text_sha256 for student in INPUTS.students}
    stored = {essay["essay_id"]: essay["text_storage_id"] for essay in data["essays_for_cj"]}
    assert all(stored[essay_id] == STORED[sha256] for essay_id, sha256 in by_id.items())
    reference = data["student_prompt_ref"]["references"]["student_prompt_text"]
    assert reference["storage_id"] == STORED[INPUTS.prompt.text_sha256]


def test_the_budget_goes_along_as_numbers_and_is_left_out_where_it_is_not_given():
    """The service ignores a total that is a string."""
    assert sent(budget=Budget(max_comparisons=12, seed=0))["metadata"]["max_comparisons"] == 12
    assert sent(budget=Budget(seed=0))["metadata"]["seed"] == 0
    assert sent()["metadata"] == {
        "runner_mode": "execute",
        "batch_label": "a label",
        "reads_to_end": True,
        "max_comparisons": 15,
    }


def test_the_same_run_has_the_same_ids_however_often_its_request_is_built():
    first, second = sent(), sent()
    assert first == second
    assert first["event_id"] != first["correlation_id"]
    assert first["data"]["entity_id"] == str(RUN_ID)


def test_a_plan_counts_what_it_would_upload_and_ask():
    spec = make_spec(budget=Budget(max_comparisons=7))
    size = PromptSize(prefix=9, rest=9, form=9, essays=9.0, longest=9, longest_bytes=9)
    candidates = Candidates(chosen=None, others=(), size=size)
    cached = dict(list(STORED.items())[:1])
    plan = make_plan(spec, INPUTS, lengths=lengths_of(TEXTS), cached=cached, candidates=candidates)
    assert (plan.essays, plan.comparisons, plan.to_upload, plan.cached) == (6, 7, 6, 1)
    assert plan.chosen_by == "--max-comparisons: 2 whole rounds of 3 pairs and 1 of the 3 pairs of another round"
    assert plan.upload_bytes < sum(map(len, TEXTS.values()))


NAMES = EssayNames.of({"birk": "birk"}, rows=[AnchorRow(row_id=7, anchor_id="anchor-a1")])
WIRE = [
    ("birk", "birk"),
    ("ANCHOR_7_0badcafe", "anchor-a1"),
    ("ANCHOR_007_x", "anchor-a1"),
    ("anchor_7_0badcafe", None),
    ("ANCHOR_8_0badcafe", None),
    ("ANCHOR_7_", None),
    ("ANCHOR_7_ab\n", None),
    (" ANCHOR_7_ab", None),
    ("ANCHOR_-7_ab", None),
    (f"ANCHOR_{'7' * 5000}_ab", None),
    ("", None),
]


@pytest.mark.parametrize(("wire", "ours"), WIRE)
def test_a_name_on_the_wire_is_one_of_ours_or_a_strangers(wire, ours):
    assert NAMES.our_id(wire) == ours


@given(st.text())
def test_any_name_on_the_wire_gets_an_answer(name):
    assert NAMES.our_id(name) in (None, "birk", "anchor-a1")


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_has_the_same_width(when):
    """Also before the year 1000, so that a validator takes it for a date."""
    told = instant(when)
    assert len(told) == len("2027-03-02T08:00:00.000000Z")
    assert datetime.fromisoformat(told) == when


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values))
def test_equal_values_have_equal_bytes_whatever_the_order_of_their_keys(value):
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert json.loads(canonical_json(value)) == value


@given(st.binary())
def test_bytes_are_text_or_base64_and_never_both(raw):
    text, encoded = text_or_base64(raw)
    assert (text is None) != (encoded is None)
