"""The services' messages of a public copy: built from what is listed here, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pydantic import JsonValue

from eng5_runner.canonical import Json, canonical_json
from eng5_runner.contracts.callbacks import (
    IS_INTERRUPTED,
    IS_RETRYABLE,
    MAY_BE_CHARGED,
    AssessmentMetadata,
    AssessmentResult,
    Callback,
    CJAssessmentCompleted,
    CJAssessmentFailed,
    ComparisonMetadata,
    ErrorDetail,
    EssayResult,
    GradeProjectionSummary,
    LLMComparisonResult,
)
from eng5_runner.contracts.envelope import Received
from eng5_runner.contracts.events import SystemMetadata
from eng5_runner.contracts.flaws import UNKNOWN_ERROR
from eng5_runner.contracts.stopping import COST_LIMIT
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.public.pseudonyms import PublicNames

_CODE = re.compile("[A-Za-z_]{1,60}")
_GRADE = re.compile("[A-Z][+-]?|[0-9]")
_ANCHOR_OF_CJ = re.compile(r"ANCHOR_([0-9]{1,18})_[0-9A-Za-z]+")
# What the judge was asked under which conditions: no field of these can hold a text.
_KEPT_OF_METADATA = frozenset(
    (
        *("bos_batch_id", "batch_id", "comparison_iteration", "system_prompt_sha256", "cassette", "repeat_index"),
        *("answer_form", "cost_known", "served_model", "system_fingerprint", "probability_a", "probability_is_bound"),
        *("cached_tokens", "batched"),
    )
)
_KEPT_OF_RESULT = frozenset(
    ("essay_id", "normalized_score", "confidence_score", "bt_score", "rank", "is_anchor", "letter_grade")
)
T = TypeVar("T")
ReceivedCallback: TypeAlias = (
    Received[LLMComparisonResult]
    | Received[CJAssessmentCompleted]
    | Received[CJAssessmentFailed]
    | Received[AssessmentResult]
)


@dataclass(frozen=True, slots=True)
class WireNames:
    """The names that messages of the copy use, which are its essay ids.

    Attributes:
        of_run: the essays' names in the run's own messages.
        pseudonyms: of the copy.
    """

    of_run: EssayNames
    pseudonyms: PublicNames

    def name(self, wire_name: str) -> str | None:
        """The name in the copy; None for an essay that is none of the run's."""
        if wire_name in self.of_run.sent:
            return self.pseudonyms.essays[self.of_run.sent[wire_name]]
        anchor = _ANCHOR_OF_CJ.fullmatch(wire_name)
        return f"ANCHOR_{anchor[1]}_0" if anchor else None

    def pair(self, first: str, second: str) -> tuple[str, str]:
        """The names of two essays of a comparison that was accepted."""
        named = self.name(first), self.name(second)
        if named[0] is None or named[1] is None:
            raise AssertionError("an accepted comparison is of essays of the run")
        return named[0], named[1]

    def in_text(self, text: str) -> str:
        """A text of the judge with the copy's names."""
        ids = self.pseudonyms.essays
        sent = {wire: ids[essay] for wire, essay in self.of_run.sent.items()}
        rows = {row: ids[essay] for row, essay in self.of_run.anchor_rows.items()}
        return EssayNames(sent, rows).with_our_ids(text)


def public_comparison(
    received: Received[LLMComparisonResult], names: WireNames, *, with_reasons: bool
) -> tuple[LLMComparisonResult, str]:
    """A comparison of the copy, and its message.

    Args:
        received: as it was accepted.
        names: of the copy.
        with_reasons: whether the judge's justification stays; it can quote an essay.
    """
    data, pseudonyms = received.data, names.pseudonyms
    reason = names.in_text(data.justification) if with_reasons and data.justification is not None else None
    shared = data.model_copy(
        update={
            "request_id": str(pseudonyms.uuid(data.request_id)),
            "correlation_id": str(pseudonyms.uuid(data.correlation_id or received.correlation_id)),
            "justification": reason,
            "error_detail": None if data.error_detail is None else _error(data.error_detail),
            "trace_id": None,
            "request_metadata": _conditions(data.request_metadata, names),
        }
    )
    return shared, _message(received, shared, names=pseudonyms)


def _conditions(metadata: ComparisonMetadata, names: WireNames) -> ComparisonMetadata:
    first, second = names.pair(metadata.essay_a_id, metadata.essay_b_id)
    of_run = names.of_run
    is_short = not names.pseudonyms.short_essays.isdisjoint(
        (of_run.our_id(metadata.essay_a_id), of_run.our_id(metadata.essay_b_id))
    )
    prompt, replay = metadata.prompt_sha256, metadata.replay_of
    if prompt is not None and is_short:
        prompt = names.pseudonyms.keyed(prompt)
    if replay is not None:
        replay = replay.model_copy(update={"request_id": str(names.pseudonyms.uuid(replay.request_id))})
    templates = {name: sha256 for name, sha256 in (metadata.prompt_templates or {}).items() if _CODE.fullmatch(name)}
    return ComparisonMetadata(
        essay_a_id=first,
        essay_b_id=second,
        prompt_sha256=prompt,
        cj_request_type=_code(metadata.cj_request_type),
        prompt_templates=templates or None,
        replay_of=replay,
        **{name: getattr(metadata, name) for name in _KEPT_OF_METADATA},
    )


