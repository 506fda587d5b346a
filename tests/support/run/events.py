"""One event of each kind, and how each stage of a run is reached by them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from eng5_runner.core.events import (
    BudgetRaised,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    CheckGradesAdded,
    DeadlineReached,
    EssayUploaded,
    Event,
    HumanJudgement,
    HumanJudgementsAdded,
    KnownGrade,
    ListeningFrom,
    OffsetsLost,
    Position,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.core.spec import Mode, RunSpec, Target, Versions

AT = datetime(2027, 3, 2, tzinfo=UTC)
RUN_ID = UUID("c0ffee00-1111-4222-8333-444455556666")
VERSIONS = Versions(runner="0", git_sha="0123456", python="3", os="o")
SPEC = RunSpec(run_id=RUN_ID, label="l", mode=Mode.EXECUTE, send=True, assets="/a", target=Target(stack="embedded"))


def place(offset: int) -> Position:
    return Position(topic="t", partition=0, offset=offset)


ONE_OF_EACH: dict[str, Event] = {
    event.type: event
    for event in (
        RunStarted(at=AT, spec=SPEC, inputs_sha256="0" * 64, versions=VERSIONS),
        RunResumed(at=AT, versions=VERSIONS),
        PreflightPassed(at=AT, checks=("c",)),
        EssayUploaded(at=AT, text_sha256="0" * 64, storage_id="s"),
        ListeningFrom(at=AT, cluster_id="c", request_ends=(place(0),), callback_ends=(place(5),)),
        RequestPrepared(at=AT, event_id=RUN_ID, payload="{}"),
        RequestPublished(at=AT, position=place(0)),
        CallbackAccepted(at=AT, position=place(6), raw="{}", kind="completed", key="k", fingerprint="f"),
        CallbackRepeated(at=AT, position=place(7), key="k"),
        CallbackRejected(at=AT, position=place(8), reason="r", raw=""),
        OffsetsLost(at=AT, position=place(5), resumed_at=9),
        DeadlineReached(at=AT, kind="idle", waited=1.0),
        BudgetRaised(at=AT, max_cost_usd=2.0),
        HumanJudgementsAdded(
            at=AT,
            file_name="teachers.csv",
            sha256="0" * 64,
            shown_in_order=True,
            judgements=(HumanJudgement(judge="t", first="a", second="b", winner="first"),),
        ),
        CheckGradesAdded(at=AT, file_name="known.csv", sha256="0" * 64, grades=(KnownGrade(essay_id="a", grade="B"),)),
        RunClosed(at=AT, outcome="partial"),
    )
}
# How each stage is reached: written here a second time, from the drawing and not from the table.
WAYS = {
    "new": "",
    "started": "RunStarted",
    "cleared": "RunStarted PreflightPassed",
    "listening": "RunStarted PreflightPassed ListeningFrom",
    "prepared": "RunStarted PreflightPassed ListeningFrom RequestPrepared",
    "gathering": "RunStarted PreflightPassed ListeningFrom RequestPrepared RequestPublished",
    "raised": "RunStarted PreflightPassed ListeningFrom RequestPrepared BudgetRaised",
    "closed": "RunStarted RunClosed",
}
