"""The options of `stack`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from eng5_runner.cli.parameters import option_of

stack_app = typer.Typer(help="Run the embedded services by themselves.", no_args_is_help=True)

JsonOption = Annotated[bool, option_of("json_lines", variable=False)]
NoCacheOption = Annotated[bool, option_of("no_cache")]
VerboseOption = Annotated[bool, option_of("verbose", variable=False)]


@stack_app.command("up")
def stack_up_command(
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="Folder for the services' records.", metavar="FOLDER")
    ] = Path("stack-data"),
    kafka_bootstrap: Annotated[
        str | None,
        typer.Option(
            "--kafka-bootstrap",
            help="Kafka brokers that have the five topics.",
            metavar="BROKERS",
            show_default="an embedded broker",
        ),
    ] = None,
    no_cache: NoCacheOption = False,
    is_open: Annotated[
        bool,
        typer.Option("--open", help="Let in every local client, also one that does not know the stack's secret."),
    ] = False,
    json: JsonOption = False,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Stop when standard input closes.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Run the embedded services and print their addresses."""
    from eng5_runner.cli.commands.stack import stack_up

    raise typer.Exit(
        stack_up(
            data_dir,
            kafka_bootstrap=kafka_bootstrap,
            no_cache=no_cache,
            is_open=is_open,
            json_lines=json,
            until_stdin_closes=until_stdin_closes,
            verbose=verbose,
        )
    )


@stack_app.command("serve")
def stack_serve_command(
    service: Annotated[
        Literal["content", "cj", "llm", "identity"],
        typer.Argument(help="content, cj, llm or identity.", metavar="SERVICE", show_default=False),
    ],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="Folder for SQLite, if no variable names a database.", metavar="FOLDER")
    ] = Path("stack-data"),
    no_cache: NoCacheOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run one service, with settings from the environment.

    HOST (127.0.0.1), PORT, SERVICE_DATABASE_URL (or HULEEDU_DB_USER, HULEEDU_DB_PASSWORD …), KAFKA_BOOTSTRAP_SERVERS,
    CONTENT_SERVICE_URL, LLM_PROVIDER_SERVICE_URL (several, comma separated), JWT_SECRET_KEY, ENG5_STACK_SECRET (which
    clients must know).
    """
    from eng5_runner.cli.commands.stack import stack_serve

    raise typer.Exit(stack_serve(service, data_dir, no_cache=no_cache, json_lines=json, verbose=verbose))


@stack_app.command("healthcheck")
def healthcheck_command(
    url: Annotated[str, typer.Argument(help="Such as http://127.0.0.1:9095/healthz.", metavar="URL")],
) -> None:
    """Exit with 0 if a service is healthy, else with 1."""
    from eng5_runner.core.harmless import harmless
    from eng5_runner.effects.healthcheck import health_problem

    if (problem := health_problem(url)) is not None:
        sys.stderr.write(harmless(f"{url}: {problem}\n"))
        raise typer.Exit(1)
