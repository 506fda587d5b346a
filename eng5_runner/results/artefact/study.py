"""What was compared and by whom: the run's settings, the files, the judge's instructions, each comparison, the cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, WithJsonSchema

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import FlagKind
from eng5_runner.core.spec import Mode
from eng5_runner.results.artefact.part import (
    NULL_WHERE_ABSENT,
    AtLeastOne,
    Count,
    EssayId,
    Instant,
    NonNegative,
    Nullable,
    Part,
    Row,
    Sha256,
    Text,
    Uuid,
)

BASELINE_KIND: Final = "offline baseline, not a language model"
MODEL_KIND: Final = "language model"
ScaleKey: TypeAlias = Annotated[str, WithJsonSchema({"enum": sorted(GRADE_SCALES)})]


class ServedModel(Part):
    """A version of a judge's model, as its provider names it in the answers."""

    model: str | None = None
    """The model that the provider says it used; absent where it does not say."""
    system_fingerprint: str | None = None
    """The provider's name for the state of its system; absent where it does not say."""
    comparisons: AtLeastOne
    """Comparisons that it made."""
    first_at: Instant
    """When the first of them was asked."""
    last_at: Instant
    """When the last of them was asked."""


class JudgeIdentity(Part):
    """A model that made comparisons."""

    provider: Text
    """Who serves the model, such as `openai`."""
    model: Text
    """The model's name at its provider."""
    kind: Text
    """Whether it is a language model or the offline baseline, in words."""
    served: tuple[ServedModel, ...] | None = None
    """The versions that answered, the earliest first; absent where the provider does not name them."""
    changed: Text | None = None
    """That more than one version answered, in words; absent where it was one."""
    answer_forms: tuple[Text, ...] | None = None
    """The forms `json` or `text` that its server was asked for instead of a schema, which it does not take; absent
    otherwise."""

    @property
    def is_baseline(self) -> bool:
        """Whether the positions mean nothing, because no language model read the texts."""
        return self.kind == BASELINE_KIND


class OriginFile(Part):
    """A file that a record was made from."""

    name: Text
    """What it is."""
    sha256: Sha256
    """SHA-256 of the file."""


class RunOrigin(Part):
    """Where the record of a run is from that did not take place in this directory."""

    kind: Literal["import", "public-copy"]
    """Whether another program ran the study, or names, texts and reasons were taken out."""
    program: Text
    """Which program recorded the study, with its version as far as it is known."""
    made_at: Instant
    """When the record was made."""
    sources: tuple[OriginFile, ...]
    """What it was made from."""
    missing: tuple[Text, ...]
    """What is not in the record, a sentence each."""
    order_unknown: bool | None = None
    """True where nobody knows which essay of a pair was shown first; absent otherwise."""
    licence: Text | None = None
    """URL under which a public copy may be used; absent where none is given."""


class RunMetadata(Part):
    """Which run this is, and what it was asked to do."""

    assignment_id: Uuid
    """The assignment in the CJ service, or an id made of the inputs."""
    assignment_id_origin: Text
    """Where `assignment_id` is from, in words."""
    course_id: Uuid
    """The course, or an id made of the course code."""
    course_id_origin: Text
    """Where `course_id` is from, in words."""
    grade_scale: ScaleKey
    """Key of the scale of all grades in this file."""
    course_code: Text
    """Such as ENG5."""
    language: Text
    """Of the essays: en or sv."""
    runner_version: Text
    """Version of eng5-runner that began the run."""
    git_sha: Annotated[str, Field(pattern="^([0-9a-f]{7,40}|UNKNOWN)$")]
    """Commit of eng5-runner, UNKNOWN where it was not run from a checkout."""
    started_at: Instant
    """When the run began."""
    generated_at: Instant
    """When the last event of the run was recorded; writing the file again does not change it."""
    runner_mode: Annotated[Mode, WithJsonSchema({"enum": ["dry-run", "execute", "anchor-align"]})]
    """The `--mode` of the run."""
    batch_label: Text
    """The name that people gave the run."""
    batch_uuid: Uuid
    """The run's id, which is also the id of its batch in the CJ service."""
    correlation_id: Uuid
    """Finds the run in the services' logs."""
    inputs_sha256: Sha256
    """Digest of all inputs: two runs with the same digest compared the same texts with the same instructions."""
    max_comparisons: Nullable[AtLeastOne]
    """The exact number of comparisons asked for; null where another option or the default decided."""
    seed: Nullable[int]
    """Of the pairing; null where none was given."""
    judges: tuple[JudgeIdentity, ...]
    """The models that judged; before the first judgement those asked for, none if nobody is named."""
    origin: RunOrigin | None = None
    """Where the record is from; absent where the run took place in this directory."""


