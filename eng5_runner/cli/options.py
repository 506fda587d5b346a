"""The options of a run: one table, used by the bare command and by `preflight`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from eng5_runner import __version__

_RUN, _STUDY, _JUDGE, _SERVICES, _KAFKA, _OUTPUT = "Run", "Study", "Judge", "Services", "Kafka's security", "Output"


def _option(panel: str, text: str, *names: str, env: str) -> Any:
    """An option that is unset unless somebody sets it: the settings file comes between it and the default."""
    return typer.Option(*names, help=text, rich_help_panel=panel, envvar=env, show_default=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eng5-runner {__version__}")
        raise typer.Exit


def main_command(
    context: typer.Context,
    mode: Annotated[
        Literal["plan", "dry-run", "execute"] | None,
        _option(_RUN, "How far to go. (default: plan)", "--mode", env="ENG5_MODE"),
    ] = None,
    assets: Annotated[
        Path | None, _option(_RUN, "The assets folder. (default: .)", "--assets", env="ENG5_ASSETS")
    ] = None,
    batch_id: Annotated[
        str | None, _option(_RUN, "Your name for the run. (default: the folder's)", "--batch-id", env="ENG5_BATCH_ID")
    ] = None,
    max_comparisons: Annotated[
        int | None,
        _option(
            _RUN,
            "Exact total of comparisons. (default: the service's)",
            "--max-comparisons",
            env="ENG5_MAX_COMPARISONS",
        ),
    ] = None,
    seed: Annotated[int | None, _option(_RUN, "Makes pairing repeatable.", "--seed", env="ENG5_SEED")] = None,
    await_completion: Annotated[
        bool | None,
        _option(
            _RUN,
            "Gather the callbacks. (default: yes)",
            "--await-completion/--no-await-completion",
            env="ENG5_AWAIT_COMPLETION",
        ),
    ] = None,
    completion_timeout: Annotated[
        float | None,
        _option(
            _RUN, "Seconds to gather at most. (default: 1800)", "--completion-timeout", env="ENG5_COMPLETION_TIMEOUT"
        ),
    ] = None,
    idle_timeout: Annotated[
        float | None,
        _option(
            _RUN, "Seconds of silence that end the gathering. (default: 900)", "--idle-timeout", env="ENG5_IDLE_TIMEOUT"
        ),
    ] = None,
    no_kafka: Annotated[
        bool | None, _option(_RUN, "Stop after the request is written.", "--no-kafka", env="ENG5_NO_KAFKA")
    ] = None,
    yes: Annotated[bool | None, _option(_RUN, "Do not ask before sending.", "--yes", env="ENG5_YES")] = None,
    config: Annotated[Path | None, _option(_RUN, "A TOML file of settings.", "--config", env="ENG5_CONFIG")] = None,
    assignment_id: Annotated[
        str | None,
        _option(_STUDY, "The assignment's UUID; without it a guest run.", "--assignment-id", env="ENG5_ASSIGNMENT_ID"),
    ] = None,
    course_id: Annotated[str | None, _option(_STUDY, "The course's UUID.", "--course-id", env="ENG5_COURSE_ID")] = None,
    grade_scale: Annotated[
        str | None,
        _option(_STUDY, "The grade scale. (default: eng5_np_legacy_9_step)", "--grade-scale", env="ENG5_GRADE_SCALE"),
    ] = None,
    expected_grade_scale: Annotated[
        str | None,
        _option(
            _STUDY,
            "Refuse if the assignment has another scale.",
            "--expected-grade-scale",
            env="ENG5_EXPECTED_GRADE_SCALE",
        ),
    ] = None,
    course_code: Annotated[
        str | None,
        _option(_STUDY, "ENG5 to ENG7, SV1 to SV3. (default: ENG5)", "--course-code", env="ENG5_COURSE_CODE"),
    ] = None,
    language: Annotated[
        str | None, _option(_STUDY, "en or sv. (default: en)", "--language", env="ENG5_LANGUAGE")
    ] = None,
    encoding: Annotated[
        str | None, _option(_STUDY, "Of text files that are not UTF-8.", "--encoding", env="ENG5_ENCODING")
    ] = None,
    user_id: Annotated[str | None, _option(_STUDY, "Who asks.", "--user-id", env="ENG5_USER_ID")] = None,
    org_id: Annotated[str | None, _option(_STUDY, "For which organisation.", "--org-id", env="ENG5_ORG_ID")] = None,
    llm_provider: Annotated[
        str | None,
        _option(_JUDGE, "anthropic, openai, google, openrouter or mock.", "--llm-provider", env="ENG5_LLM_PROVIDER"),
    ] = None,
    llm_model: Annotated[str | None, _option(_JUDGE, "The model.", "--llm-model", env="ENG5_LLM_MODEL")] = None,
    llm_temperature: Annotated[
        float | None, _option(_JUDGE, "0 to 2.", "--llm-temperature", env="ENG5_LLM_TEMPERATURE")
    ] = None,
    llm_max_tokens: Annotated[
        int | None, _option(_JUDGE, "Most tokens of an answer.", "--llm-max-tokens", env="ENG5_LLM_MAX_TOKENS")
    ] = None,
    system_prompt: Annotated[
        Path | None,
        _option(_JUDGE, "A file with the judge's system prompt.", "--system-prompt", env="ENG5_SYSTEM_PROMPT"),
    ] = None,
    rubric: Annotated[
        Path | None, _option(_JUDGE, "A file with the judge's rubric.", "--rubric", env="ENG5_RUBRIC")
    ] = None,
    reasoning_effort: Annotated[
        str | None, _option(_JUDGE, "none, low, medium or high.", "--reasoning-effort", env="ENG5_REASONING_EFFORT")
    ] = None,
    output_verbosity: Annotated[
        str | None, _option(_JUDGE, "low, medium or high.", "--output-verbosity", env="ENG5_OUTPUT_VERBOSITY")
    ] = None,
    llm_batching_mode: Annotated[
        str | None, _option(_JUDGE, "Hint how to batch calls.", "--llm-batching-mode", env="ENG5_LLM_BATCHING_MODE")
    ] = None,
    stack: Annotated[
        Literal["auto", "embedded", "remote"] | None,
        _option(_SERVICES, "auto: embedded unless a service is given. (default: auto)", "--stack", env="ENG5_STACK"),
    ] = None,
    kafka_bootstrap: Annotated[
        str | None,
        _option(_SERVICES, "host:port, comma separated.", "--kafka-bootstrap", env="KAFKA_BOOTSTRAP_SERVERS"),
    ] = None,
    kafka_client_id: Annotated[
        str | None, _option(_SERVICES, "Our name in the cluster's logs.", "--kafka-client-id", env="KAFKA_CLIENT_ID")
    ] = None,
    kafka_security_protocol: Annotated[
        str | None,
        _option(
            _KAFKA,
            "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. (default: PLAINTEXT)",
            "--kafka-security-protocol",
            env="KAFKA_SECURITY_PROTOCOL",
        ),
    ] = None,
    kafka_sasl_mechanism: Annotated[
        str | None,
        _option(
            _KAFKA,
            "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. (default: PLAIN)",
            "--kafka-sasl-mechanism",
            env="KAFKA_SASL_MECHANISM",
        ),
    ] = None,
    kafka_user: Annotated[
        str | None,
        _option(
            _KAFKA,
            "The user; the password is KAFKA_SASL_PASSWORD, or in the file KAFKA_SASL_PASSWORD_FILE.",
            "--kafka-user",
            env="KAFKA_SASL_USERNAME",
        ),
    ] = None,
    kafka_ca: Annotated[
        Path | None,
        _option(_KAFKA, "PEM file of the broker's authority. (default: the system's)", "--kafka-ca", env="KAFKA_CA"),
    ] = None,
    kafka_client_cert: Annotated[
        Path | None, _option(_KAFKA, "PEM file of our certificate.", "--kafka-client-cert", env="KAFKA_CLIENT_CERT")
    ] = None,
    kafka_client_key: Annotated[
        Path | None, _option(_KAFKA, "PEM file of its key.", "--kafka-client-key", env="KAFKA_CLIENT_KEY")
    ] = None,
    kafka_topic_prefix: Annotated[
        str | None,
        _option(_KAFKA, "Stands before the topics' names.", "--kafka-topic-prefix", env="KAFKA_TOPIC_PREFIX"),
    ] = None,
    content_service_url: Annotated[
        str | None,
        _option(_SERVICES, "With its path, …/v1/content.", "--content-service-url", env="CONTENT_SERVICE_URL"),
    ] = None,
    cj_service_url: Annotated[
        str | None, _option(_SERVICES, "The CJ service.", "--cj-service-url", env="CJ_SERVICE_URL")
    ] = None,
    llm_provider_service_url: Annotated[
        str | None,
        _option(_SERVICES, "With its path, …/api/v1.", "--llm-provider-service-url", env="LLM_PROVIDER_SERVICE_URL"),
    ] = None,
    upload_concurrency: Annotated[
        int | None,
        _option(
            _SERVICES, "Uploads at the same time. (default: 32)", "--upload-concurrency", env="ENG5_UPLOAD_CONCURRENCY"
        ),
    ] = None,
    force_reupload: Annotated[
        bool | None,
        _option(_SERVICES, "Do not believe the upload cache.", "--force-reupload", env="ENG5_FORCE_REUPLOAD"),
    ] = None,
    output_dir: Annotated[
        Path | None, _option(_OUTPUT, "Where runs go. (default: runs)", "--output-dir", env="ENG5_OUTPUT_DIR")
    ] = None,
    metrics_port: Annotated[
        int | None,
        _option(_OUTPUT, "Prometheus metrics on this loopback port.", "--metrics-port", env="ENG5_METRICS_PORT"),
    ] = None,
    json: Annotated[bool | None, _option(_OUTPUT, "JSON lines on standard output.", "--json", env="ENG5_JSON")] = None,
    verbose: Annotated[
        bool | None, _option(_OUTPUT, "Debug lines in the log as well.", "--verbose", env="ENG5_VERBOSE")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Comparative-judgement experiments on English 5 essays: plan, dry-run, execute, resume, verify."""
    if context.invoked_subcommand is not None:
        return
    from eng5_runner.cli.settings import Origin, resolve

    given: dict[str, tuple[object, Origin]] = {}
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if (
            name not in ("config", "version", "mode" if context.info_name == "preflight" else "")
            and value is not None
            and source is not None
        ):
            given[name] = (value, "flag" if source.name == "COMMANDLINE" else "environment")
    if context.info_name == "preflight":
        from eng5_runner.cli.commands.preflight import preflight

        given["mode"] = ("execute", "default")
        raise typer.Exit(preflight(resolve(given, config=config)))
    from eng5_runner.cli.commands.run import run

    raise typer.Exit(run(resolve(given, config=config)))
