"""What a run is asked to do: one frozen value, settled before the first effect and kept in the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from eng5_runner.contracts.request import CourseCode, Language, LLMConfigOverrides


class Mode(StrEnum):
    """How far a run goes: look only, all but the network, everything, or everything with the anchors alone."""

    PLAN = "plan"
    DRY_RUN = "dry-run"
    EXECUTE = "execute"
    ANCHOR_ALIGN = "anchor-align"

    @property
    def executes(self) -> bool:
        """Whether the judges are asked."""
        return self in {Mode.EXECUTE, Mode.ANCHOR_ALIGN}

    @property
    def anchors_only(self) -> bool:
        """Whether the students' essays are left out, to see how a judge agrees with the experts first."""
        return self is Mode.ANCHOR_ALIGN


class Value(BaseModel):
    """A frozen value with exactly its fields; no infinite number, which the ledger's JSON could not give back."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Study(Value):
    """What is assessed, and for whom.

    Attributes:
        assignment_id: the assignment in the CJ service; None makes a guest run, whose anchors go as essays.
        course_id: the course in the CJ service, for the record.
        grade_scale: key of `contracts.grade_scales.GRADE_SCALES`.
        expected_grade_scale: refuse to start if the assignment has another scale.
        register_anchors: register those of our anchors that the assignment lacks before anything is sent.
    """

    assignment_id: UUID | None = None
    course_id: UUID | None = None
    grade_scale: str = "eng5_np_legacy_9_step"
    expected_grade_scale: str | None = None
    register_anchors: bool = False
    course_code: CourseCode = CourseCode.ENG5
    language: Language = Language.ENGLISH
    user_id: str = "eng5_np_research_runner"
    org_id: str | None = None


Design: TypeAlias = Literal["balanced", "adaptive", "boundary"]
Swap: TypeAlias = Literal["none", "audit", "all"]


class Budget(Value):
    """How much is asked for, and how pairs are chosen.

    Attributes:
        max_comparisons: the exact total, or None for the service's own default.
        comparisons_per_essay: judgements an essay, instead of a total.
        max_cost_usd: what may be spent at most, comparisons under way included.
        target_se: stop when 90% of the standard errors are below it (logits).
        target_reliability: stop when the lower bound of the reliability is above it.
        design: how pairs are chosen.
        pairs: of a boundary design, our essay ids.
        repeats: how often each pair is asked in the same order.
        swap: which pairs are asked in the other order too: none, an audit share, or all.
        seed: makes pairing repeatable where the service supports it.
        batching_mode: hint to the service how to batch its calls.
    """

    max_comparisons: Annotated[int, Field(ge=1)] | None = None
    comparisons_per_essay: Annotated[float, Field(ge=1)] | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    target_se: Annotated[float, Field(gt=0)] | None = None
    target_reliability: Annotated[float, Field(gt=0, lt=1)] | None = None
    design: Design = "balanced"
    pairs: tuple[tuple[str, str], ...] = ()
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    swap: Swap = "none"
    seed: int | None = None
    batching_mode: str | None = None


KafkaProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
KafkaMechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaAccess(Value):
    """How a Kafka cluster lets us in. The password is no part of a run: it comes anew with each session.

    Attributes:
        protocol: as Kafka calls it.
        mechanism: how the password is shown, where the protocol is one of SASL.
        ca: a PEM file with the authority that signed the broker's certificate; None for those of the system.
        client_cert: our own certificate, with its key in `client_key`, where the cluster wants one.
    """

    protocol: KafkaProtocol = "PLAINTEXT"
    mechanism: KafkaMechanism = "PLAIN"
    user: str | None = None
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class Target(Value):
    """Where the services are; None where nothing is to be sent there.

    Attributes:
        stack: `embedded` if we brought the services ourselves, `remote` if they were given.
        topic_prefix: what the cluster has before the topics' names.
        replays: whether an embedded stack may answer with judgements that were paid for before.
    """

    stack: Literal["embedded", "remote"]
    kafka_bootstrap: str | None = None
    kafka_client_id: str = "eng5-np-runner"
    kafka_access: KafkaAccess = KafkaAccess()
    topic_prefix: str = ""
    content_service_url: str | None = None
    cj_service_url: str | None = None
    llm_provider_service_url: str | None = None
    replays: bool = True


class Timeouts(Value):
    """How long to wait, in seconds.

    Attributes:
        await_completion: gather callbacks after the request is out.
        total: for the whole gathering.
        idle: without any message of ours while the broker is alive. The CJ service may be silent for five minutes
            between waves, so the default lies well above that.
        result: for the rich event after the completion; on the national scale the real service never sends it.
        publish: for the acknowledgement of the request.
    """

    await_completion: bool = True
    total: Annotated[float, Field(gt=0)] = 1800.0
    idle: Annotated[float, Field(gt=0)] = 900.0
    result: Annotated[float, Field(gt=0)] = 60.0
    publish: Annotated[float, Field(gt=0)] = 30.0


class Uploading(Value):
    """How essays go to the Content Service."""

    concurrency: Annotated[int, Field(ge=1, le=512)] = 32
    force: bool = False


class RunSpec(Value):
    """Everything that decides what a run does.

    Attributes:
        run_id: the batch's UUID on the wire; all other ids of the run derive from it.
        label: the user's name for the run (`--batch-id`).
        send: whether the request goes to Kafka (`--no-kafka` and dry runs do not send).
        assets: the assets folder as it was given, to read the essays again on resume.
    """

    run_id: UUID
    label: str
    mode: Mode
    send: bool
    assets: str
    encoding: str | None = None
    study: Study = Study()
    judge: LLMConfigOverrides | None = None
    budget: Budget = Budget()
    target: Target
    patience: Timeouts = Timeouts()
    uploading: Uploading = Uploading()

    @property
    def event_id(self) -> UUID:
        """Of the request: the same however often it is sent, which is what lets services skip a repeat."""
        return uuid5(self.run_id, "request")

    @property
    def correlation_id(self) -> UUID:
        """For tracing through the services."""
        return uuid5(self.run_id, "correlation")

    @property
    def uploads(self) -> bool:
        """Whether texts go to a Content Service."""
        return self.mode.executes and self.target.content_service_url is not None


class Versions(Value):
    """What the run was made with, for the record."""

    runner: str
    git_sha: str
    python: str
    os: str
    pdm: str = "not used"
    docker_compose: str = "not used"
