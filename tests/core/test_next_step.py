"""What is due next, how a session ended, and what the process tells its caller."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.core.events import CallbackAccepted, CallbackRepeated, DeadlineReached, Event, RunClosed
from eng5_runner.core.needs import texts_to_store
from eng5_runner.core.next_step import SILENCE, is_overspent, missing_uploads, next_step, verdict
from eng5_runner.core.spec import Budget, Mode, Target, Timeouts
from eng5_runner.core.state import RunState, fold
from tests.support.run.events import AT, ONE_OF_EACH, WAYS, place
from tests.support.run.runs import ASSIGNED, DRY, REMOTE, make_inputs, make_spec

INPUTS, _ = make_inputs()
NO_KAFKA = {"mode": Mode.EXECUTE, "send": False, "target": REMOTE}
NOWHERE = {"send": False, "target": Target(stack="embedded")}
IMPATIENT = {"timeouts": Timeouts(await_completion=False)}


def reached(stage: str, *more: Event, **spec: object) -> RunState:
    """A state in this stage, of a run with this spec, after some more events."""
    started = ONE_OF_EACH["RunStarted"].model_copy(update={"spec": make_spec(**spec)})
    events = [started if name == "RunStarted" else ONE_OF_EACH[name] for name in WAYS[stage].split()]
    return fold([*events, *more])


def accepted(kind: str, *, judged: bool = False, note: str = "") -> CallbackAccepted:
    return CallbackAccepted(
        at=AT, position=place(9), raw="{}", kind=kind, key=kind, fingerprint="f", judged=judged, note=note
    )


DUE = [
    ("started", {}, "preflight"),
    ("started", NO_KAFKA, "preflight"),
    ("started", DRY, "prepare"),
    ("started", NOWHERE, "prepare"),
    ("cleared", {}, "upload"),
    ("cleared", NO_KAFKA, "upload"),
    ("listening", {}, "publish"),
    ("prepared", {}, "publish"),
    ("prepared", NO_KAFKA, "close"),
    ("gathering", {}, "gather"),
    ("gathering", IMPATIENT, "close"),
    ("raised", {}, "publish"),
    ("closed", {}, None),
]


@pytest.mark.parametrize(("stage", "spec", "step"), DUE)
def test_the_step_that_is_due(stage, spec, step):
    assert next_step(reached(stage, **spec), INPUTS) == step


@pytest.mark.parametrize(("spec", "step"), [({}, "publish"), (NO_KAFKA, "prepare")])
def test_after_the_last_upload_the_request_is_due(spec, step):
    state = reached("cleared", **spec)
    state.storage_ids = dict.fromkeys(missing_uploads(state, INPUTS), "s")
    assert next_step(state, INPUTS) == step


def test_with_an_assignment_anchors_are_not_uploaded():
    students_and_prompt = {one.text_sha256 for one in INPUTS.students} | {INPUTS.prompt.text_sha256}
    assert set(missing_uploads(reached("cleared", **ASSIGNED), INPUTS)) == students_and_prompt
    assert len(texts_to_store(INPUTS, with_anchors=True)) == 7


ENDINGS = [
    ("complete", ("completed", "result"), 1, 0),
    ("failed", ("failed",), 1, 3),
    ("failed", ("failed",), 0, 69),
    ("partial", ("completed", "result"), 0, 75),
]


@pytest.mark.parametrize(("outcome", "kinds", "judgements", "code"), ENDINGS)
def test_how_a_run_ended(outcome, kinds, judgements, code):
    notes = {"completed": "completed_successfully", "failed": "why"}
    events = [accepted("comparison", judged=True)] * judgements + [accepted(k, note=notes.get(k, "")) for k in kinds]
    state = reached("gathering", *events)
    found, reasons = verdict(state)
    assert (found, bool(reasons)) == (outcome, outcome != "complete")
    state.advance(RunClosed(at=AT, outcome=found, reasons=reasons))
    assert exit_code(state) == code


@pytest.mark.parametrize("kinds", list(permutations(("completed", "result", "failed"))))
def test_a_completion_outweighs_a_failed_event_in_any_order(kinds):
    notes = {"completed": "completed_successfully", "failed": "another service does not know the assignment"}
    told = [accepted(kind, note=notes.get(kind, "")) for kind in kinds]
    state = reached("gathering", accepted("comparison", judged=True), *told)
    assert verdict(state) == ("complete", ())
    assert state.failure is None


@pytest.mark.parametrize(("judgements", "code"), [(0, 75), (1, 3)])
def test_a_deadline_is_temporary_without_judgements_and_partial_with_them(judgements, code):
    told = [accepted("comparison", judged=True)] * judgements
    state = reached("gathering", *told, DeadlineReached(at=AT, kind="idle", waited=61.4))
    silence = () if judgements else (SILENCE,)
    assert verdict(state) == ("partial", ("idle deadline after 61 s", *silence))
    state.advance(RunClosed(at=AT, outcome="partial"))
    assert exit_code(state) == code


@pytest.mark.parametrize(
    ("outcome", "lost", "code"), [("partial", True, 3), ("partial", False, 75), ("failed", True, 69)]
)
def test_what_the_broker_dropped_no_resume_brings_back(outcome, lost, code):
    """Without a judgement 75 says that `resume` may help; it does not help with what is lost."""
    state = reached("gathering", *([ONE_OF_EACH["OffsetsLost"]] if lost else []))
    state.advance(RunClosed(at=AT, outcome=outcome))
    assert (state.judged, exit_code(state)) == (0, code)


@pytest.mark.parametrize(("outcome", "code"), [("not-sent", 0), ("not-awaited", 0), ("interrupted", 75)])
def test_the_codes_of_the_other_outcomes(outcome, code):
    assert exit_code(reached("gathering", RunClosed(at=AT, outcome=outcome))) == code


def test_a_run_that_is_not_closed_is_temporary():
    assert exit_code(reached("gathering")) == 75


def test_a_run_that_was_left_unawaited_is_gathered_when_it_is_taken_up_again():
    state = reached("gathering", RunClosed(at=AT, outcome="not-awaited"), ONE_OF_EACH["RunResumed"], **IMPATIENT)
    assert next_step(state, INPUTS) == "gather"
    state.advance(accepted("failed", note="why"))
    assert verdict(state)[0] == "failed"


SHORTCOMINGS = [
    ("what the service said of its failure", [accepted("failed", note="no essays")], "failure: no essays"),
    ("another status", [accepted("completed", note="completed_with_errors")], "the status completed_with_errors"),
    ("no winner", [accepted("completed", note="completed_successfully")], "no comparison with a winner"),
    ("total", [DeadlineReached(at=AT, kind="total", waited=120.4)], "total deadline after 120 s"),
    ("silence", [DeadlineReached(at=AT, kind="idle", waited=60.0)], SILENCE),
    ("unusable", [ONE_OF_EACH["CallbackRejected"]], "1 message of this run could not be used"),
    (
        "contradictions",
        [CallbackRepeated(at=AT, position=place(7), key="k", conflict=True, raw="{}")],
        "1 message contradicts an earlier one",
    ),
    ("losses", [ONE_OF_EACH["OffsetsLost"]], "4 records were dropped by the broker"),
]


@pytest.mark.parametrize(
    ("events", "reason"), [case[1:] for case in SHORTCOMINGS], ids=[case[0] for case in SHORTCOMINGS]
)
def test_a_run_that_is_not_whole_says_why(events, reason):
    outcome, reasons = verdict(reached("gathering", *events))
    assert outcome == ("failed" if "failure" in reason else "partial")
    assert sum(reason in one for one in reasons) == 1


def test_a_whole_run_has_nothing_to_say():
    done = accepted("completed", note="completed_successfully")
    events = [accepted("comparison", judged=True), done, accepted("result")]
    assert verdict(reached("gathering", *events)) == ("complete", ())


def test_a_result_that_came_after_its_deadline_is_no_shortcoming():
    late = DeadlineReached(at=AT, kind="result", waited=20.0)
    done = [accepted("comparison", judged=True), accepted("completed", note="completed_successfully"), late]
    assert verdict(reached("gathering", *done))[0] == "partial"
    assert verdict(reached("gathering", *done, accepted("result")))[0] == "complete"


def test_without_sending_or_waiting_nothing_is_missing():
    assert verdict(reached("prepared", **DRY)) == ("not-sent", ())
    assert verdict(reached("gathering", **IMPATIENT)) == ("not-awaited", ())


def stopped(limit: float) -> CallbackAccepted:
    """The service's completion where it stopped at this cost limit."""
    return replace(accepted("completed", note="completed_successfully"), limit_usd=limit, key="c")


