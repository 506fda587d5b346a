"""The plan of a batch, which is made once when its request is accepted, and the reasons to refuse a request."""

from __future__ import annotations

import asyncio
import hashlib
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeGuard
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.contracts.request import (
    BATCHING_HINT,
    BatchingMode,
    CJAssessmentRequest,
    LLMConfigOverrides,
    Provider,
    batching_mode,
)
from eng5_runner.contracts.services import AnchorOnRecord
from eng5_runner.contracts.study_options import StudyOptions
from eng5_runner.phrases import counted, listed
from eng5_runner.stack.cj.assignments import Assignments
from eng5_runner.stack.cj.clients import ContentMissing, ContentReader, NeighbourFailed

DEFAULT_COMPARISONS_PER_ESSAY = 20
ANCHOR_PREFIX = "ANCHOR_"
_PROMPT_REFERENCE = "student_prompt_text"
_FEWEST_ESSAYS = 2


class RequestRejected(Exception):
    """A request that cannot become a batch; the message says why."""


class PlannedEssay(BaseModel):
    """An essay of a batch; `grade` is an anchor's known grade, None for a student's essay."""

    model_config = ConfigDict(frozen=True)

    essay_id: str
    storage_id: str
    grade: str | None = None

    @property
    def is_anchor(self) -> bool:
        """Whether its grade is known."""
        return self.grade is not None


class BatchPlan(BaseModel):
    """Everything that a batch needs in order to go on after a restart without a difference.

    Attributes:
        essays: in the order of the pairing: students by id, then anchors by label.
        seed: of the pairing.
        budget: comparisons wanted; each can take up to three calls.
        study_options: how pairs are chosen and when the study ends, with the pairs under the batch's own ids. The
            database keeps the key of earlier versions.
        batching_mode: how the LLM provider groups its calls; None as it likes.
        task: the students' task.
        criteria: the rubric or the instructions that the judge is shown.
        accepted_at: when the request was accepted (UTC).
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    batch_id: str
    correlation_id: UUID
    assignment_id: str | None
    course_code: str
    user_id: str
    grade_scale: str | None
    essays: tuple[PlannedEssay, ...]
    seed: int
    budget: int
    study_options: StudyOptions = Field(default=StudyOptions(), alias="wishes")
    # Left out where it is not set, as in batches of before.
    batching_mode: Annotated[BatchingMode | None, Field(exclude_if=operator.not_)] = None
    task: str | None
    criteria: str | None
    overrides: LLMConfigOverrides
    accepted_at: datetime

    @property
    def scale(self) -> GradeScale | None:
        """The assignment's grade scale, None in a guest run."""
        return GRADE_SCALES[self.grade_scale] if self.grade_scale else None

    @property
    def known_grades(self) -> dict[str, int]:
        """Anchor → index of its grade."""
        scale = self.scale
        return {} if scale is None else {one.essay_id: scale.index(one.grade) for one in self.essays if one.grade}

    @property
    def has_target(self) -> bool:
        """Whether the study may end before it has all its comparisons, because it is precise enough."""
        return self.study_options.target_se is not None or self.study_options.target_reliability is not None

    @property
    def is_batched(self) -> bool:
        """Whether its comparisons go to a provider's batch API, which answers within hours."""
        return self.batching_mode is BatchingMode.PROVIDER_BATCH_API

    def compares(self, essay_id: str) -> bool:
        """Whether the study means to compare this essay; a boundary study compares the named ones only."""
        named = self.study_options.pairs
        return not named or any(essay_id in pair for pair in named)

    def with_limit(self, max_cost_usd: float) -> BatchPlan:
        """The same with another cost limit."""
        return self.model_copy(
            update={"study_options": self.study_options.model_copy(update={"max_cost_usd": max_cost_usd})}
        )


def request_digest(envelope: Envelope[CJAssessmentRequest]) -> str:
    """The identity of a request that is sent twice: a hash of the event's id and data.

    Raises:
        RequestRejected: the data has a value that cannot be written as JSON.
    """
    data = envelope.data.model_dump(mode="json")
    try:
        canonical = orjson.dumps([str(envelope.event_id), data], option=orjson.OPT_SORT_KEYS)
    except TypeError as error:  # `error_info` can hold anything
        raise RequestRejected(f"data: {error}") from error
    return hashlib.sha256(canonical).hexdigest()


