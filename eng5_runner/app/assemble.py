"""Settings to a run's spec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from eng5_runner.app.design import check_design
from eng5_runner.app.settings import Settings
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import Budget, KafkaAccess, RunSpec, Study, Target, Timeouts, Uploading
from eng5_runner.errors import InputsMissing, UsageError
from eng5_runner.inventory.boundary_pairs import read_pairs

# Where HuleEdu's services listen on a developer's machine.
DEFAULT_KAFKA = "localhost:9093"
DEFAULT_CONTENT = "http://localhost:8001/v1/content"
DEFAULT_CJ = "http://localhost:9095"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What is sent where."""

    target: Target
    send: bool


def destination(settings: Settings) -> Destination:
    """Which services a run talks to: those that were given, else the embedded ones, else none.

    Raises:
        UsageError: the given services are asked for what only the embedded ones can do.
    """
    send = settings.mode.executes and not settings.no_kafka
    if not settings.mode.executes or not executes_remotely(settings):
        # The embedded stack's addresses are known once it is up; without Kafka there is nobody to upload for.
        content = "http://embedded/v1/content" if send else None
        target = Target(stack="embedded", content_service_url=content, replays=not settings.no_cache)
        return Destination(target=target, send=send)
    if settings.no_cache:
        raise UsageError(
            "--no-cache is for the embedded stack; what the given services keep is theirs.",
            remedy="Leave it out, or start the services with it: eng5-runner stack up --no-cache.",
        )
    return Destination(
        target=Target(
            stack="remote",
            kafka_bootstrap=settings.kafka_bootstrap or DEFAULT_KAFKA,
            kafka_client_id=settings.kafka_client_id,
            kafka_access=_kafka_access(settings),
            topic_prefix=settings.kafka_topic_prefix,
            content_service_url=settings.content_service_url or DEFAULT_CONTENT,
            cj_service_url=settings.cj_service_url or DEFAULT_CJ,
            llm_provider_service_url=settings.llm_provider_service_url,
        ),
        send=send,
    )


def executes_remotely(settings: Settings) -> bool:
    """Whether an execution with these settings goes to services that were given, also where this is only a plan."""
    given = (settings.kafka_bootstrap, settings.content_service_url, settings.cj_service_url)
    return settings.stack == "remote" or (settings.stack == "auto" and any(given))


def _kafka_access(settings: Settings) -> KafkaAccess:
    return KafkaAccess(
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        user=settings.kafka_user,
        ca=_absolute(settings.kafka_ca),
        client_cert=_absolute(settings.kafka_client_cert),
        client_key=_absolute(settings.kafka_client_key),
    )


def _absolute(path: Path | None) -> str | None:
    """A run can be resumed from another folder."""
    return None if path is None else str(path.resolve())


def build_spec(settings: Settings, inputs: Inputs, *, run_id: UUID, label: str) -> RunSpec:
    """The spec of a new run.

    Raises:
        UsageError: an id is no UUID, or two settings contradict each other.
        InputsInvalid: the table of pairs cannot be used.
        InputsMissing: a prompt or rubric file is not there.
    """
    check_design(settings)
    where = destination(settings)
    return RunSpec(
        run_id=run_id,
        label=label,
        mode=settings.mode,
        send=where.send,
        assets=str(settings.assets.resolve()),
        encoding=settings.encoding,
        study=Study(
            assignment_id=None if settings.mode.anchors_only else _uuid(settings.assignment_id, "--assignment-id"),
            course_id=_uuid(settings.course_id, "--course-id"),
            grade_scale=settings.grade_scale,
            expected_grade_scale=settings.expected_grade_scale,
            register_anchors=settings.register_anchors,
            course_code=settings.course_code,
            language=settings.language,
            user_id=settings.user_id,
            org_id=settings.org_id,
        ),
        judge=_judge(settings),
        budget=_budget(settings, read_pairs(settings.pairs, inputs)),
        target=where.target,
        timeouts=Timeouts(
            await_completion=settings.await_completion,
            total=settings.completion_timeout,
            idle=settings.idle_timeout,
        ),
        uploading=Uploading(concurrency=settings.upload_concurrency, force=settings.force_reupload),
    )


def _budget(settings: Settings, pairs: tuple[tuple[str, str], ...]) -> Budget:
    return Budget(
        max_comparisons=settings.max_comparisons,
        comparisons_per_essay=settings.comparisons_per_essay,
        max_cost_usd=settings.max_cost,
        target_se=settings.target_se,
        target_reliability=settings.target_reliability,
        design=settings.design,
        pairs=pairs,
        repeats=settings.repeats,
        swap=settings.swap,
        seed=settings.seed,
        batching_mode=settings.llm_batching_mode,
    )


def _judge(settings: Settings) -> LLMConfigOverrides | None:
    judge = LLMConfigOverrides(
        provider_override=settings.llm_provider,
        model_override=settings.llm_model,
        temperature_override=settings.llm_temperature,
        max_tokens_override=settings.llm_max_tokens,
        system_prompt_override=_text(settings.system_prompt, "--system-prompt"),
        judge_rubric_override=_text(settings.rubric, "--rubric"),
        reasoning_effort=settings.reasoning_effort,
        output_verbosity=settings.output_verbosity,
    )
    return None if judge == LLMConfigOverrides() else judge


def _text(path: Path | None, option: str) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputsMissing(f"{option} {path} cannot be read: {error}.", remedy="Name a UTF-8 text file.") from None


def _uuid(value: str | None, option: str) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise UsageError(f"{option} is not a UUID.", remedy="Copy it from the service, such as 1b4e28ba-….") from None
