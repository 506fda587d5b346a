"""The options of a run: one table, used by the bare command and by `preflight`."""

from __future__ import annotations

from typing import Annotated

import typer

from eng5_runner._version import __version__
from eng5_runner.cli import options_services as services
from eng5_runner.cli import options_study as study


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eng5-runner {__version__}")
        raise typer.Exit


def main_command(
    context: typer.Context,
    mode: study.Mode = None,
    assets: study.Assets = None,
    batch_id: study.BatchId = None,
    max_comparisons: study.MaxComparisons = None,
    comparisons_per_essay: study.ComparisonsPerEssay = None,
    max_cost: study.MaxCost = None,
    target_se: study.TargetSe = None,
    target_reliability: study.TargetReliability = None,
    design: study.Design = None,
    pairs: study.Pairs = None,
    repeats: study.Repeats = None,
    swap: study.Swap = None,
    pilot: study.Pilot = None,
    aim_within_one: study.AimWithinOne = None,
    seed: study.Seed = None,
    await_completion: study.AwaitCompletion = None,
    completion_timeout: study.CompletionTimeout = None,
    idle_timeout: study.IdleTimeout = None,
    no_kafka: study.NoKafka = None,
    yes: study.Yes = None,
    config: study.Config = None,
    assignment_id: study.AssignmentId = None,
    course_id: study.CourseId = None,
    grade_scale: study.GradeScale = None,
    expected_grade_scale: study.ExpectedGradeScale = None,
    register_anchors: study.RegisterAnchors = None,
    course_code: study.CourseCode = None,
    language: study.Language = None,
    encoding: study.Encoding = None,
    user_id: study.UserId = None,
    org_id: study.OrgId = None,
    llm_provider: study.LlmProvider = None,
    llm_model: study.LlmModel = None,
    llm_temperature: study.LlmTemperature = None,
    llm_max_tokens: study.LlmMaxTokens = None,
    system_prompt: study.SystemPrompt = None,
    rubric: study.Rubric = None,
    reasoning_effort: study.ReasoningEffort = None,
    output_verbosity: study.OutputVerbosity = None,
    llm_batching_mode: study.LlmBatchingMode = None,
    no_cache: study.NoCache = None,
    stack: services.Stack = None,
    kafka_bootstrap: services.KafkaBootstrap = None,
    kafka_client_id: services.KafkaClientId = None,
    kafka_security_protocol: services.KafkaSecurityProtocol = None,
    kafka_sasl_mechanism: services.KafkaSaslMechanism = None,
    kafka_user: services.KafkaUser = None,
    kafka_ca: services.KafkaCa = None,
    kafka_client_cert: services.KafkaClientCert = None,
    kafka_client_key: services.KafkaClientKey = None,
    kafka_topic_prefix: services.KafkaTopicPrefix = None,
    content_service_url: services.ContentServiceUrl = None,
    cj_service_url: services.CjServiceUrl = None,
    llm_provider_service_url: services.LlmProviderServiceUrl = None,
    upload_concurrency: services.UploadConcurrency = None,
    force_reupload: services.ForceReupload = None,
    output_dir: services.OutputDir = None,
    metrics_port: services.MetricsPort = None,
    json: services.Json = None,
    verbose: services.Verbose = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Comparative-judgement experiments on English 5 essays: plan, dry-run, execute, resume, verify."""
    if context.invoked_subcommand is not None:
        return
    from eng5_runner.app.settings import Origin, resolve

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

        given["mode"] = ("anchor-align" if mode == "anchor-align" else "execute", "default")
        raise typer.Exit(preflight(resolve(given, config=config)))
    from eng5_runner.cli.commands.run import run

    raise typer.Exit(run(resolve(given, config=config)))