class DocumentRecord(Part):
    """A text that every judge saw, whole."""

    source_path: Text
    """The file, relative to the assets folder."""
    checksum: Sha256
    """SHA-256 of the file."""
    content: Text
    """The text that was extracted from the file."""
    content_sha256: Sha256
    """SHA-256 of `content` as UTF-8."""
    word_count: Count
    """Words of `content`."""


class InstructionsRecord(DocumentRecord):
    """What the judge goes by, whole. The service's own criteria apply where the folder has no such file."""

    source_path: str
    """The file, relative to the assets folder; empty where there is none."""
    checksum: Sha256
    """SHA-256 of the file; of no bytes where there is none."""
    content: str
    """The text that was extracted from the file; empty where there is none."""


class EssayFile(Part):
    """The file of an essay. The text itself is not in the artefact."""

    file_name: Text
    """Name of the file without its folder."""
    source_path: Text
    """The file, relative to the assets folder."""
    checksum: Sha256
    """SHA-256 of the file."""
    bytes: Count
    """Size of the file."""
    text_sha256: Sha256
    """SHA-256 of the extracted text as UTF-8; essays of two runs are the same where this is the same."""
    word_count: AtLeastOne
    """Words of the extracted text."""
    storage_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    """Id of the text in the Content Service; absent where it was not uploaded."""
    flags: tuple[FlagKind, ...] | None = None
    """What may sway a judge beside the essay: hidden passages, words to the judge, invisible characters; absent where
    nothing was found."""
    twin: EssayId | None = None
    """An essay without flags that is the same but for one passage; absent where there is none."""


class AnchorRecord(EssayFile):
    """An essay whose grade is known."""

    anchor_id: EssayId
    """The anchor's id in this file."""
    grade: Text
    """The experts' grade."""
    label: Text
    """The anchor's name in its folder or table."""


class StudentRecord(EssayFile):
    """An essay whose grade is wanted."""

    essay_id: EssayId
    """The essay's id in this file."""


class InputsRecord(Part):
    """The files of the assets folder as they were read."""

    instructions: InstructionsRecord
    """What the judge is asked to look for; without text where the folder has no such file, as version 1.0 needs one."""
    prompt_reference: DocumentRecord
    """The students' task."""
    anchors: Annotated[tuple[AnchorRecord, ...], Field(min_length=1)]
    """Essays with a known grade; at least two in a run of the anchors alone."""
    students: tuple[StudentRecord, ...]
    """Essays to be graded; at least two, and none in a run of the anchors alone."""

    @property
    def flags(self) -> dict[str, tuple[FlagKind, ...]]:
        """Essay id → its flags, of the essays that have some."""
        essays = (
            *((anchor.anchor_id, anchor.flags) for anchor in self.anchors),
            *((student.essay_id, student.flags) for student in self.students),
        )
        return {essay_id: flags for essay_id, flags in essays if flags}

    @property
    def by_text(self) -> dict[str, list[str]]:
        """SHA-256 of a text → the ids of its essays, of which there can be several; anchors first."""
        essays = (
            *((anchor.text_sha256, anchor.anchor_id) for anchor in self.anchors),
            *((student.text_sha256, student.essay_id) for student in self.students),
        )
        found: dict[str, list[str]] = {}
        for text_sha256, essay_id in essays:
            found.setdefault(text_sha256, []).append(essay_id)
        return found

    @cached_property
    def file_names(self) -> dict[str, str]:
        """Essay id → name of its file, without the folder; anchors and students."""
        return {
            **{anchor.anchor_id: anchor.file_name for anchor in self.anchors},
            **{student.essay_id: student.file_name for student in self.students},
        }


