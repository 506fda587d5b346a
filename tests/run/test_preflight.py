"""What would make the services fall silent later is refused beforehand, with what to do about it."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from msgspec.structs import asdict

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.events import CallbackRejected, PreflightPassed, RequestPrepared
from eng5_runner.core.spec import Study
from eng5_runner.errors import ConfigurationError, RunnerError
from tests.support.run import messages
from tests.support.run.assignments import (
    assigned,
    instructions,
    listing,
    on_the_national_scale,
    registered,
    row,
)
from tests.support.run.runs import ASSIGNMENT, GRADES, Run
from tests.support.run.world import whole_story


def test_an_assignments_anchors_are_known_under_our_ids(tmp_path):
    """The request holds students only; the artefact speaks of our anchors."""
    run = assigned(tmp_path)
    assert exit_code(run.start()) == 0
    (prepared,) = [event for event in run.events if isinstance(event, RequestPrepared)]
    sent = json.loads(prepared.payload)["data"]
    names = [essay["essay_id"] for essay in sent["essays_for_cj"]]
    assert names == ["1-essay-c0ffee00", "2-essay-c0ffee00", "3-essay-c0ffee00"]
    assert sent["assignment_id"] == str(ASSIGNMENT)
    artefact = run.artefact()
    assert {entry["essay_id"] for entry in artefact["bt_summary"]} == {*GRADES, "birk", "cleo", "dag"}
    named = {one[side] for one in artefact["llm_comparisons"] for side in ("essay_a_id", "essay_b_id")}
    assert named == {*GRADES, "birk", "cleo", "dag"}
    assert {one["essay_id"] for one in artefact["service_result"]["essays"]} == named
    assert {e["essay_id"]: e["anchor_grade"] for e in artefact["bt_summary"] if e["is_anchor"]} == GRADES


def test_only_students_and_prompt_are_uploaded_for_an_assignment(tmp_path):
    run = assigned(tmp_path)
    run.start()
    assert run.world.content.requests == 4


def test_anchors_without_a_readable_text_are_known_by_their_label_with_a_warning(tmp_path):
    run = assigned(tmp_path)
    run.world.content.texts.clear()
    run.world.cj.listing = registered(run.world, with_texts=False)
    assert exit_code(run.start()) == 0
    (passed,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    assert [row.anchor_id for row in passed.anchor_rows] == list(GRADES)
    (warning,) = [warning for warning in passed.warnings if "by their label only" in warning]
    assert "because the text could not be fetched: A1, B1, E1. " in warning


def test_labels_of_the_service_may_be_private_names_and_are_not_shown_then(tmp_path):
    run = assigned(tmp_path, pseudonyms="key.csv")
    run.world.content.texts.clear()
    run.world.cj.listing = registered(run.world, with_texts=False)
    run.start()
    (passed,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    (warning,) = [warning for warning in passed.warnings if "by their label only" in warning]
    assert "because the text could not be fetched: a1, b1, e1. " in warning


def test_an_anchor_of_an_unknown_row_is_rejected(tmp_path):
    """It came into being after the preflight; its comparisons are kept raw, and the run is partial."""
    run = assigned(tmp_path)

    def script(run_id: UUID, essays: list[str]) -> list[messages.Callback]:
        stranger = messages.comparison(run_id, 90, ("birk", "ANCHOR_99_0badcafe"), winner="Essay A")
        return [stranger, *whole_story(run_id, essays)]

    run.world.cj.script = script
    state = run.start()
    (kept,) = [event for event in run.events if isinstance(event, CallbackRejected)]
    assert "ANCHOR_99" in kept.reason
    assert (state.closed.outcome, exit_code(state), state.judged) == ("partial", 3, 15)
    (told,) = run.artefact()["runner_status"]["rejected"]
    assert told == {**asdict(kept.position), "reason": kept.reason}


def test_the_rows_outlive_the_session_that_asked_for_them(tmp_path):
    run = assigned(tmp_path)
    late = []

    def script(run_id: UUID, essays: list[str]) -> list[messages.Callback]:
        late.extend(whole_story(run_id, essays))
        return []

    run.world.cj.script = script
    run.start()
    for one in late:
        run.world.say(one)
    run.world.cj.listing = None
    assert exit_code(run.resume()) == 0


def unknown_assignment(run: Run) -> None:
    run.world.cj.record = None


def other_scale(run: Run) -> None:
    run.world.cj.record = instructions(grade_scale="swedish_8_anchor")


def stranger_anchor(run: Run) -> None:
    run.world.cj.listing = listing(row(77, "nobody", "A"))


def other_grade(run: Run) -> None:
    run.world.cj.listing = listing(row(11, "a1", "B"))


def no_anchors(run: Run) -> None:
    run.world.cj.listing = None


def canonical(run: Run) -> None:
    run.world.cj.record = instructions(context_origin="canonical_national")
    run.spec = run.spec.model_copy(update={"judge": LLMConfigOverrides(judge_rubric_override="Another rubric.")})


def unknown_provider(run: Run) -> None:
    run.spec = run.spec.model_copy(update={"judge": LLMConfigOverrides(provider_override=Provider.GOOGLE)})


def unknown_model(run: Run) -> None:
    judge = LLMConfigOverrides(provider_override=Provider.MOCK, model_override="invented-judge-3")
    run.spec = run.spec.model_copy(update={"judge": judge})


def missing_topic(run: Run) -> None:
    del run.world.cluster.logs[Topic.FAILED, 0]
    del run.world.cluster.logs[Topic.FAILED, 1]


def expected_scale(run: Run) -> None:
    """The assignment has the scale that is expected, and the run has another one."""
    other_scale(run)
    study = Study(assignment_id=ASSIGNMENT, expected_grade_scale="swedish_8_anchor")
    run.spec = run.spec.model_copy(update={"study": study})


REFUSED = [
    (unknown_assignment, str(ASSIGNMENT), "--assignment-id"),
    (other_scale, "swedish_8_anchor", "--grade-scale"),
    (expected_scale, "not eng5_np_legacy_9_step", "--grade-scale"),
    (stranger_anchor, "nobody (row 77)", "assets folder"),
    (other_grade, "grade B in the CJ service and A here", "anchor table"),
    (no_anchors, "no anchors", "Register"),
    (canonical, "canonical national", "--rubric"),
    (unknown_provider, "provider google", "mock"),
    (unknown_model, "invented-judge-3", "invented-judge-2"),
    (missing_topic, Topic.FAILED, ""),
]


@pytest.mark.parametrize(("spoil", "message", "remedy"), REFUSED)
def test_a_run_that_the_services_would_not_answer_is_refused_before_anything_is_sent(spoil, message, remedy, tmp_path):
    """With exit 78 and a remedy; the ledger holds nothing but the start."""
    run = assigned(tmp_path)
    spoil(run)
    with pytest.raises(ConfigurationError) as caught:
        run.start()
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert (caught.value.exit_code, len(run.events)) == (78, 1)
    assert (run.world.content.requests, run.world.cluster.requests) == (0, [])


def test_a_refused_run_can_be_resumed_when_the_cause_is_gone(tmp_path):
    run = assigned(tmp_path)
    unknown_assignment(run)
    with pytest.raises(RunnerError):
        run.start()
    run.world.cj.record = instructions()
    assert exit_code(run.resume()) == 0


def test_a_broker_that_does_not_answer_is_a_service_unavailable(tmp_path):
    run = assigned(tmp_path)
    run.world.broker_is_down = True
    with pytest.raises(RunnerError) as caught:
        run.start()
    assert caught.value.exit_code == 69


def test_the_national_scale_is_warned_of(tmp_path):
    """The present CJ service sends no result for it."""
    run = on_the_national_scale(tmp_path)
    run.start()
    (passed,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    assert any("national scale" in warning for warning in passed.warnings)
    assert not passed.expects_result


def test_a_service_that_supports_our_options_sends_a_result_on_the_national_scale_too(tmp_path):
    run = on_the_national_scale(tmp_path)
    run.world.cj.supports = frozenset(("max_cost_usd", "design"))
    state = run.start()
    assert (state.closed.outcome, state.expects_result) == ("complete", True)
