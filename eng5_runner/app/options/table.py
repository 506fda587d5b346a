"""The settings of a run, one field each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from annotated_types import Ge, Gt, Le, Lt

from eng5_runner.app.addresses import AN_ADDRESS, LOOPBACK, check_address
from eng5_runner.app.options.option import DESIGN, JUDGE, KAFKA, OUTPUT, RUN, SERVICES, STUDY, Option, Setting, rows_of
from eng5_runner.contracts.choices import (
    CostLimit,
    CourseCode,
    JudgeCalls,
    Language,
    MaxTokens,
    OutputVerbosity,
    PairDesign,
    Provider,
    ReasoningEffort,
    Repeats,
    SoftJudgements,
    SwapShare,
    TargetReliability,
    TargetSe,
    Temperature,
)
from eng5_runner.contracts.grade_scales import DEFAULT_SCALE, GRADE_SCALES
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


def _topic_prefix(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", text):
        raise ValueError(text)


_A_UUID = "a UUID, such as 1b4e28ba-2fa1-11d2-883f-0016d3cca427"
_A_PREFIX = "at most 100 letters, digits, dots, dashes and underscores"
_SCALES = tuple(GRADE_SCALES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of a run. Build it with `app.settings.settings_from`, which checks the values; times in seconds."""

    # Pydantic's, for `app.settings`: an endless time or cost is none.
    __pydantic_config__: ClassVar[Mapping[str, object]] = MappingProxyType({"allow_inf_nan": False, "extra": "forbid"})

    mode: Annotated[
        Mode,
        Option(
            "plan: look only; dry-run: write the request; execute: send it; anchor-align: send the anchors only.",
            RUN,
            common=True,
            spec="mode",
            metavar="MODE",
        ),
    ] = Mode.PLAN
    assets: Annotated[Path, Option("Folder with the essays.", RUN, common=True, spec="assets", metavar="FOLDER")] = (
        Path()
    )
    batch_id: Annotated[
        str | None,
        Option("Name of the run.", RUN, common=True, metavar="NAME", default="the folder's name"),
    ] = None
    output_dir: Annotated[Path, Option("Folder for the runs.", OUTPUT, common=True, metavar="FOLDER")] = Path("runs")
    encoding: Annotated[
        str | None,
        Option("Encoding of text files that are not UTF-8, such as cp1252.", STUDY, spec="encoding", metavar="NAME"),
    ] = None
    pseudonyms: Annotated[
        Path | None,
        Option("Show essays under the pseudonyms of this key table.", STUDY, spec="pseudonyms", metavar="FILE"),
    ] = None
    assignment_id: Annotated[
        str | None,
        Option(
            "Assignment in the CJ service; none: a guest run.",
            STUDY,
            common=True,
            spec="study.assignment_id",
            metavar="UUID",
            check=UUID,
            expects=_A_UUID,
        ),
    ] = None
    course_id: Annotated[
        str | None,
        Option("Course in the CJ service.", STUDY, spec="study.course_id", metavar="UUID", check=UUID, expects=_A_UUID),
    ] = None
    grade_scale: Annotated[
        str,
        Option("Grade scale of the anchors.", STUDY, spec="study.grade_scale", metavar="SCALE", values=_SCALES),
    ] = DEFAULT_SCALE
    expected_grade_scale: Annotated[
        str | None,
        Option(
            "Stop if the assignment has another grade scale than this.",
            STUDY,
            spec="study.expected_grade_scale",
            metavar="SCALE",
            values=_SCALES,
        ),
    ] = None
    register_anchors: Annotated[
        bool,
        Option("Register the anchors that the assignment lacks, then run.", STUDY, spec="study.register_anchors"),
    ] = False
    replace_anchors: Annotated[
        bool,
        Option(
            "Like --register-anchors, and replace those that differ from ours in grade or text.",
            STUDY,
            spec="study.replace_anchors",
        ),
    ] = False
    course_code: Annotated[
        CourseCode, Option("Course of the essays.", STUDY, spec="study.course_code", metavar="CODE")
    ] = CourseCode.ENG5
    language: Annotated[Language, Option("Language of the essays.", STUDY, spec="study.language")] = Language.ENGLISH
    user_id: Annotated[str, Option("User that the request names.", STUDY, spec="study.user_id", metavar="ID")] = (
        DEFAULT_USER
    )
    org_id: Annotated[
        str | None, Option("Organisation that the request names.", STUDY, spec="study.org_id", metavar="ID")
    ] = None
    llm_provider: Annotated[
        Provider | None,
        Option(
            "Provider of the judge: anthropic, openai, google, openrouter or mock.",
            JUDGE,
            common=True,
            spec="judge.provider_override",
            metavar="NAME",
            default="the service's",
        ),
    ] = None
    llm_model: Annotated[
        str | None,
        Option(
            "Model of the judge; see `eng5-runner models`.",
            JUDGE,
            common=True,
            spec="judge.model_override",
            metavar="NAME",
            default="the service's",
        ),
    ] = None
    llm_temperature: Annotated[
        Temperature | None,
        Option("Sampling temperature, 0 to 2.", JUDGE, spec="judge.temperature_override", default="the service's"),
    ] = None
    llm_max_tokens: Annotated[
        MaxTokens | None,
        Option("Most tokens of one answer.", JUDGE, spec="judge.max_tokens_override", default="the service's"),
    ] = None
    system_prompt: Annotated[
        Path | None,
        Option(
            "Text file with the judge's system prompt.",
            JUDGE,
            common=True,
            spec="judge.system_prompt_override",
            metavar="FILE",
            default="the service's",
        ),
    ] = None
    rubric: Annotated[
        Path | None,
        Option(
            "Text file with the judge's rubric.",
            JUDGE,
            common=True,
            spec="judge.judge_rubric_override",
            metavar="FILE",
            default="the study's instructions",
        ),
    ] = None
    reasoning_effort: Annotated[
        ReasoningEffort | None,
        Option(
            "How much the model thinks before it answers.",
            JUDGE,
            spec="judge.reasoning_effort",
            default="the service's",
        ),
    ] = None
    output_verbosity: Annotated[
        OutputVerbosity | None,
        Option("How much the model writes.", JUDGE, spec="judge.output_verbosity", default="the service's"),
    ] = None
    llm_batching_mode: Annotated[
        str | None,
        Option(
            "How the service groups its calls to the provider, in its own words.",
            JUDGE,
            spec="budget.batching_mode",
            default="the service's",
        ),
    ] = None
    no_cache: Annotated[
        bool, Option("Ask the judge every question: neither read nor keep earlier judgements.", JUDGE)
    ] = False
    judge_concurrency: Annotated[
        JudgeCalls | None,
        Option("Calls to the provider at the same time, at most.", JUDGE, spec="judge_concurrency", default="64"),
    ] = None
    no_judge_check: Annotated[
        bool, Option("Do not ask the judge's provider for one test answer before anything is sent.", JUDGE)
    ] = False
    max_comparisons: Annotated[
        Comparisons | None,
        Option(
            "Number of comparisons in all.", DESIGN, common=True, spec="budget.max_comparisons", default="20 per essay"
        ),
    ] = None
    comparisons_per_essay: Annotated[
        ComparisonsPerEssay | None,
        Option(
            "Judgements per essay; 20 if nothing is given.",
            DESIGN,
            common=True,
            spec="budget.comparisons_per_essay",
            default="20",
        ),
    ] = None
    top_up: Annotated[
        bool,
        Option("Send further requests for what is missing.", DESIGN, spec="budget.top_up", flag="--top-up/--no-top-up"),
    ] = True
    max_requests: Annotated[
        Requests, Option("Most requests of a run, the first included.", DESIGN, spec="budget.max_requests")
    ] = MOST_REQUESTS
    max_cost: Annotated[
        CostLimit | None,
        Option(
            "Most USD to spend, calls under way included.",
            DESIGN,
            common=True,
            spec="budget.max_cost_usd",
            metavar="USD",
        ),
    ] = None
    target_se: Annotated[
        TargetSe | None,
        Option(
            "Stop when 90% of the standard errors are at most this, in logits.",
            DESIGN,
            spec="budget.target_se",
            metavar="LOGITS",
        ),
    ] = None
    target_reliability: Annotated[
        TargetReliability | None,
        Option(
            "Stop at this reliability, such as 0.8.",
            DESIGN,
            common=True,
            spec="budget.target_reliability",
        ),
    ] = None
    design: Annotated[PairDesign, Option("How pairs are chosen.", DESIGN, common=True, spec="budget.design")] = (
        "balanced"
    )
    pairs: Annotated[
        Path | None,
        Option("CSV with the columns essay_a,essay_b: the pairs of a boundary design.", DESIGN, metavar="FILE"),
    ] = None
    repeats: Annotated[
        Repeats, Option("How often each pair is asked in the same order.", DESIGN, spec="budget.repeats")
    ] = 1
    swap: Annotated[
        SwapShare,
        Option(
            "Pairs that are asked in the other order too: none, one in ten (audit), or all.",
            DESIGN,
            spec="budget.swap",
        ),
    ] = "none"
    soft_judgements: Annotated[
        SoftJudgements, Option("Use confidence or probabilities if they help.", DESIGN, spec="budget.soft_judgements")
    ] = "auto"
    pilot: Annotated[
        Path | None,
        Option("Earlier run whose spread, prices and pace to use.", DESIGN, common=True, metavar="RUN"),
    ] = None
    aim_within_one: Annotated[
        Annotated[float, Gt(0), Lt(1)] | None,
        Option(
            "Share of grades right within one step; the plan says how many comparisons this takes.",
            DESIGN,
            default="0.8",
        ),
    ] = None
    seed: Annotated[int | None, Option("Same seed, same pairs.", RUN, common=True, spec="budget.seed")] = None
    stack: Annotated[
        Literal["auto", "embedded", "remote"],
        Option("Services to use; auto means embedded unless the address of one is given.", SERVICES),
    ] = "auto"
    kafka_bootstrap: Annotated[
        str | None,
        Option(
            "Kafka brokers as host:port, with commas.",
            SERVICES,
            common=True,
            spec="target.kafka_bootstrap",
            env="KAFKA_BOOTSTRAP_SERVERS",
            metavar="BROKERS",
        ),
    ] = None
    kafka_client_id: Annotated[
        str,
        Option(
            "Name of the runner in the cluster's logs.",
            SERVICES,
            spec="target.kafka_client_id",
            env="KAFKA_CLIENT_ID",
            metavar="NAME",
        ),
    ] = DEFAULT_CLIENT_ID
    kafka_security_protocol: Annotated[
        KafkaProtocol,
        Option(
            "How the connection is secured.",
            KAFKA,
            spec="target.kafka_access.protocol",
            env="KAFKA_SECURITY_PROTOCOL",
        ),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        KafkaMechanism,
        Option("How the password is sent.", KAFKA, spec="target.kafka_access.mechanism", env="KAFKA_SASL_MECHANISM"),
    ] = "PLAIN"
    kafka_user: Annotated[
        str | None,
        Option(
            "Kafka user; the password comes from KAFKA_SASL_PASSWORD or the file that KAFKA_SASL_PASSWORD_FILE names.",
            KAFKA,
            spec="target.kafka_access.user",
            env="KAFKA_SASL_USERNAME",
            metavar="NAME",
        ),
    ] = None
    kafka_ca: Annotated[
        Path | None,
        Option(
            "PEM file of the authority that signed the broker's certificate.",
            KAFKA,
            spec="target.kafka_access.ca",
            env="KAFKA_CA",
            metavar="FILE",
            default="the system's authorities",
        ),
    ] = None
    kafka_client_cert: Annotated[
        Path | None,
        Option(
            "PEM file of the runner's certificate.",
            KAFKA,
            spec="target.kafka_access.client_cert",
            env="KAFKA_CLIENT_CERT",
            metavar="FILE",
        ),
    ] = None
    kafka_client_key: Annotated[
        Path | None,
        Option(
            "PEM file of the certificate's key.",
            KAFKA,
            spec="target.kafka_access.client_key",
            env="KAFKA_CLIENT_KEY",
            metavar="FILE",
        ),
    ] = None
    kafka_topic_prefix: Annotated[
        str,
        Option(
            "Text before the names of all topics, such as `school.`.",
            SERVICES,
            spec="target.topic_prefix",
            env="KAFKA_TOPIC_PREFIX",
            check=_topic_prefix,
            expects=_A_PREFIX,
        ),
    ] = ""
    content_service_url: Annotated[
        str | None,
        Option(
            "Content Service, with its path …/v1/content.",
            SERVICES,
            common=True,
            spec="target.content_service_url",
            env="CONTENT_SERVICE_URL",
            metavar="URL",
            check=check_address,
            expects=AN_ADDRESS,
        ),
    ] = None
    cj_service_url: Annotated[
        str | None,
        Option(
            "CJ service.",
            SERVICES,
            common=True,
            spec="target.cj_service_url",
            env="CJ_SERVICE_URL",
            metavar="URL",
            check=check_address,
            expects=AN_ADDRESS,
        ),
    ] = None
    llm_provider_service_url: Annotated[
        str | None,
        Option(
            "LLM Provider Service, with its path …/api/v1.",
            SERVICES,
            spec="target.llm_provider_service_url",
            env="LLM_PROVIDER_SERVICE_URL",
            metavar="URL",
            check=check_address,
            expects=AN_ADDRESS,
        ),
    ] = None
    no_kafka: Annotated[bool, Option("Write the request and stop: send nothing to Kafka.", RUN)] = False
    await_completion: Annotated[
        bool,
        Option(
            "Wait for the results after the request is sent.",
            RUN,
            spec="timeouts.await_completion",
            flag="--await-completion/--no-await-completion",
        ),
    ] = True
    completion_timeout: Annotated[
        Seconds | None,
        Option("Longest wait for the results, in seconds.", RUN, spec="timeouts.total", metavar="SECONDS"),
    ] = None
    idle_timeout: Annotated[
        Seconds,
        Option(
            "Longest silence before the wait for results ends, in seconds.",
            RUN,
            spec="timeouts.idle",
            metavar="SECONDS",
        ),
    ] = IDLE_SECONDS
    upload_concurrency: Annotated[
        Concurrency, Option("Uploads at the same time.", SERVICES, spec="uploading.concurrency")
    ] = UPLOADS_AT_ONCE
    force_reupload: Annotated[
        bool, Option("Upload every text, also those that the upload cache lists.", SERVICES, spec="uploading.force")
    ] = False
    metrics_port: Annotated[
        Annotated[int, Ge(1), Le(65535)] | None,
        Option("Serve Prometheus metrics on this port.", OUTPUT, metavar="PORT"),
    ] = None
    metrics_host: Annotated[
        str, Option("Address that serves --metrics-port; 0.0.0.0 serves it to the network.", OUTPUT, metavar="ADDRESS")
    ] = LOOPBACK
    verbose: Annotated[bool, Option("Write debug lines to the log too.", OUTPUT)] = False
    json_lines: Annotated[bool, Option("Write JSON lines to standard output.", OUTPUT, common=True, flag="--json")] = (
        False
    )
    strict: Annotated[bool, Option("Treat warnings about the assets as errors.", STUDY)] = False
    yes: Annotated[bool, Option("Agree beforehand that money may be spent.", RUN, common=True)] = False


SETTINGS = tuple(rows_of(Settings))
# Where the settings file is. It is read before the other settings, so it is none of them.
CONFIG = Setting(
    name="config",
    kind=Path,
    bounds=(),
    default=None,
    option=Option("TOML file with settings.", RUN, common=True, metavar="FILE"),
)