async def plan_batch(
    envelope: Envelope[CJAssessmentRequest], *, assignments: Assignments, contents: ContentReader
) -> BatchPlan:
    """The plan of a new batch.

    Raises:
        RequestRejected: the request cannot be served; the message says why.
        NeighbourFailed: the Content Service does not give the students' task or the rubric.
    """
    request, metadata = envelope.data, envelope.metadata or {}
    batch_id = _checked_batch_id(request.entity_id)
    assignment = await assignments.find(request.assignment_id) if request.assignment_id else None
    if request.assignment_id and assignment is None:
        raise RequestRejected(f"unknown assignment_id '{request.assignment_id}': no assessment instructions")
    overrides = request.llm_config_overrides or LLMConfigOverrides()
    rubric = overrides.judge_rubric_override
    if assignment and rubric and assignment.context_origin == "canonical_national":
        raise RequestRejected("a judge rubric override is not allowed on a canonical_national assignment")
    anchors = await assignments.anchors(assignment.assignment_id, assignment.grade_scale) if assignment else []
    essays = _checked_essays(request, anchors, batch_id=batch_id)
    options = _among(essays, study_options_of(metadata))
    reference = request.student_prompt_ref and request.student_prompt_ref.references.get(_PROMPT_REFERENCE)
    task_id = reference.storage_id if reference else assignment and assignment.student_prompt_storage_id
    if rubric is None and assignment and assignment.judge_rubric_storage_id:
        rubric = await contents.text(assignment.judge_rubric_storage_id)
    return BatchPlan(
        batch_id=batch_id,
        correlation_id=envelope.correlation_id,
        assignment_id=request.assignment_id,
        course_code=request.course_code.value,
        user_id=request.user_id,
        grade_scale=assignment.grade_scale if assignment else None,
        essays=essays,
        seed=_seed(metadata, batch_id),
        budget=_budget(metadata, options, essays=len(essays)),
        study_options=options,
        batching_mode=batching_mode(metadata.get(BATCHING_HINT)),
        task=await contents.text(task_id) if task_id else None,
        criteria=rubric or (assignment.instructions_text if assignment else None),
        overrides=_with_defaults(overrides),
        accepted_at=datetime.now(UTC),
    )


def _checked_batch_id(entity_id: str) -> str:
    try:
        written = str(UUID(entity_id))
    except ValueError as error:
        raise RequestRejected("entity_id is not a UUID") from error
    if written != entity_id.lower():
        raise RequestRejected("entity_id is not a UUID in its usual form")
    return entity_id


def _checked_essays(
    request: CJAssessmentRequest, anchors: Sequence[AnchorOnRecord], *, batch_id: str
) -> tuple[PlannedEssay, ...]:
    """The students' essays by id, then the anchors by label.

    Raises:
        RequestRejected: there are no essays, fewer than two in all, an id twice, or an id that looks like an anchor's.
    """
    ids = sorted(essay.essay_id for essay in request.essays_for_cj)
    if not ids:
        raise RequestRejected("the request holds no essays")
    if len(ids) + len(anchors) < _FEWEST_ESSAYS:
        raise RequestRejected(f"{counted(len(ids), 'essay')} and {counted(len(anchors), 'anchor')}: nothing to compare")
    twice = [essay_id for essay_id, times in Counter(ids).items() if times > 1]
    if twice:
        raise RequestRejected(f"essay ids that occur twice: {', '.join(twice)}")
    reserved = [essay_id for essay_id in ids if essay_id.startswith(ANCHOR_PREFIX)]
    if reserved:
        raise RequestRejected(f"essay ids that look like anchors': {', '.join(reserved)}")
    students = sorted(request.essays_for_cj, key=lambda essay: essay.essay_id)
    return (
        *(PlannedEssay(essay_id=essay.essay_id, storage_id=essay.text_storage_id) for essay in students),
        *(
            PlannedEssay(
                essay_id=f"{ANCHOR_PREFIX}{anchor.id}_{batch_id[:8]}",
                storage_id=anchor.text_storage_id,
                grade=anchor.grade,
            )
            for anchor in sorted(anchors, key=lambda anchor: anchor.anchor_label)
        ),
    )


