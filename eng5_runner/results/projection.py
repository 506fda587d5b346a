"""The artefact: a pure projection of inputs and ledger. Same ledger, same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias
from uuid import NAMESPACE_URL, uuid5

from eng5_runner.canonical import Json, canonical_json, sha256_hex
from eng5_runner.contracts.request import BASELINE_MODEL_PREFIX
from eng5_runner.core.events import Event
from eng5_runner.core.inputs import Document, Inputs, SourceFile
from eng5_runner.core.rounding import usable
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.state import RunState
from eng5_runner.results.estimates import Estimates, estimate
from eng5_runner.results.judge_request import judge_request
from eng5_runner.results.judgements import Evidence, Judgement, gather_evidence
from eng5_runner.results.runner_status import runner_status
from eng5_runner.results.service_comparison import RunnerEstimate, comparison_with_service
from eng5_runner.results.service_result import service_figures, service_result
from eng5_runner.results.stopping import stopping
from eng5_runner.results.usage import costs_of, instant, prompt_hashes, replay_of

SCHEMA_VERSION = "1.0.1"
ZERO_CHECKSUM = "0" * 64
Object: TypeAlias = "dict[str, Json]"


def project_artefact(inputs: Inputs, events: Iterable[Event], *, state: RunState, manifest: Sequence[Object]) -> Object:
    """The artefact of a run.

    Args:
        inputs: of the run.
        events: its whole ledger; gone through twice.
        state: their fold.
        manifest: path, sha256 and size of the files that it rests on.

    Raises:
        ImpossibleLedgerError: the events contradict each other.
    """
    evidence = gather_evidence(inputs, events, state=state)
    adaptive = state.spec.budget.design == "adaptive"
    estimates = estimate(inputs, evidence.judged, failed=evidence.failed, adaptive=adaptive)
    artefact: Object = {
        "schema_version": SCHEMA_VERSION,
        "metadata": _metadata(state, inputs, evidence=evidence),
        "inputs": _inputs(inputs, state),
        "llm_comparisons": [_comparison(n, one) for n, one in enumerate(evidence.judged, start=1)],
        "failed_comparisons": [_failed(n, one) for n, one in enumerate(evidence.failed, start=1)],
        **_estimates(estimates),
        **_service(evidence, estimates.own),
        "judge_request": judge_request(state.spec, inputs),
        "costs": costs_of((*evidence.judged, *evidence.failed)),
        "prompt_hashes": prompt_hashes(evidence),
        "runner_status": runner_status(state, events),
        "stopping": stopping(state.spec, evidence),
        "validation": {
            "artefact_checksum": ZERO_CHECKSUM,
            "manifest": list(manifest),
            "cli_environment": _environment(state),
        },
    }
    return with_checksum(artefact)


def with_checksum(artefact: Object) -> Object:
    """The artefact with `validation.artefact_checksum` filled in.

    It is the SHA-256 of the canonical JSON in which that field holds 64 zeros.
    """
    validation = artefact["validation"]
    if not isinstance(validation, dict):
        raise TypeError("validation is an object")
    blank: Object = artefact | {"validation": validation | {"artefact_checksum": ZERO_CHECKSUM}}
    return artefact | {"validation": validation | {"artefact_checksum": sha256_hex(canonical_json(blank))}}


def _metadata(state: RunState, inputs: Inputs, *, evidence: Evidence) -> Object:
    spec = state.spec
    if state.started is None:
        raise AssertionError("the fold has a spec, so it has started")
    study = spec.study
    return {
        "assignment_id": str(study.assignment_id or _derived(inputs, "assignment")),
        "assignment_id_origin": "given" if study.assignment_id else "derived from the inputs: a guest run has none",
        "course_id": str(study.course_id or uuid5(NAMESPACE_URL, f"course:{study.course_code}")),
        "course_id_origin": "given" if study.course_id else "derived from the course code",
        "grade_scale": inputs.grade_scale,
        "course_code": study.course_code.value,
        "language": study.language.value,
        "runner_version": state.started.versions.runner,
        "git_sha": state.started.versions.git_sha,
        "started_at": instant(state.started.at),
        "generated_at": instant(state.last_at or state.started.at),
        "runner_mode": spec.mode.value,
        "batch_label": spec.label,
        "batch_uuid": str(spec.run_id),
        "correlation_id": str(spec.correlation_id),
        "inputs_sha256": state.started.inputs_sha256,
        "max_comparisons": spec.budget.max_comparisons,
        "seed": spec.budget.seed,
        "judges": _judges(evidence, spec),
    }


def _derived(inputs: Inputs, what: str) -> object:
    """An id that the same inputs always have, where the schema of the field wants one and there is none."""
    return uuid5(NAMESPACE_URL, f"eng5-runner:{what}:{inputs.digest()}")


def _judges(evidence: Evidence, spec: RunSpec) -> list[Json]:
    asked = sorted({(one.result.provider, one.result.model) for one in evidence.judged})
    if not asked and spec.judge and spec.judge.model_override:
        asked = [(spec.judge.provider_override or "default", spec.judge.model_override)]
    return [
        {
            "provider": provider,
            "model": model,
            "kind": "offline baseline, not a language model"
            if model.startswith(BASELINE_MODEL_PREFIX)
            else "language model",
        }
        for provider, model in asked
    ]


def _inputs(inputs: Inputs, state: RunState) -> Object:
    def essay(file: SourceFile, *, text_sha256: str, words: int) -> Object:
        told: Object = {
            "file_name": file.file_name,
            "source_path": file.source_path,
            "checksum": file.sha256,
            "bytes": file.size,
            "text_sha256": text_sha256,
            "word_count": words,
        }
        stored = state.storage_ids.get(text_sha256)
        return told | ({"storage_id": stored} if stored else {})

    return {
        "instructions": _document(inputs.instructions),
        "prompt_reference": _document(inputs.prompt),
        "anchors": [
            essay(a.file, text_sha256=a.text_sha256, words=a.word_count)
            | {"anchor_id": a.anchor_id, "grade": a.grade, "label": a.label}
            for a in inputs.anchors
        ],
        "students": [
            essay(s.file, text_sha256=s.text_sha256, words=s.word_count) | {"essay_id": s.essay_id}
            for s in inputs.students
        ],
    }


def _document(document: Document) -> Object:
    """A document with its content. `checksum` is of the file, `content_sha256` of the text in `content`."""
    return {
        "source_path": document.file.source_path,
        "checksum": document.file.sha256,
        "content": document.text,
        "content_sha256": document.text_sha256,
        "word_count": document.word_count,
    }


def _comparison(sequence: int, one: Judgement) -> Object:
    result = one.result
    record: Object = {
        **_call(sequence, one),
        "winner_id": one.winner,
        "loser_id": one.loser,
        "winner_position": "A" if one.first_won else "B",
        "prompt_hash": result.request_metadata.prompt_sha256,
        "status": "succeeded",
    }
    return record | usable({"confidence": result.confidence, "justification": result.justification})


def _call(sequence: int, one: Judgement) -> Object:
    result = one.result
    record: Object = {
        "sequence": sequence,
        "request_id": result.request_id,
        "correlation_id": result.correlation_id,
        "essay_a_id": one.first,
        "essay_b_id": one.second,
        "provider": result.provider,
        "model": result.model,
        "tokens_prompt": result.token_usage.prompt_tokens,
        "tokens_completion": result.token_usage.completion_tokens,
        "cost_usd": result.cost_estimate,
        "started_at": instant(result.requested_at),
        "completed_at": instant(result.completed_at),
        **replay_of(result),
    }
    return record | usable(
        {
            "response_time_ms": result.response_time_ms,
            "request_type": result.request_metadata.cj_request_type,
            "iteration": result.request_metadata.comparison_iteration,
            "repeat_index": result.request_metadata.repeat_index,
        }
    )


def _failed(sequence: int, one: Judgement) -> Object:
    """A comparison that has no winner: never written with one. The provider's stack traces stay in the ledger."""
    error = one.result.error_detail
    if error is None:
        raise AssertionError("a failed comparison has an error")
    record: Object = {
        **_call(sequence, one),
        "status": "failed",
        "failure_code": error.error_code,
        "failure_reason": f"{error.error_code}: {error.message or 'no message'}"[:500],
    }
    prompt = one.result.request_metadata.prompt_sha256
    return record | ({"prompt_hash": prompt} if prompt else {})


def _estimates(estimates: Estimates) -> Object:
    return {
        "bt_summary": list(estimates.bt_summary),
        "bt_model": estimates.bt_model,
        "grade_projections": list(estimates.grade_projections),
        "grade_model": estimates.grade_model,
        "anchor_alignment": estimates.anchor_alignment,
        "judge_quality": estimates.judge_quality,
    }


def _service(evidence: Evidence, own: Mapping[str, RunnerEstimate]) -> Object:
    """The service's own figures, and how far they lie from ours."""
    if evidence.result is None:
        return {"service_result": None, "comparison_with_service": None}
    figures = service_figures(evidence.result, evidence.names)
    return {
        "service_result": service_result(evidence.result, figures),
        "comparison_with_service": comparison_with_service(own, figures),
    }


def _environment(state: RunState) -> Object:
    if state.started is None:
        raise AssertionError("the fold has a spec, so it has started")
    versions = state.started.versions
    return {
        "python": versions.python,
        "pdm": versions.pdm,
        "os": versions.os,
        "docker_compose": versions.docker_compose,
    }
