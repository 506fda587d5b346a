"""stack: the embedded services in the foreground, all together or one alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.output import say, write_json
from eng5_runner.cli.parameters import NoCacheOption, VerboseOption

if TYPE_CHECKING:
    from eng5_runner.app.services import FirstAdmin, Serving
    from eng5_runner.app.stack import StackAddresses

stack_app = typer.Typer(help="Run the embedded services by themselves.", no_args_is_help=True)


@stack_app.command("up")
def up(
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
) -> int:
    """Run the embedded services and print their addresses."""
    from eng5_runner.app.logs import logging_to
    from eng5_runner.app.stack import run_stack

    with logging_to(sys.stderr, identity={"service": "embedded-stack"}, verbose=verbose):
        run_stack(
            data_dir,
            on_ready=lambda addresses: _show_addresses(addresses, json_lines=json),
            kafka_bootstrap=kafka_bootstrap,
            no_cache=no_cache,
            is_open=is_open,
            until_stdin_closes=until_stdin_closes,
        )
    return 0


@stack_app.command("serve")
def serve(
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
) -> int:
    """Run one service, with settings from the environment.

    HOST (127.0.0.1), PORT, SERVICE_DATABASE_URL (or HULEEDU_DB_USER, HULEEDU_DB_PASSWORD …), KAFKA_BOOTSTRAP_SERVERS,
    CONTENT_SERVICE_URL, LLM_PROVIDER_SERVICE_URL (several, comma separated), JWT_SECRET_KEY, ENG5_STACK_SECRET (which
    clients must know).
    """
    from eng5_runner.app import services
    from eng5_runner.app.logs import logging_to

    def on_ready(serving: Serving) -> None:
        _show_serving(service, serving, json_lines=json)

    with logging_to(sys.stderr, identity={"service": services.log_name(service)}, verbose=verbose):
        match service:
            case "content":
                services.run_content_service(data_dir, on_ready=on_ready)
            case "identity":
                services.run_identity_service(data_dir, on_ready=on_ready)
            case "llm":
                services.run_llm_service(data_dir, no_cache=no_cache, on_ready=on_ready)
            case "cj":
                from eng5_runner.app.stack import run_cj_service  # loads the statistics of the CJ service

                run_cj_service(data_dir, on_ready=on_ready)
    return 0


@stack_app.command("healthcheck")
def healthcheck(
    url: Annotated[str, typer.Argument(help="Such as http://127.0.0.1:9095/healthz.", metavar="URL")],
) -> int:
    """Exit with 0 if a service is healthy, else with 1."""
    from eng5_runner.core.harmless import harmless
    from eng5_runner.effects.healthcheck import health_problem

    if (problem := health_problem(url)) is None:
        return 0
    sys.stderr.write(harmless(f"{url}: {problem}\n"))
    return 1


def _show_addresses(addresses: StackAddresses, *, json_lines: bool) -> None:
    environment = addresses.environment()
    if json_lines:
        write_json(environment | _first_admin_facts(addresses.first_admin))
        return
    _show_first_admin(addresses.first_admin)
    if addresses.secret is None:
        say("this stack is open: every user of this machine can make its judges work, and read the essays")
    say("the embedded stack is up; Ctrl-C ends it. For the runner in another terminal:")
    for variable, value in environment.items():
        sys.stdout.write(f"export {variable}={value}\n")
    sys.stdout.flush()


def _show_serving(name: str, serving: Serving, *, json_lines: bool) -> None:
    if json_lines:
        write_json({"service": name, "url": serving.url} | _first_admin_facts(serving.first_admin))
        return
    _show_first_admin(serving.first_admin)
    say(f"{name} serves at {serving.url}; Ctrl-C ends it")


def _first_admin_facts(first: FirstAdmin | None) -> dict[str, object]:
    return {} if first is None else {"first_admin": {"email": first.email, "password": first.password}}


def _show_first_admin(first: FirstAdmin | None) -> None:
    if first is not None:
        say(f"an administrator was created: {first.email}, password {first.password}")
        say("the password is shown this once; `eng5-runner admin login` asks for it")
