"""How the run went: outcome, how far each topic was read, why the study ended, and what proves the file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from eng5_runner.contracts.choices import PairDesign, SwapShare
from eng5_runner.core.events import DeadlineKind, Objection, Outcome
from eng5_runner.results.artefact.part import (
    AtLeastOne,
    Count,
    Interval90,
    NonNegative,
    Nullable,
    Part,
    Positive,
    Sha256,
    Text,
    Uuid,
)


class ComparisonCounts(Part):
    """How many comparisons came back."""

    judged: Count
    """With a winner."""
    failed: Count
    """Without."""
    asked: Count | None = None
    """How many the run asked for in all; with a target, at most. Absent in artefacts of old runs."""
    missing: Count | None = None
    """How many of them have not come back; absent where nothing was sent, and in artefacts of old runs."""


class RejectedMessage(Part):
    """A message of this run that could not be used."""

    topic: Text
    """Kafka topic."""
    partition: Count
    """Kafka partition."""
    offset: Count
    """Place of the message in its partition."""
    reason: Text
    """Why it could not be used; without any of its values."""


class FlawedMessage(Part):
    """A comparison that counts although something in its message is missing or makes no sense."""

    topic: Text
    """Kafka topic."""
    partition: Count
    """Kafka partition."""
    offset: Count
    """Place of the message in its partition."""
    request_id: Text
    """Of the comparison."""
    flaws: Text
    """What is wrong with it and what stands for it; without any of its values."""


class DoubtfulMessage(Part):
    """A comparison that the requests cannot have caused."""

    topic: Text
    """Kafka topic."""
    partition: Count
    """Kafka partition."""
    offset: Count
    """Place in the partition; the ledger has the message."""
    request_id: Text
    """Of the comparison."""
    objection: Objection
    """unasked: its pair is not in the design. surplus: more than were asked for. time: made before the request, or
    after its own answer. judge: by another one than was asked for. late: made after the completion."""
    counts: bool
    """Whether it is part of the study all the same."""


class DeadlineRecord(Part):
    """A time limit that was reached."""

    kind: DeadlineKind
    """total: of the session. idle: without any message. result: from the completion to the result."""
    waited_seconds: NonNegative
    """How long was waited, to a tenth of a second."""


class PreflightRecord(Part):
    """What was checked before anything was sent."""

    checks: tuple[Text, ...]
    """What is well, in words."""
    warnings: tuple[Text, ...]
    """What the run went on with all the same, in words."""


class RequestRecord(Part):
    """The request to the CJ service."""

    event_id: Uuid
    """Of its envelope; the file is `requests/<event_id>.json`."""
    bytes: AtLeastOne
    """Size of the message."""
    topic: Text | None = None
    """Kafka topic; absent until it was sent."""
    partition: Count | None = None
    """Kafka partition; absent until it was sent."""
    offset: Count | None = None
    """Place in the partition; absent until it was sent."""
    found_after_a_crash: bool | None = None
    """Whether a later session found it in the topic; absent until it was sent."""


class RequestOutcome(Part):
    """One of several requests of a run."""

    batch_uuid: Uuid
    """Of its batch."""
    request: RequestRecord
    """What was sent."""
    comparisons: ComparisonCounts
    """How many of its own came back."""
    completion_status: Nullable[str]
    """What the CJ service said at its end; null where it has not ended."""
    failure: Nullable[str]
    """Why the CJ service failed, in its words; null where it did not."""


class TopicOffsets(Part):
    """How far a partition was read."""

    model_config = ConfigDict(populate_by_name=True)

    topic: Text
    """Kafka topic."""
    partition: Count
    """Kafka partition."""
    from_: Annotated[Count, Field(alias="from")]
    """End of the partition before the request was sent."""
    to: Count
    """The next offset to read."""


class RunnerStatus(Part):
    """How complete the run is, and why it is not."""

    outcome: Outcome | Literal["open"]
    """How the last session ended; open while none has."""
    partial_data: bool
    """Whether something that was asked for is missing."""
    reasons: tuple[Text, ...]
    """Why, in words."""
    sessions: AtLeastOne
    """How often the run was started or resumed."""
    event_counts: dict[str, AtLeastOne]
    """Events of the ledger by their type."""
    comparisons: ComparisonCounts
    """How many came back."""
    completion_status: Nullable[str]
    """What the CJ service said at its end; null where it has not ended."""
    failure: Nullable[str]
    """Why the CJ service failed, in its words; null where it did not."""
    has_service_result: bool
    """Whether the CJ service's own figures came; of several requests, those of the last one."""
    duplicates: Count
    """Messages that came again."""
    conflicts: Count
    """Messages that came again and said something else; the first counts."""
    offsets_lost: Count
    """Messages that the broker dropped before they were read."""
    rejected: tuple[RejectedMessage, ...]
    """Messages of this run that could not be used."""
    flawed: tuple[FlawedMessage, ...] | None = None
    """Comparisons that were accepted with a flaw; absent where there are none."""
    doubtful: tuple[DoubtfulMessage, ...] | None = None
    """Comparisons that the requests cannot have caused; absent where there are none."""
    deadlines: tuple[DeadlineRecord, ...]
    """Time limits that were reached."""
    preflight: Nullable[PreflightRecord]
    """null where nothing was checked."""
    request: Nullable[RequestRecord]
    """The first one; null where none was made."""
    requests: tuple[RequestOutcome, ...] | None = None
    """All of them; absent where there is only one. The service's figures cover one each, so they are left out."""
    offsets: tuple[TopicOffsets, ...]
    """How far each partition was read, on the last cluster."""