class PromptText(Part):
    """A part of the prompt that the runner sent."""

    origin: Text
    """Where the text is from, such as `--rubric`."""
    content: str
    """The text, whole."""
    sha256: Sha256
    """SHA-256 of `content` as UTF-8."""


class JudgeRequest(Part):
    """What the judge was asked to be. `prompt_hash` of each comparison is of the whole text as it was sent."""

    settings: dict[str, str | int | float]
    """Overrides of the judge's defaults by their name in the request; empty where the defaults hold."""
    system_prompt: Nullable[PromptText]
    """null where the service uses its own, which the runner does not see."""
    rubric: Nullable[PromptText]
    """null where the service uses its own."""
    task: PromptText
    """The students' task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed(Row):
    """The judgement that a replay repeats, and what it took when it was asked. The run itself took nothing for it."""

    request_id: Text
    """The provider's id of the call that was recorded."""
    recorded_at: Instant
    """When it was asked."""
    cost_usd: NonNegative | None = field(metadata=NULL_WHERE_ABSENT)
    """What it cost; null where the price was not known."""
    tokens_prompt: Count
    """Tokens read."""
    tokens_completion: Count
    """Tokens written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedUnknown(Row):
    """A replay of which the service did not say what it repeats: an empty object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonCall(Row):
    """One question to the judge. A light row and no model: a run can have a million."""

    sequence: AtLeastOne
    """Number in its list, from 1, in the order in which the questions were asked."""
    request_id: Text
    """The provider's id of the call, unique in the run."""
    correlation_id: Uuid
    """Of the pair, in the services' logs."""
    essay_a_id: EssayId
    """The essay that was shown first."""
    essay_b_id: EssayId
    """The essay that was shown second."""
    provider: Text
    """Who served the model."""
    model: Text
    """The model's name at its provider."""
    tokens_prompt: Count
    """Tokens read."""
    tokens_completion: Count
    """Tokens written."""
    cost_usd: NonNegative
    """Price of the call in USD; 0 for a replay."""
    started_at: Instant
    """When the question was asked."""
    completed_at: Instant
    """When the answer was complete."""
    response_time_ms: Count | None = None
    """Time of the model's answer; absent where the service does not say."""
    request_type: str | None = None
    """`cj_comparison` or `cj_retry`; absent where the service does not say."""
    iteration: int | None = None
    """Round of the pairing; absent where the service does not say."""
    repeat_index: Count | None = None
    """How often the pair was asked before in this order; absent where the service does not say."""
    replayed: Replayed | ReplayedUnknown | None = None
    """What a replayed judgement repeats; absent where the judge was asked."""
    served_model: str | None = None
    """The model that the provider says it used, often a dated version; absent where it does not say."""
    system_fingerprint: str | None = None
    """The provider's name for the state of its system; absent where it does not say."""
    flagged: Literal["A", "B", "both"] | None = None
    """Which of the two essays has `flags`; absent where none has."""
    tokens_cached: AtLeastOne | None = None
    """The part of `tokens_prompt` that was read from the provider's cache; absent where none is known to be."""
    batched: bool | None = None
    """True where it went to the provider's batch API, and cost what that costs; absent otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(ComparisonCall):
    """One judgement of a pair."""

    winner_id: EssayId
    """The better essay."""
    loser_id: EssayId
    """The other essay."""
    winner_position: Literal["A", "B"]
    """Where the better essay was shown: A first, B second."""
    prompt_hash: Sha256
    """SHA-256 of the whole prompt as it was sent, as the service states it. 64 zeros where it stated no SHA-256; the
    comparison is then listed in `runner_status.flawed`."""
    status: Literal["succeeded"] = "succeeded"
    """For readers of version 1.0."""
    confidence: float | None = None
    """As the judge gave it, usually 1 to 5; absent where it gave none."""
    probability_a: float | None = None
    """The model's own probability of the answer that the essay shown first is better; absent where it is not known."""
    probability_is_bound: bool | None = None
    """True where the winner's probability is at least that much; absent otherwise."""
    justification: str | None = None
    """The judge's reason; absent where it gave none."""

    @property
    def first_won(self) -> bool:
        """Whether the essay that was shown first won."""
        return self.winner_position == "A"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedComparison(ComparisonCall):
    """A question that no answer could be used of. It has no winner, here or anywhere."""

    failure_code: Text
    """The provider's or the service's code."""
    failure_reason: Text
    """Code and message, at most 500 characters; stack traces stay in the ledger."""
    status: Literal["failed"] = "failed"
    """For readers of version 1.0."""
    prompt_hash: Sha256 | None = None
    """SHA-256 of the whole prompt; absent where none was made."""


