"""The command line: one function per command, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from eng5_runner._version import __version__
from eng5_runner.cli import options_services as services
from eng5_runner.cli.admin_app import admin_app
from eng5_runner.cli.cache_app import cache_app
from eng5_runner.cli.commands.fit_options import fit_command
from eng5_runner.cli.options import main_command
from eng5_runner.cli.standard_error import StandardError
from eng5_runner.errors import RunnerError

app = typer.Typer(
    name="eng5-runner",
    help="Comparative-judgement experiments on English 5 essays: plan, dry-run, execute, resume, verify.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
stack_app = typer.Typer(help="The embedded services.", no_args_is_help=True)
app.add_typer(stack_app, name="stack")
app.add_typer(admin_app, name="admin")
app.add_typer(cache_app, name="cache")

# What an environment variable of a flag may say.
_TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))
RunArgument = Annotated[Path, typer.Argument(help="A run's directory.", metavar="RUN")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
NoCacheOption = Annotated[
    bool,
    typer.Option(
        "--no-cache", envvar="ENG5_NO_CACHE", help="Ask judges anew; neither read nor keep earlier judgements."
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Debug lines in the log as well.")]


app.callback(invoke_without_command=True)(main_command)
app.command("preflight", help="Ask every service what execute would ask, and send nothing.")(main_command)


@app.command()
def resume(
    run: RunArgument,
    max_cost: Annotated[float | None, typer.Option("--max-cost", help="A higher cost limit in USD.")] = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    metrics_port: services.MetricsPort = None,
) -> None:
    """Go on where the last session of a run ended."""
    from eng5_runner.cli.commands.resume import resume as resume_run

    raise typer.Exit(resume_run(run, json_lines=json, verbose=verbose, max_cost=max_cost, metrics_port=metrics_port))


@app.command()
def hydrate(run: RunArgument, json: JsonOption = False) -> None:
    """Write a run's artefact, tables and manifest anew from its ledger."""
    from eng5_runner.cli.commands.inspect import hydrate_run

    raise typer.Exit(hydrate_run(run, json_lines=json))


@app.command()
def verify(run: RunArgument, json: JsonOption = False) -> None:
    """Check manifest and checksums, and recompute all outputs from the ledger."""
    from eng5_runner.cli.commands.inspect import verify_run

    raise typer.Exit(verify_run(run, json_lines=json))


@app.command()
def status(
    run: Annotated[Path, typer.Argument(help="A run's directory.", metavar="[RUN]")] = Path("runs/latest"),
    json: JsonOption = False,
) -> None:
    """Tell where a run stands."""
    from eng5_runner.cli.commands.inspect import status_of

    raise typer.Exit(status_of(run, json_lines=json))


@app.command()
def report(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it there, and leave the run's directory as it is.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a run's report, one self-contained page, from its ledger."""
    from eng5_runner.cli.commands.report import report_of

    raise typer.Exit(report_of(run, out=out, json_lines=json))


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A run's directory.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Another run's directory.", metavar="B")],
    json: JsonOption = False,
) -> None:
    """Compare two runs of the same essays: positions, grades, verdicts, cost."""
    from eng5_runner.cli.commands.compare import compare_runs

    raise typer.Exit(compare_runs(a, b, json_lines=json))


@stack_app.command("up")
def stack_up_command(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Where the services keep their records.")] = Path(
        "stack-data"
    ),
    kafka_bootstrap: Annotated[
        str | None,
        typer.Option(
            "--kafka-bootstrap", help="host:port of a Kafka with the five topics; without it an embedded broker."
        ),
    ] = None,
    no_cache: NoCacheOption = False,
    json: JsonOption = False,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="End when standard input closes.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Run the embedded services in the foreground and print their addresses."""
    from eng5_runner.cli.commands.stack import stack_up

    raise typer.Exit(
        stack_up(
            data_dir,
            kafka_bootstrap=kafka_bootstrap,
            no_cache=no_cache,
            json_lines=json,
            until_stdin_closes=until_stdin_closes,
            verbose=verbose,
        )
    )


@stack_app.command("serve")
def stack_serve_command(
    service: Annotated[
        Literal["content", "cj", "llm", "identity"], typer.Argument(help="Which one.", metavar="SERVICE")
    ],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", help="For SQLite, where the environment names no database.")
    ] = Path("stack-data"),
    no_cache: NoCacheOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run one service in the foreground: content, cj, llm or identity; its settings come from the environment.

    HOST (127.0.0.1), PORT, SERVICE_DATABASE_URL (or HULEEDU_DB_USER, HULEEDU_DB_PASSWORD …), KAFKA_BOOTSTRAP_SERVERS,
    CONTENT_SERVICE_URL, LLM_PROVIDER_SERVICE_URL (several, comma separated), JWT_SECRET_KEY.
    """
    from eng5_runner.cli.commands.stack import stack_serve

    raise typer.Exit(stack_serve(service, data_dir, no_cache=no_cache, json_lines=json, verbose=verbose))


@stack_app.command("healthcheck")
def healthcheck_command(
    url: Annotated[str, typer.Argument(help="Of a service, such as http://127.0.0.1:9095/healthz.", metavar="URL")],
) -> None:
    """Exit with 0 if a service says that it is healthy, else with 1."""
    from eng5_runner.cli.commands.healthcheck import healthcheck

    raise typer.Exit(healthcheck(url))


app.command("fit")(fit_command)


@app.command("models")
def models_command(
    provider: Annotated[str | None, typer.Option("--provider", help="Only this provider's.")] = None,
    json: JsonOption = False,
) -> None:
    """List the models that judge, with their prices, what they take and what they need."""
    from eng5_runner.cli.commands.models import list_models

    raise typer.Exit(list_models(provider=provider, json_lines=json))


def main() -> None:
    """Run the command line; every foreseen failure is told in words, with its exit code."""
    # One thread for linear algebra: sums in one order on every machine, and the embedded stack has the other core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if Path(".env").is_file():
            from eng5_runner.app.dotenv import load_keys

            load_keys()
        app()
    except RunnerError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain about it on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception:  # noqa: BLE001 - the one boundary: whatever was not foreseen is a bug
        StandardError().write(f"This is a bug of eng5-runner; please report it with {_keep_traceback()}\n")
        sys.exit(70)


def _tell(error: RunnerError) -> None:
    StandardError().write(f"{error.message}\n{error.remedy}\n")
    if "--json" in sys.argv or os.environ.get("ENG5_JSON", "").lower() in _TRUE:
        from eng5_runner.cli.narrate import write_json

        write_json({"event": "Error", "exit": error.exit_code, "message": error.message, "remedy": error.remedy})


def _keep_traceback() -> Path:
    handle, name = tempfile.mkstemp(prefix="eng5-runner-bug-", suffix=".log")
    with os.fdopen(handle, "w") as file:
        file.write(f"eng5-runner {__version__}, Python {sys.version}\n")
        traceback.print_exc(file=file)
    return Path(name)
