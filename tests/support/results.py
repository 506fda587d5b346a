"""Small studies made of plain values, and the one place that knows how the results hold their figures.

The tests of this folder say which essays won and which figure they mean; here it becomes inputs, callbacks and events.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from eng5_runner.contracts.callbacks import AssessmentResult, ComparisonMetadata, LLMComparisonResult
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import (
    CallbackAccepted,
    CallbackKind,
    Event,
    ListeningFrom,
    Position,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunStarted,
)
from eng5_runner.core.inputs import Anchor, Document, Inputs, SourceFile, Student
from eng5_runner.core.request import build_request
from eng5_runner.core.spec import Budget
from eng5_runner.core.state import RunState, fold
from eng5_runner.measure.grading.grades import project
from eng5_runner.results import estimates
from eng5_runner.results.anchors.alignment import anchor_alignment
from eng5_runner.results.artefact.part import to_json
from eng5_runner.results.artefact.service import ServiceEstimate
from eng5_runner.results.artefact.study import Comparison, FailedComparison
from eng5_runner.results.fitted_study import JudgedStudy
from eng5_runner.results.judge_quality import judge_quality
from eng5_runner.results.judgements import (
    Evidence,
    FailedFields,
    JudgedFields,
    PromptSources,
    comparison_fields,
    gather_evidence,
)
from eng5_runner.results.served import ServedVersions, Spending
from eng5_runner.results.service_comparison import RunnerEstimate, comparison_with_service
from eng5_runner.results.stopping import stopping
from tests.support.run import messages
from tests.support.run.runs import RUN_ID, VERSIONS, make_inputs, make_spec

Arrived: TypeAlias = CallbackAccepted
Call: TypeAlias = Comparison | FailedComparison
TOPIC_OF: Mapping[CallbackKind, Topic] = {
    "comparison": Topic.COMPARISON,
    "completed": Topic.COMPLETED,
    "failed": Topic.FAILED,
    "result": Topic.RESULT,
}
SCALE = "eng5_np_legacy_9_step"
JUDGE = ("mock", "invented-judge-1")
NOON = datetime(2027, 3, 2, 12, tzinfo=UTC)


def at(block: Any, *path: str | int) -> Any:
    """A figure in a block of the results by its path, whether the block holds keys or fields."""
    for step in path:
        block = block[step] if isinstance(block, Mapping | Sequence) else getattr(block, str(step))
    return block


def plain(block: Any) -> Any:
    """A block as JSON holds it."""
    return to_json(block)


def row_of(rows: Iterable[Any], name: str, *, key: str = "essay_id") -> Any:
    """The only row of this essay."""
    (found,) = [row for row in rows if at(row, key) == name]
    return found


def _file(name: str) -> SourceFile:
    return SourceFile.of(name.encode(), source_path=name, encoding="utf-8", file_format="txt")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _document(name: str, text: str) -> Document:
    return Document(file=_file(name), text=text, text_sha256=_sha256(text), word_count=len(text.split()))


def inputs_of(
    *, students: Iterable[str] = (), anchors: Mapping[str, str] | None = None, words: Mapping[str, int] | None = None
) -> Inputs:
    """Inputs with these students, these anchors (id → grade) and these numbers of words (100 where none is given)."""
    counts = words or {}
    return Inputs(
        grade_scale=SCALE,
        instructions=_document("instructions.md", "Judge the language."),
        prompt=_document("prompt.md", "Write about rain."),
        anchor_table=None,
        anchors=tuple(
            Anchor(
                anchor_id=name,
                file=_file(f"{name}.txt"),
                grade=grade,
                text_sha256=_sha256(name),
                word_count=counts.get(name, 100),
                label=name,
            )
            for name, grade in sorted((anchors or {}).items())
        ),
        students=tuple(
            Student(
                essay_id=name,
                file=_file(f"{name}.txt"),
                text_sha256=_sha256(name),
                word_count=counts.get(name, 100),
            )
            for name in sorted(students)
        ),
        notes=(),
    )


def call(first: str, second: str, winner: str | None, *, number: int = 0, **changes: Any) -> Call:
    """One call, `number` seconds after noon; `winner` is an essay, or None for a call that failed.

    Args:
        first: the essay that is shown first.
        second: the other one.
        winner: one of both, or None.
        number: makes the request's id and times.
        changes: fields of the result, `about` for fields of its metadata.
    """
    about = changes.pop("about", {})
    outcome: dict[str, Any] = {"error_detail": {"error_code": "LLM_PROVIDER_TIMEOUT", "message": "Too slow."}}
    if winner is not None:
        outcome = {"winner": {first: "Essay A", second: "Essay B"}[winner], "justification": "Why.", "confidence": 3.0}
    told: dict[str, Any] = {
        "request_id": f"queue-{number:05d}",
        "correlation_id": None,
        "provider": JUDGE[0],
        "model": JUDGE[1],
        "response_time_ms": 250,
        "token_usage": {"prompt_tokens": 600, "completion_tokens": 40},
        "cost_estimate": 0.001,
        "requested_at": NOON + timedelta(seconds=number),
        "completed_at": NOON + timedelta(seconds=number, milliseconds=250),
        "request_metadata": {
            "essay_a_id": first,
            "essay_b_id": second,
            "prompt_sha256": _sha256(f"{first}|{second}"),
        }
        | about,
    }
    result = LLMComparisonResult.model_validate(told | outcome | changes)
    names = EssayNames({first: first, second: second}, {})
    return call_of(comparison_fields(result, names, cost_usd=result.cost_estimate, otherwise=RUN_ID))


def call_of(fields: JudgedFields | FailedFields) -> Call:
    """A row of these fields, as number 1 of its list."""
    return Comparison(sequence=1, **fields) if "winner_id" in fields else FailedComparison(sequence=1, **fields)


def calls(*verdicts: str, **changes: Any) -> list[Call]:
    """Calls written as `a>b` (a was shown first and won), `a<b` (a was shown first and lost), `a?b` (it failed)."""
    made = []
    for number, verdict in enumerate(verdicts):
        sign = next(sign for sign in "<>?" if sign in verdict)
        first, second = verdict.split(sign)
        winner = {">": first, "<": second, "?": None}[sign]
        made.append(call(first, second, winner, number=number, **changes))
    return made


def all_pairs(order: Sequence[str], *, upsets: Iterable[tuple[str, str]] = ()) -> list[Call]:
    """Every pair in both orders; the essay that stands earlier in `order` wins, but for the upsets (winner, loser)."""
    lost = {frozenset(pair): pair[0] for pair in upsets}
    made: list[Call] = []
    for place, better in enumerate(order):
        for worse in order[place + 1 :]:
            winner = lost.get(frozenset((better, worse)), better)
            for first, second in ((better, worse), (worse, better)):
                made.append(call(first, second, winner, number=len(made)))
    return made


def study_of(inputs: Inputs, judged: Sequence[Comparison], *, failed: Sequence[FailedComparison] = ()) -> JudgedStudy:
    """The judgements, fitted."""
    return JudgedStudy.of(inputs, judged=judged, failed=failed)


def estimates_of(
    inputs: Inputs,
    judged: Sequence[Comparison],
    *,
    failed: Sequence[FailedComparison] = (),
    adaptive: bool = False,
    soft: bool = False,
) -> estimates.Estimates:
    """All blocks that are computed from the judgements."""
    return estimates.estimate(inputs, judged, failed=failed, adaptive=adaptive, soft=soft)


def quality_of(inputs: Inputs, judged: Sequence[Comparison], *, failed: Sequence[FailedComparison] = ()) -> Any:
    """The judge's quality card."""
    return judge_quality(study_of(inputs, judged, failed=failed))