class TokenCounts(Part):
    """What the calls of one model took, failed ones included."""

    provider: Text
    """Who served the model."""
    model: Text
    """The model's name at its provider."""
    comparisons: AtLeastOne
    """Calls, failed ones included."""
    prompt_tokens: Count
    """Tokens read."""
    completion_tokens: Count
    """Tokens written."""
    usd: NonNegative
    """Sum of their prices in USD, to 9 decimals."""
    unpriced: AtLeastOne | None = None
    """Calls whose price is not known, so that they count as 0 USD; absent where all prices are known."""
    cached_tokens: AtLeastOne | None = None
    """The part of `prompt_tokens` that was read from the provider's cache; absent where none is known to be."""


class ReplaySavings(Part):
    """What replays saved."""

    comparisons: AtLeastOne
    """Calls that were replayed."""
    saved_usd: NonNegative
    """What they cost when they were asked, where that is known, in USD."""


class TrialAnswer(Part):
    """The answer that the judge's provider was asked for before anything was sent."""

    usd: NonNegative
    """What counts as its price in USD: the most that it can be where the provider does not say."""
    prompt_tokens: Count
    """Tokens read; 0 where the provider does not say."""
    completion_tokens: Count
    """Tokens written; 0 where the provider does not say."""


class Costs(Part):
    """What the run cost."""

    @property
    def cached_tokens(self) -> int:
        """Tokens that were read from the providers' caches, of all models."""
        return sum(row.cached_tokens or 0 for row in self.token_counts)

    @property
    def unpriced(self) -> int:
        """Calls whose price is not known, of all models: `total_usd` lacks them."""
        return sum(row.unpriced or 0 for row in self.token_counts)

    total_usd: NonNegative
    """All calls, failed ones and the test answer included, in USD to 9 decimals."""
    token_counts: tuple[TokenCounts, ...]
    """By provider and model."""
    replayed: ReplaySavings | None = None
    """Absent where nothing was replayed."""
    test_answer: TrialAnswer | None = None
    """Absent where the judge's provider was not asked beforehand."""


class PromptTemplate(Part):
    """A text in the prompts that came with the service."""

    name: str
    """As the service calls it."""
    sha256: Sha256
    """SHA-256 of the text."""


class PromptHashes(Part):
    """Which prompts were sent, by their hashes."""

    distinct: Count
    """Different prompts."""
    asked_more_than_once: Count
    """Prompts that were sent more than once."""
    digest: Sha256
    """SHA-256 of all distinct hashes, sorted and joined by line feeds."""
    system_prompts: tuple[Sha256, ...] | None = None
    """Hashes of the system prompts; absent where the service does not say."""
    templates: tuple[PromptTemplate, ...] | None = None
    """Texts that came with the service; absent where it does not say."""
