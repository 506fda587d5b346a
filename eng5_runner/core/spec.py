"""What a run has to do: one frozen value, fixed before the run's first effect and kept in the ledger."""

from __future__ import annotations

import operator
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from eng5_runner.contracts.choices import (
    CostLimit,
    CourseCode,
    JudgeCalls,
    Language,
    PairDesign,
    Provider,
    Repeats,
    SoftJudgements,
    SwapShare,
    TargetReliability,
    TargetSe,
)
from eng5_runner.contracts.grade_scales import DEFAULT_SCALE
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.choices import (
    DEFAULT_CLIENT_ID,
    DEFAULT_USER,
    IDLE_SECONDS,
    MOST_REQUESTS,
    UPLOADS_AT_ONCE,
    Comparisons,
    ComparisonsPerEssay,
    Concurrency,
    KafkaMechanism,
    KafkaProtocol,
    Mode,
    Requests,
    Seconds,
)

# The choices are part of this module's models, so they can be imported with them.
__all__ = (
    "Budget",
    "FurtherModel",
    "KafkaAccess",
    "Mode",
    "RunSpec",
    "Study",
    "Target",
    "Timeouts",
    "Uploading",
    "Value",
    "Versions",
)


class Value(BaseModel):
    """A frozen value with exactly its fields. Infinite numbers are errors: the ledger's JSON could not restore them."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        defer_build=True,
    )


class Study(Value):
    """What is assessed, and for whom.

    Attributes:
        assignment_id: the assignment in the CJ service. None makes a guest run, which sends the anchors as essays.
        course_id: the course in the CJ service; recorded, not used.
        grade_scale: key of `contracts.grade_scales.GRADE_SCALES`.
        expected_grade_scale: if the assignment has another scale, refuse to start.
        register_anchors: before anything is sent, register the anchors that the assignment lacks.
        replace_anchors: the same, and replace those that differ in grade or text.
    """

    assignment_id: UUID | None = None
    course_id: UUID | None = None
    grade_scale: str = DEFAULT_SCALE
    expected_grade_scale: str | None = None
    register_anchors: bool = False
    # Left out where it is not set, so that a ledger of before would be written with the same bytes.
    replace_anchors: Annotated[bool, Field(exclude_if=operator.not_)] = False
    course_code: CourseCode = CourseCode.ENG5
    language: Language = Language.ENGLISH
    user_id: str = DEFAULT_USER
    org_id: str | None = None


class FurtherModel(Value):
    """A model that judges a share of the study, with all other settings of the judge."""

    provider: Provider
    model: str


class Budget(Value):
    """How many comparisons a run requests, how pairs are chosen, and when the study ends.

    Attributes:
        max_comparisons: the total number of comparisons; None leaves it to the service.
        comparisons_per_essay: judgements per essay, instead of a total.
        max_cost_usd: the cost limit, comparisons in progress included.
        target_se: stop when 90% of the standard errors are at most this, in logits.
        target_reliability: stop when the lower end of the reliability's 90% interval is at least this.
        design: how pairs are chosen.
        pairs: our essay ids; only for a boundary design.
        repeats: how often each pair is compared in the same order.
        swap: which pairs are also compared in the other order: none, a sample, or all.
        seed: makes pairing repeatable, if the service supports it.
        batching_mode: a hint to the service how to batch its calls.
        top_up: whether the run sends further requests where the service ends before the total.
        max_requests: the number of requests that the run may send, the first included.
        stop_decided: whether a pair of a boundary design is left out as soon as it is decided.
        soft_judgements: whether judgements count for more than who won, where the judge's confidence or the probability
            of its answer predicts better. Off in runs of before, whose figures stay what they were.
    """

    max_comparisons: Comparisons | None = None
    comparisons_per_essay: ComparisonsPerEssay | None = None
    max_cost_usd: CostLimit | None = None
    target_se: TargetSe | None = None
    target_reliability: TargetReliability | None = None
    design: PairDesign = "balanced"
    pairs: tuple[tuple[str, str], ...] = ()
    repeats: Repeats = 1
    swap: SwapShare = "none"
    seed: int | None = None
    batching_mode: str | None = None
    # Left out at these values, which are those of runs of before: their ledgers keep their bytes.
    top_up: Annotated[bool, Field(exclude_if=operator.not_)] = False
    max_requests: Annotated[Requests, Field(exclude_if=lambda number: number == MOST_REQUESTS)] = MOST_REQUESTS
    stop_decided: Annotated[bool, Field(exclude_if=operator.not_)] = False
    soft_judgements: Annotated[SoftJudgements, Field(exclude_if=lambda choice: choice == "off")] = "off"


class KafkaAccess(Value):
    """How to authenticate to a Kafka cluster. The ledger never has the password: each session reads it again.

    Attributes:
        protocol: Kafka's `security.protocol`.
        mechanism: Kafka's `sasl.mechanism`; only used by the SASL protocols.
        ca: a PEM file with the authority that signed the broker's certificate; None for the system's authorities.
        client_cert: our own certificate, with its key in `client_key`, if the cluster requires one.
    """

    protocol: KafkaProtocol = "PLAINTEXT"
    mechanism: KafkaMechanism = "PLAIN"
    user: str | None = None
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class Target(Value):
    """The addresses of the services; None for a service that the run does not use.

    Attributes:
        stack: `embedded` if the runner starts the services itself, `remote` if it uses running ones.
        topic_prefix: the cluster's prefix before each topic's name.
        replays: whether an embedded stack may answer with cached judgements, which are already paid for.
    """

    stack: Literal["embedded", "remote"]
    kafka_bootstrap: str | None = None
    kafka_client_id: str = DEFAULT_CLIENT_ID
    kafka_access: KafkaAccess = KafkaAccess()
    topic_prefix: str = ""
    content_service_url: str | None = None
    cj_service_url: str | None = None
    llm_provider_service_url: str | None = None
    replays: bool = True


class Timeouts(Value):
    """How long to wait, in seconds.

    Attributes:
        await_completion: whether to gather callbacks after the request is sent.
        total: for gathering as a whole, over all requests of a session; None to wait as long as messages come.
        idle: without a message of this run while the broker is reachable.
        result: for the result after the completion. On the national scale the real service never sends a result.
        publish: for the broker's acknowledgement of the request.
    """

    await_completion: bool = True
    total: Seconds | None = None
    idle: Seconds = IDLE_SECONDS
    result: Seconds = 60.0
    publish: Seconds = 30.0


class Uploading(Value):
    """How essays are uploaded to the Content Service.

    Attributes:
        concurrency: number of uploads at the same time.
        force: upload every text, even if the upload cache has it.
    """

    concurrency: Concurrency = UPLOADS_AT_ONCE
    force: bool = False


class RunSpec(Value):
    """Everything that decides what a run does.

    Attributes:
        run_id: the UUID of the first request's batch on the wire; the run's other ids are derived from it.
        label: the user's name for the run (`--batch-id`).
        send: whether the request is sent to Kafka; `--no-kafka` and dry runs do not send it.
        assets: the assets folder as the user gave it; `resume` reads the essays from it again.
        further_models: the models that judge too, in requests of their own; see `judges`. No key in a ledger without.
        judge_check: whether preflight of an embedded stack asks the judge's provider for one answer.
        judge_concurrency: calls to the judge's provider at the same time; None for the provider's limits. No key in a
            ledger without it.
        pseudonyms: the key table, where files are shown under pseudonyms. No key in a ledger without one.
        timeouts: how long to wait; its key in the ledger is `patience`, which older ledgers have.
    """

    run_id: UUID
    label: str
    mode: Mode
    send: bool
    assets: str
    encoding: str | None = None
    pseudonyms: Annotated[str | None, Field(exclude_if=operator.not_)] = None
    study: Study = Study()
    judge: LLMConfigOverrides | None = None
    further_models: Annotated[tuple[FurtherModel, ...], Field(exclude_if=operator.not_)] = ()
    budget: Budget = Budget()
    target: Target
    timeouts: Timeouts = Field(default=Timeouts(), validation_alias="patience", serialization_alias="patience")
    uploading: Uploading = Uploading()
    judge_concurrency: Annotated[JudgeCalls | None, Field(exclude_if=operator.not_)] = None
    # Left out where it is set, so that a ledger of before would be written with the same bytes.
    judge_check: Annotated[bool, Field(exclude_if=operator.truth)] = True

    @property
    def event_id(self) -> UUID:
        """The request's event id. It never changes, so services can skip a repeated request."""
        return uuid5(self.run_id, "request")

    @property
    def correlation_id(self) -> UUID:
        """The id by which the run is traced through the services."""
        return uuid5(self.run_id, "correlation")

    def batch_id(self, number: int) -> UUID:
        """The UUID of the batch of a request of this run; 1 is the first request.

        >>> target = Target(stack="embedded")
        >>> spec = RunSpec(run_id=UUID(int=1), label="demo", mode=Mode.EXECUTE, send=True, assets=".", target=target)
        >>> spec.batch_id(1) == spec.run_id, spec.batch_id(2) == spec.batch_id(3)
        (True, False)
        """
        return self.run_id if number == 1 else uuid5(self.run_id, f"request-{number}")

    @property
    def judges(self) -> tuple[LLMConfigOverrides | None, ...]:
        """The judges of the run, who share its comparisons out evenly; None for the service's own."""
        settings = self.judge or LLMConfigOverrides()
        further = (
            settings.model_copy(update={"provider_override": one.provider, "model_override": one.model})
            for one in self.further_models
        )
        return self.judge, *further

    def of_each_judge(self) -> tuple[RunSpec, ...]:
        """The spec as it would be if each judge were the only one."""
        return tuple(self.model_copy(update={"judge": judge, "further_models": ()}) for judge in self.judges)

    @property
    def uploads(self) -> bool:
        """Whether texts are uploaded to a Content Service."""
        return self.mode.executes and self.target.content_service_url is not None


class Versions(Value):
    """The software that made the run, for the record."""

    runner: str
    git_sha: str
    python: str
    os: str
    pdm: str = "not used"
    docker_compose: str = "not used"