def alignment_of(inputs: Inputs, judged: Sequence[Comparison]) -> Any:
    """How the order of the anchors agrees with their grades."""
    study = study_of(inputs, judged)
    projection = project(study.fitted, anchors=study.grades, scale=study.measured_scale)
    return anchor_alignment(study, projection=projection)


def arrived(kind: CallbackKind, message: Mapping[str, Any], *, limit_usd: float | None = None) -> Arrived:
    """A message that was accepted; `limit_usd` is the cost limit at which the batch stopped."""
    place = Position(topic=TOPIC_OF[kind], partition=0, offset=0)
    raw = json.dumps(message)
    return CallbackAccepted(
        at=NOON, position=place, raw=raw, kind=kind, key=_sha256(raw), fingerprint="f", limit_usd=limit_usd
    )


def ledger(*, callback_ends: tuple[Position, ...] = (), **spec_changes: object) -> list[Event]:
    """The small run of `runs.make_inputs` up to its request."""
    inputs, _ = make_inputs()
    spec = make_spec(**spec_changes)
    payload = build_request(spec, inputs, storage_ids={}, at=NOON).to_bytes().decode()
    return [
        RunStarted(at=NOON, spec=spec, inputs_sha256=inputs.digest(), versions=VERSIONS),
        PreflightPassed(at=NOON, checks=()),
        ListeningFrom(at=NOON, cluster_id="c", request_ends=(), callback_ends=callback_ends),
        RequestPrepared(at=NOON, event_id=spec.event_id, payload=payload),
        RequestPublished(at=NOON, position=Position(topic=Topic.REQUEST, partition=0, offset=0)),
    ]


