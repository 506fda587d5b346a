"""Events to write down."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from eng5_runner.core.events import (
    AnchorRow,
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

AT = datetime(2026, 11, 22, 11, 3, 57, 439371, tzinfo=UTC)
# Characters that line-based files trip over, and one beyond the basic plane.
AWKWARD = 'line\nbreaks\r\u2028\u0085 "quotes" \\ \0 ,"_crc":"00000000"} räksmörgås 😀'


def uploaded(number: int, *, at: datetime = AT) -> EssayUploaded:
    return EssayUploaded(at=at, text_sha256=f"{number:064x}", storage_id=f"{number:032x}")


def rejected(offset: int) -> CallbackRejected:
    return CallbackRejected(at=AT, position=Position(topic="t", partition=0, offset=offset), reason="r", raw="")


def one_of_each() -> tuple[Event, ...]:
    """Each kind of event, with every field filled."""
    place, *later = (Position(topic="t", partition=3, offset=offset) for offset in (41, 42, 43))
    versions = Versions(runner="0.1.0", git_sha="f" * 40, python="3.11", os="Linux")
    run_id = UUID(int=7)
    spec = RunSpec(
        run_id=run_id, label=AWKWARD, mode=Mode.EXECUTE, send=True, assets="/a", target=Target(stack="embedded")
    )
    return (
        RunStarted(at=AT, spec=spec, inputs_sha256="0" * 64, versions=versions),
        RunResumed(at=AT, versions=versions),
        PreflightPassed(
            at=AT,
            checks=("up",),
            warnings=(AWKWARD,),
            anchor_rows=(AnchorRow(row_id=1, anchor_id="anchor-a"),),
            comparison_at_most_usd=0.1,
        ),
        EssayUploaded(at=AT, text_sha256="a" * 64, storage_id="b" * 32, cached=True),
        ListeningFrom(at=AT, cluster_id="c", request_ends=(place,), callback_ends=(place, place)),
        RequestPrepared(at=AT, event_id=run_id, payload=AWKWARD),
        RequestPublished(at=AT, position=place, found=True),
        CallbackAccepted(
            at=AT,
            position=place,
            raw=AWKWARD,
            kind="comparison",
            key="k",
            fingerprint="f",
            judged=True,
            cost_usd=0.1 + 0.2,
            note="n",
        ),
        CallbackRepeated(at=AT, position=later[0], key="k", conflict=True, raw=AWKWARD),
        CallbackRejected(at=AT, position=later[1], reason=AWKWARD, raw_base64="/w=="),
        OffsetsLost(at=AT, position=place, resumed_at=50),
        DeadlineReached(at=AT, kind="idle", waited=900.25),
        BudgetRaised(at=AT, max_cost_usd=0.1 + 0.7),
        HumanJudgementsAdded(
            at=AT,
            file_name=AWKWARD,
            sha256="b" * 64,
            shown_in_order=True,
            judgements=(HumanJudgement(judge=AWKWARD, first="a", second="b", winner="tie", count=2),),
        ),
        CheckGradesAdded(at=AT, file_name=AWKWARD, sha256="c" * 64, grades=(KnownGrade(essay_id="a", grade=AWKWARD),)),
        RunClosed(at=AT, outcome="partial", reasons=(AWKWARD,), read_to=(place,)),
    )