def _error(error: ErrorDetail) -> ErrorDetail:
    """The code, and whether it may be charged: the rest of a provider's message can repeat what it was sent."""
    details: dict[str, JsonValue] = {
        key: value
        for key, value in (error.details or {}).items()
        if key in (IS_RETRYABLE, IS_INTERRUPTED) and isinstance(value, bool)
    }
    charged = MAY_BE_CHARGED if (error.message or "").endswith(MAY_BE_CHARGED) else None
    code = _code(error.error_code) or UNKNOWN_ERROR
    return ErrorDetail(error_code=code, message=charged, details=details or None)


def public_callback(received: ReceivedCallback, names: WireNames) -> str:
    """The message of the copy for a completion, a failure or a result.

    Raises:
        AssertionError: it is none of them.
    """
    data = received.data
    match data:
        case CJAssessmentCompleted():
            stop = data.cost_stop
            info = None
            if stop is not None:
                details: dict[str, JsonValue] = stop.model_dump(mode="json")
                info = SystemMetadata(error_info={"reason": COST_LIMIT, "details": details})
            shared: Callback = CJAssessmentCompleted(
                entity_id=data.entity_id,
                timestamp=data.timestamp,
                status=_code(data.status) or "unknown",
                system_metadata=info,
            )
        case CJAssessmentFailed():
            shared = CJAssessmentFailed(entity_id=data.entity_id, timestamp=data.timestamp)
        case AssessmentResult():
            shared = _result(data, names)
        case _:
            raise AssertionError("a comparison has a function of its own")
    return _message(received, shared, names=names.pseudonyms)


def _result(result: AssessmentResult, names: WireNames) -> AssessmentResult:
    metadata = result.assessment_metadata
    return AssessmentResult(
        entity_id=result.entity_id,
        batch_id=result.batch_id,
        timestamp=result.timestamp,
        assessed_at=result.assessed_at,
        model_used=result.model_used,
        model_provider=result.model_provider,
        model_version=result.model_version,
        essay_results=tuple(
            _essay(essay, name) for essay in result.essay_results if (name := names.name(essay.essay_id)) is not None
        ),
        assessment_metadata=None if metadata is None else _figures(metadata, names),
    )


def _essay(essay: EssayResult, name: str) -> EssayResult:
    kept = {field: getattr(essay, field) for field in _KEPT_OF_RESULT}
    label = essay.confidence_label if essay.confidence_label in ("HIGH", "MID", "LOW") else None
    return EssayResult(**kept | {"essay_id": name, "letter_grade": _grade(essay.letter_grade)}, confidence_label=label)


def _figures(metadata: AssessmentMetadata, names: WireNames) -> AssessmentMetadata:
    summary = metadata.grade_projection_summary
    distribution = metadata.anchor_grade_distribution
    return AssessmentMetadata(
        anchor_essays_used=metadata.anchor_essays_used,
        calibration_method=_code(metadata.calibration_method),
        anchor_grade_distribution=distribution and {key: n for key, n in distribution.items() if _grade(key)},
        comparison_count=metadata.comparison_count,
        processing_duration_seconds=metadata.processing_duration_seconds,
        llm_temperature=metadata.llm_temperature,
        grade_projection_summary=None if summary is None else _grades(summary, names),
        stopping_looks=metadata.stopping_looks
        and tuple(look for look in metadata.stopping_looks if _CODE.fullmatch(look.verdict.replace(" ", "_"))),
        cost_stop=metadata.cost_stop,
        decided=metadata.decided,
    )


def _grades(summary: GradeProjectionSummary, names: WireNames) -> GradeProjectionSummary:
    def by_essay(values: Mapping[str, T] | None) -> dict[str, T] | None:
        if values is None:
            return None
        return {name: value for essay, value in values.items() if (name := names.name(essay)) is not None}

    primary = by_essay(summary.primary_grades)
    labels, probabilities = by_essay(summary.confidence_labels), by_essay(summary.grade_probabilities)
    return GradeProjectionSummary(
        projections_available=summary.projections_available,
        primary_grades=primary and {essay: grade for essay, grade in primary.items() if _grade(grade)},
        confidence_labels=labels and {essay: label for essay, label in labels.items() if _code(label)},
        confidence_scores=by_essay(summary.confidence_scores),
        grade_probabilities=probabilities
        and {essay: {grade: p for grade, p in row.items() if _grade(grade)} for essay, row in probabilities.items()},
        bt_stats=by_essay(summary.bt_stats),
    )


def _code(text: str | None) -> str | None:
    """A word of a service's list, such as `cj_retry`; None for any other text."""
    return text if text is not None and _CODE.fullmatch(text) else None


def _grade(text: str | None) -> str | None:
    return text if text is not None and _GRADE.fullmatch(text) else None


def _message(received: ReceivedCallback, data: Callback, *, names: PublicNames) -> str:
    """An event with the data. Who made it and under which trace stays out."""
    envelope: dict[str, Json] = {
        "event_id": None if received.event_id is None else str(names.uuid(received.event_id)),
        "event_timestamp": None if received.event_timestamp is None else received.event_timestamp.isoformat(),
        "correlation_id": None if received.correlation_id is None else str(names.uuid(received.correlation_id)),
        "data": data.model_dump(mode="json", exclude_none=True),
    }
    return canonical_json(envelope).decode()