def sent(*, callback_ends: tuple[Position, ...] = (), **spec_changes: object) -> RunState:
    """Its state after that."""
    return fold(ledger(callback_ends=callback_ends, **spec_changes))


def evidence_of(events: Iterable[Arrived]) -> Evidence:
    """What these messages tell of the small run."""
    inputs, _ = make_inputs()
    return gather_evidence(inputs, events, state=sent())


def compared(
    ours: Mapping[str, tuple[float, float]],
    its: Mapping[str, tuple[float | None, float | None]],
    *,
    grades: Mapping[str, str] | None = None,
    theirs: Mapping[str, str] | None = None,
    probabilities: Mapping[str, float] | None = None,
) -> Any:
    """The runner's figures against the service's.

    Args:
        ours: essay → θ and standard error.
        its: the same of the service, None for what it left out.
        grades: essay → grade that the runner projects, each with the same `probabilities`.
        theirs: essay → grade that the service projects.
        probabilities: of the runner, lowest grade first.
    """
    own = {
        name: RunnerEstimate(
            theta=theta,
            standard_error=error,
            grade=(grades or {}).get(name),
            probabilities=probabilities or {} if name in (grades or {}) else {},
        )
        for name, (theta, error) in ours.items()
    }
    given = [
        ServiceEstimate(essay_id=name, bt_mean=theta, bt_se=error, grade=(theirs or {}).get(name))
        for name, (theta, error) in its.items()
    ]
    return comparison_with_service(own, given)


def evidence(
    made: Sequence[Call], *, result: AssessmentResult | None = None, metadata: Iterable[Mapping[str, Any]] = ()
) -> Evidence:
    """These calls as all that came back; `metadata` is what the provider says of their prompts."""
    sources = PromptSources()
    spending, versions = Spending(), ServedVersions()
    for row in made:
        judge, tokens = (row.provider, row.model), (row.tokens_prompt, row.tokens_completion, row.tokens_cached or 0)
        spending.note(judge, tokens=tokens, usd=[row.cost_usd], replayed=row.replayed)
        if isinstance(row, Comparison):
            versions.note(judge, (row.served_model, row.system_fingerprint), started=[row.started_at])
            sources.note_prompts([row.prompt_hash])
    for about in metadata:
        sources.note_texts(ComparisonMetadata.model_validate({"essay_a_id": "a", "essay_b_id": "b"} | about))
    return Evidence(
        judged=tuple(row for row in made if isinstance(row, Comparison)),
        failed=tuple(row for row in made if isinstance(row, FailedComparison)),
        sources=sources,
        spending=spending,
        versions=versions,
        result=result,
        names=EssayNames.of({}),
    )


NAMES = EssayNames({"1-birk": "birk", "2-cleo": "cleo"}, {7: "anchor-1"})
"""Two students, and an anchor that the service adds itself."""


def service_says(
    *rows: Mapping[str, Any],
    about: bool = True,
    looks: Sequence[Mapping[str, Any]] = (),
    cost_stop: Mapping[str, Any] | None = None,
    **summary: Any,
) -> AssessmentResult:
    """The service's result.

    Args:
        rows: one of each essay.
        about: whether there is anything beside the rows.
        looks: at whether the study may end.
        cost_stop: where it stopped.
        summary: of the grade projection.
    """
    message = json.loads(messages.result(RUN_ID, []).value)["data"]
    message |= {"essay_results": list(rows), "model_used": "a model"}
    if about:
        message["assessment_metadata"] = {
            "calibration_method": "anchors",
            "grade_projection_summary": summary,
            "stopping_looks": list(looks),
            "cost_stop": cost_stop,
        }
    return AssessmentResult.model_validate_json(json.dumps(message))


def stopping_of(result: AssessmentResult | None, **budget: object) -> Any:
    """How a study with this budget ended."""
    return stopping(sent(budget=Budget.model_validate(budget)), evidence((), result=result))