def test_a_stop_at_the_cost_limit_is_an_outcome_of_its_own():
    limited = {"budget": Budget(max_cost_usd=1.5)}
    outcome, (reason,) = verdict(reached("gathering", accepted("comparison", judged=True), stopped(1.5), **limited))
    assert (outcome, "the cost limit of 1.5 USD is reached" in reason) == ("budget", True)
    whole = [accepted("comparison", judged=True), stopped(1.5), accepted("completed", note="completed_successfully")]
    assert verdict(reached("gathering", *whole, **limited))[0] == "complete", "it went on, and is done"


@pytest.mark.parametrize(("cost", "over"), [(1.5, False), (1.5 + 1e-12, False), (1.500001, True)])
def test_more_than_the_limit_is_said_to_be_spent_but_for_the_rounding_of_a_sum(cost, over):
    paid = replace(accepted("comparison", judged=True), cost_usd=cost)
    state = reached("gathering", paid, budget=Budget(max_cost_usd=1.5))
    assert is_overspent(state) is over
    assert any("more than the cost limit of 1.5 USD" in one for one in verdict(state)[1]) is over
    assert not is_overspent(reached("gathering", paid)), "without a limit nothing is too much"


def test_what_is_stored_already_is_not_missing_and_a_run_that_uploads_nothing_misses_nothing():
    state = reached("cleared")
    first, *rest = missing_uploads(state, INPUTS)
    state.storage_ids = {first: "s"}
    assert missing_uploads(state, INPUTS) == tuple(rest)
    assert missing_uploads(reached("started", **DRY), INPUTS) == ()