def _seed(metadata: Mapping[str, JsonValue], batch_id: str) -> int:
    seed = metadata.get("seed")
    if not _is_int(seed):
        return UUID(batch_id).int % 2**32
    if seed < 0:
        raise RequestRejected("metadata.seed is negative")
    return seed


def _budget(metadata: Mapping[str, JsonValue], options: StudyOptions, *, essays: int) -> int:
    wanted = metadata.get("max_comparisons")
    if not _is_int(wanted):
        if options.design == "boundary":
            return 2 * options.repeats * len(options.pairs)
        return essays * DEFAULT_COMPARISONS_PER_ESSAY // 2
    if wanted < 1:
        raise RequestRejected("metadata.max_comparisons is not positive")
    return wanted


def study_options_of(metadata: Mapping[str, JsonValue]) -> StudyOptions:
    """The study options of a request.

    Raises:
        RequestRejected: an option has no valid value.
    """
    try:
        return StudyOptions.of(metadata)
    except ValidationError as error:
        raise RequestRejected(f"metadata.{describe(error)}") from error


def is_raised(raw: bytes, *, than: bytes) -> bool:
    """Whether a message is the same request as another, with a higher cost limit."""
    if raw == than:
        return False
    read = Envelope[CJAssessmentRequest].model_validate_json
    try:
        later, before = read(raw, extra="ignore"), read(than, extra="ignore")
        limits = [study_options_of(envelope.metadata or {}).max_cost_usd for envelope in (later, before)]
        higher = limits[0] is not None and limits[1] is not None and limits[0] > limits[1]
        return higher and request_digest(later) == request_digest(before)
    except (ValidationError, RequestRejected):
        return False


def _among(essays: Sequence[PlannedEssay], options: StudyOptions) -> StudyOptions:
    """The options with their pairs under the ids of this batch; an anchor's id has the batch's part after the row id.

    Raises:
        RequestRejected: pairs without a boundary design or the other way round, of unknown essays, or twice.
    """
    if (options.design == "boundary") != bool(options.pairs):
        raise RequestRejected("a boundary design has pairs, and no other design has")
    ids = {essay.essay_id.rpartition("_")[0] if essay.is_anchor else essay.essay_id: essay.essay_id for essay in essays}
    unknown = sorted({name for pair in options.pairs for name in pair if name not in ids})
    if unknown:
        raise RequestRejected(f"pairs of essays that the batch does not have: {', '.join(unknown[:5])}")
    if any(a == b for a, b in options.pairs) or len({frozenset(pair) for pair in options.pairs}) != len(options.pairs):
        raise RequestRejected("a pair is of one essay, or named twice")
    return options.model_copy(update={"pairs": tuple((ids[a], ids[b]) for a, b in options.pairs)})


def _is_int(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _with_defaults(overrides: LLMConfigOverrides) -> LLMConfigOverrides:
    if overrides.provider_override is not None:
        return overrides
    return overrides.model_copy(update={"provider_override": Provider.MOCK})


_FETCHED_AT_ONCE = 8
_NAMED_AT_MOST = 5


async def fetch_texts(plan: BatchPlan, contents: ContentReader) -> dict[str, str]:
    """All texts by essay id.

    Raises:
        RequestRejected: storage ids that the Content Service does not know, or texts without any content.
        NeighbourFailed: the Content Service failed.
    """
    texts: dict[str, str] = {}
    missing: list[str] = []
    queue = iter(plan.essays)

    async def fetch_each(queue: Iterator[PlannedEssay]) -> None:
        for essay in queue:
            try:
                texts[essay.essay_id] = await contents.text(essay.storage_id)
            except ContentMissing:
                missing.append(f"{essay.storage_id} (essay {essay.essay_id})")

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_FETCHED_AT_ONCE):
                tasks.create_task(fetch_each(queue))
    except* NeighbourFailed as group:
        raise NeighbourFailed(str(group.exceptions[0])) from group
    if missing:
        raise RequestRejected(f"unknown storage ids: {listed(sorted(missing), at_most=_NAMED_AT_MOST)}")
    empty = [essay_id for essay_id, text in texts.items() if not text.strip()]
    if empty:
        raise RequestRejected(f"essays without text: {listed(sorted(empty), at_most=_NAMED_AT_MOST)}")
    return texts