class LookRecord(Part):
    """One look of the service, after a whole round, at whether the study may end."""

    round: int
    """1 for the first."""
    comparisons: int
    """Asked for so far, failed ones and repeats included."""
    judgements: float
    """Different ones with a winner."""
    fewest_judgements: float
    """Of the essay that has the fewest."""
    components: int
    """Groups of essays that no judgement links; 1 when all are linked."""
    reliability: float
    """Of the order, 0 to 1."""
    reliability_interval_90: Nullable[Interval90]
    """null where it could not have mattered and was not computed."""
    standard_error_90: float
    """What 90% of the standard errors do not exceed, in logits."""
    verdict: str
    """`go on`, `precise enough` or `budget spent`."""


class CostLimitReached(Part):
    """Where the study stood when it ended at its cost limit."""

    max_cost_usd: NonNegative
    """The limit in USD."""
    spent_usd: NonNegative
    """What was spent in USD, with what is not known counted at its highest."""
    next_at_most_usd: NonNegative
    """What the next comparison could have cost, in USD."""
    comparisons: Count
    """Pairs with an answer."""
    comparisons_wanted: Count
    """Pairs of the whole study."""


class PairsDecided(Part):
    """What it saved that decided pairs were not judged to the end."""

    pairs: Count
    """Named pairs that were left out early."""
    comparisons: Count
    """Comparisons that were asked."""
    comparisons_wanted: Count
    """The same if no pair had been left out."""


class Stopping(Part):
    """How pairs were chosen, each look at whether the study may end, and what ended it."""

    design: PairDesign
    """How pairs are chosen."""
    swap: SwapShare
    """Which pairs are asked in the other order too."""
    repeats: AtLeastOne
    """How often a pair is asked in the same order."""
    named_pairs: Count
    """Pairs that a boundary design was given."""
    target_reliability: Nullable[Annotated[float, Field(gt=0, lt=1)]]
    """The study ends when its reliability is surely above; null where that was not asked for."""
    target_standard_error: Nullable[Positive]
    """The study ends when 90% of the standard errors are below, in logits; null where that was not asked for."""
    max_cost_usd: Nullable[Positive]
    """What may be spent, in USD; null without a limit."""
    looks: tuple[LookRecord, ...]
    """In their order."""
    ended_by: Nullable[Text]
    """In words; null while the service has not said."""
    cost_stop: Nullable[CostLimitReached]
    """Where the study stood at its cost limit; null where it did not end there."""
    decided: PairsDecided | None = None
    """What was saved because pairs were decided; left out where that was not asked for, or the study did not end."""


class ManifestEntry(Part):
    """A file that the artefact is computed from."""

    path: Text
    """Relative to the run's directory."""
    sha256: Sha256
    """SHA-256 of the file."""
    bytes: Count
    """Size of the file."""


class CliEnvironment(Part):
    """Where the run was begun."""

    python: Text
    """Version of Python."""
    pdm: Text
    """For readers of version 1.0: how eng5-runner was installed."""
    os: Text
    """Operating system."""
    docker_compose: Text
    """For readers of version 1.0: whether Docker Compose was used."""


class Validation(Part):
    """What proves the file."""

    artefact_checksum: Sha256
    """SHA-256 of the canonical JSON of the artefact with this field set to 64 zeros."""
    manifest: Annotated[tuple[ManifestEntry, ...], Field(min_length=3)]
    """The files that the artefact is computed from."""
    cli_environment: CliEnvironment
    """Where the run was begun."""
