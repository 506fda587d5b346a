"""Inputs and what came back to the artefact, which is their pure projection: same ledger, same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.request import BASELINE_MODEL_PREFIX
from eng5_runner.core.inputs import Anchor, Document, EssayFlag, Inputs, Student
from eng5_runner.core.origin import Origin
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.state import RunState
from eng5_runner.results.artefact import ZERO_CHECKSUM, Artefact
from eng5_runner.results.artefact.record import CliEnvironment, ManifestEntry, Validation
from eng5_runner.results.artefact.study import (
    BASELINE_KIND,
    MODEL_KIND,
    AnchorRecord,
    DocumentRecord,
    InputsRecord,
    InstructionsRecord,
    JudgeIdentity,
    OriginFile,
    RunMetadata,
    RunOrigin,
    ServedModel,
    StudentRecord,
)
from eng5_runner.results.estimates import estimate
from eng5_runner.results.judgements import Evidence, instant
from eng5_runner.results.runner_status import MessageRecord, runner_status
from eng5_runner.results.served import change_of
from eng5_runner.results.service_comparison import comparison_with_service, service_result
from eng5_runner.results.stopping import stopping
from eng5_runner.results.usage import judge_request, prompt_hashes


def project_artefact(
    inputs: Inputs,
    evidence: Evidence,
    *,
    state: RunState,
    messages: MessageRecord,
    manifest: Sequence[ManifestEntry],
) -> Artefact:
    """The artefact of a run, not yet sealed: its checksum is 64 zeros.

    Args:
        inputs: of the run.
        evidence: what came back, from its whole ledger.
        state: the fold of the ledger.
        messages: what else its events say.
        manifest: the files that the artefact is computed from.
    """
    adaptive = state.spec.budget.design == "adaptive"
    soft = state.spec.budget.soft_judgements == "auto"
    estimates = estimate(
        inputs,
        evidence.judged,
        failed=evidence.failed,
        adaptive=adaptive,
        soft=soft,
        human=state.human.values(),
        check_grades=state.check_grades,
    )
    service, compared = None, None
    if evidence.result is not None:
        service = service_result(evidence.result, evidence.names)
        compared = comparison_with_service(estimates.by_essay, service.essays)
    return Artefact(
        metadata=_metadata(state, inputs, evidence=evidence),
        inputs=_inputs(inputs, state),
        llm_comparisons=evidence.judged,
        failed_comparisons=evidence.failed,
        bt_summary=estimates.bt_summary,
        bt_model=estimates.bt_model,
        grade_projections=estimates.grade_projections,
        grade_model=estimates.grade_model,
        anchor_alignment=estimates.anchor_alignment,
        judge_quality=estimates.judge_quality,
        human_scale=estimates.human_scale,
        grade_check=estimates.grade_check,
        service_result=service,
        comparison_with_service=compared,
        judge_request=judge_request(state.spec, inputs),
        costs=evidence.spending.costs(check=state.judge_check),
        prompt_hashes=prompt_hashes(evidence),
        runner_status=runner_status(state, messages),
        stopping=stopping(state, evidence),
        validation=Validation(
            artefact_checksum=ZERO_CHECKSUM, manifest=tuple(manifest), cli_environment=_environment(state)
        ),
    )


def _metadata(state: RunState, inputs: Inputs, *, evidence: Evidence) -> RunMetadata:
    spec = state.spec
    if state.started is None:
        raise AssertionError("the fold has a spec, so it has started")
    study = spec.study
    # For a guest run, which has no assignment, an id that the same inputs always have: version 1.0 asks for one.
    derived = uuid5(NAMESPACE_URL, f"eng5-runner:assignment:{inputs.digest()}")
    return RunMetadata(
        assignment_id=str(study.assignment_id or derived),
        assignment_id_origin="given" if study.assignment_id else "derived from the inputs: a guest run has none",
        course_id=str(study.course_id or uuid5(NAMESPACE_URL, f"course:{study.course_code}")),
        course_id_origin="given" if study.course_id else "derived from the course code",
        grade_scale=inputs.grade_scale,
        course_code=study.course_code.value,
        language=study.language.value,
        runner_version=state.started.versions.runner,
        git_sha=state.started.versions.git_sha,
        started_at=instant(state.started.at),
        generated_at=instant(state.last_at or state.started.at),
        runner_mode=spec.mode,
        batch_label=spec.label,
        batch_uuid=str(spec.run_id),
        correlation_id=str(spec.correlation_id),
        inputs_sha256=state.started.inputs_sha256,
        max_comparisons=spec.budget.max_comparisons,
        seed=spec.budget.seed,
        judges=_judges(evidence, spec),
        origin=None if state.started.origin is None else _origin(state.started.origin),
    )


def _origin(origin: Origin) -> RunOrigin:
    return RunOrigin(
        kind=origin.kind,
        program=origin.program,
        made_at=instant(origin.made_at),
        sources=tuple(OriginFile(name=source.name, sha256=source.sha256) for source in origin.sources),
        missing=origin.missing,
        order_unknown=origin.order_unknown or None,
        licence=origin.licence,
    )


def _judges(evidence: Evidence, spec: RunSpec) -> tuple[JudgeIdentity, ...]:
    judges = evidence.versions.by_judge()
    if not judges and spec.judge and spec.judge.model_override:
        judges = {(spec.judge.provider_override or "default", spec.judge.model_override): ()}
    forms = sorted(evidence.sources.forms)
    return tuple(_judge(*judge, served=served, forms=forms) for judge, served in judges.items())


def _judge(
    provider: str, model: str, *, served: tuple[ServedModel, ...], forms: Sequence[tuple[str, str, str]]
) -> JudgeIdentity:
    return JudgeIdentity(
        provider=provider,
        model=model,
        kind=BASELINE_KIND if model.startswith(BASELINE_MODEL_PREFIX) else MODEL_KIND,
        served=served or None,
        changed=change_of(model, served),
        answer_forms=tuple(form for *judge, form in forms if judge == [provider, model]) or None,
    )


def _inputs(inputs: Inputs, state: RunState) -> InputsRecord:
    flags = {flag.essay_id: flag for flag in inputs.flags}
    return InputsRecord(
        instructions=_instructions(inputs.instructions),
        prompt_reference=_document(inputs.prompt),
        anchors=tuple(
            _anchor(anchor, state.storage_ids.get(anchor.text_sha256), flag=flags.get(anchor.anchor_id))
            for anchor in inputs.anchors
        ),
        students=tuple(
            _student(student, state.storage_ids.get(student.text_sha256), flag=flags.get(student.essay_id))
            for student in inputs.students
        ),
    )


def _anchor(anchor: Anchor, storage_id: str | None, *, flag: EssayFlag | None) -> AnchorRecord:
    return AnchorRecord(
        anchor_id=anchor.anchor_id,
        grade=anchor.grade,
        label=anchor.label,
        file_name=anchor.file.file_name,
        source_path=anchor.file.source_path,
        checksum=anchor.file.sha256,
        bytes=anchor.file.size,
        text_sha256=anchor.text_sha256,
        word_count=anchor.word_count,
        storage_id=storage_id or None,
        flags=flag.kinds if flag else None,
        twin=flag.twin if flag else None,
    )


def _student(student: Student, storage_id: str | None, *, flag: EssayFlag | None) -> StudentRecord:
    return StudentRecord(
        essay_id=student.essay_id,
        file_name=student.file.file_name,
        source_path=student.file.source_path,
        checksum=student.file.sha256,
        bytes=student.file.size,
        text_sha256=student.text_sha256,
        word_count=student.word_count,
        storage_id=storage_id or None,
        flags=flag.kinds if flag else None,
        twin=flag.twin if flag else None,
    )


def _instructions(document: Document | None) -> InstructionsRecord:
    if document is None:
        nothing = sha256_hex(b"")
        return InstructionsRecord(source_path="", checksum=nothing, content="", content_sha256=nothing, word_count=0)
    return InstructionsRecord.model_validate(dict(_document(document)))


def _document(document: Document) -> DocumentRecord:
    return DocumentRecord(
        source_path=document.file.source_path,
        checksum=document.file.sha256,
        content=document.text,
        content_sha256=document.text_sha256,
        word_count=document.word_count,
    )


def _environment(state: RunState) -> CliEnvironment:
    if state.started is None:
        raise AssertionError("the fold has a spec, so it has started")
    versions = state.started.versions
    return CliEnvironment(
        python=versions.python, pdm=versions.pdm, os=versions.os, docker_compose=versions.docker_compose
    )
