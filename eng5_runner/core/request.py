"""The one message that a run sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.events import ProcessingStage, SystemMetadata
from eng5_runner.contracts.request import CJAssessmentRequest, EssayRef, LLMConfigOverrides, PromptReference
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.essay_names import EssayNames, wire_ids
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request_metadata import request_metadata
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.state import ImpossibleLedgerError, RunState

SOURCE_SERVICE = "eng5_np_batch_runner"


def essays_sent(spec: RunSpec, inputs: Inputs) -> dict[str, str]:
    """Essay id → text sha256 of the essays in the request.

    With an assignment the CJ service adds its anchors itself; in a guest run they go along as essays.
    """
    essays = {student.essay_id: student.text_sha256 for student in inputs.students}
    if spec.study.assignment_id is None:
        essays |= {anchor.anchor_id: anchor.text_sha256 for anchor in inputs.anchors}
    return dict(sorted(essays.items()))


def names_sent(spec: RunSpec, inputs: Inputs) -> dict[str, str]:
    """Essay id → the name under which the request sends it, in the order of the ids."""
    anchors = {anchor.anchor_id for anchor in inputs.anchors}
    return wire_ids(essays_sent(spec, inputs), run_id=spec.run_id, unnamed=anchors)


def essay_names(state: RunState, inputs: Inputs) -> EssayNames:
    """The names that the services use for a run's essays: those of the request as it was sent.

    They are read from it, not made again: older runs sent our ids as they are. Every request lists its essays in the
    order of our ids.

    Raises:
        ImpossibleLedgerError: the request in the ledger is none of this run.
    """
    rows = state.preflight.anchor_rows if state.preflight else ()
    if state.prepared is None:
        return EssayNames.of({}, rows=rows)
    try:
        request = Envelope[CJAssessmentRequest].model_validate_json(state.prepared.payload, extra="ignore")
        sent = [essay.essay_id for essay in request.data.essays_for_cj]
        return EssayNames.of(dict(zip(sent, essays_sent(state.spec, inputs), strict=True)), rows=rows)
    except ValueError:  # pydantic's is one
        raise ImpossibleLedgerError("the request that was prepared is not one for this run's essays") from None


def build_request(
    spec: RunSpec,
    inputs: Inputs,
    *,
    storage_ids: Mapping[str, str],
    at: datetime,
    passed: PreflightPassed | None = None,
) -> Envelope[CJAssessmentRequest]:
    """The request as it goes on the wire.

    Args:
        spec: of the run.
        inputs: of the run.
        storage_ids: text sha256 → storage id. A text that was not uploaded is named by its content instead
            (`sha256:…`), which says what it is and cannot be taken for a stored one.
        at: when the request is made (UTC).
        passed: what the services said beforehand, if they were asked.
    """
    batch = str(spec.run_id)
    names = names_sent(spec, inputs)
    assignment = None if spec.study.assignment_id is None else str(spec.study.assignment_id)
    return Envelope[CJAssessmentRequest](
        event_id=spec.event_id,
        event_type=Topic.REQUEST,
        event_timestamp=at,
        source_service=SOURCE_SERVICE,
        correlation_id=spec.correlation_id,
        metadata=request_metadata(spec, inputs, names=names, passed=passed),
        data=CJAssessmentRequest(
            entity_id=batch,
            parent_id=assignment,
            timestamp=at,
            system_metadata=_system_metadata(batch, assignment=assignment, at=at),
            essays_for_cj=tuple(
                EssayRef(essay_id=names[essay_id], text_storage_id=storage_ids.get(sha256, f"sha256:{sha256}"))
                for essay_id, sha256 in essays_sent(spec, inputs).items()
            ),
            language=spec.study.language,
            course_code=spec.study.course_code,
            student_prompt_ref=_prompt(inputs, storage_ids),
            llm_config_overrides=judge_overrides(spec, inputs),
            assignment_id=assignment,
            user_id=spec.study.user_id,
            org_id=spec.study.org_id,
        ),
    )


def _system_metadata(batch: str, *, assignment: str | None, at: datetime) -> SystemMetadata:
    return SystemMetadata(
        entity_id=batch,
        parent_id=assignment,
        timestamp=at,
        processing_stage=ProcessingStage.PENDING,
        event="els.cj_assessment.requested",
        error_info={},
    )


def judge_overrides(spec: RunSpec, inputs: Inputs) -> LLMConfigOverrides | None:
    """What the judge shall do otherwise; a guest run has no instructions on record, so they go along as the rubric."""
    judge = spec.judge or LLMConfigOverrides()
    if spec.study.assignment_id is None and judge.judge_rubric_override is None:
        judge = judge.model_copy(update={"judge_rubric_override": inputs.instructions.text})
    return None if judge == LLMConfigOverrides() else judge


def _prompt(inputs: Inputs, storage_ids: Mapping[str, str]) -> PromptReference:
    sha256 = inputs.prompt.text_sha256
    return PromptReference.to_student_prompt(storage_ids.get(sha256, f"sha256:{sha256}"))
