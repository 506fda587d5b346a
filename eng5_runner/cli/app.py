"""The command line: one function for each command, and the one place where errors become exit codes."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from eng5_runner import __version__
from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.cli.admin_app import admin_app
from eng5_runner.cli.cache_app import cache_app
from eng5_runner.cli.commands.fit import fit_command
from eng5_runner.cli.exit_codes import BROKEN_PIPE, BUG
from eng5_runner.cli.late_commands import LateCommands
from eng5_runner.cli.parameters import Flags, SettingsCommand, SettingsGroup, option_of, takes_settings
from eng5_runner.cli.stack_app import stack_app
from eng5_runner.core.choices import Mode
from eng5_runner.effects.standard_streams import StandardError, discard, open_closed_streams
from eng5_runner.errors import DiskError, RunnerError, of_the_machine

# Help is plain text: nothing is cut at 80 columns, and `--help` needs not load Rich.
app = typer.Typer(name="eng5-runner", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
verbs = typer.Typer(rich_markup_mode=None)

# Objects between two looks for cycles, by generation. Python's own 700, 10, 10 cost the services a quarter of their
# computing time: each look goes through thousands of objects of requests that wait, and finds nothing.
_GARBAGE_THRESHOLDS = (20_000, 20, 20)
# What an environment variable of a flag may say for yes.
_TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))
RunArgument = Annotated[Path, typer.Argument(help="Directory of a run.", metavar="RUN", show_default=False)]
JsonOption = Annotated[bool, option_of("json_lines", variable=False)]
VerboseOption = Annotated[bool, option_of("verbose", variable=False)]


class Program(SettingsGroup):
    """The program itself."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.commands = LateCommands(verbs)


@app.callback(cls=Program, invoke_without_command=True)
@takes_settings
def main_command(context: typer.Context, flags: Flags) -> None:
    """Compare essays in pairs, with language models as judges, and place them on one scale.

    \b
    To look at a study: eng5-runner --mode plan --assets FOLDER
    To run it:          eng5-runner --mode execute --assets FOLDER
    """  # noqa: D301 - click reads the character \b: these lines stay as they are
    if context.invoked_subcommand is not None:
        return
    from eng5_runner.app.settings import resolve
    from eng5_runner.cli.commands.run import run

    raise typer.Exit(run(resolve(flags, environment=os.environ)))


@verbs.command("demo")
def demo_command(
    defects: Annotated[
        bool, typer.Option("--defects", help="With faults in study, judge and services, to see how results name them.")
    ] = False,
    output_dir: Annotated[Path, option_of("output_dir", variable=False)] = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Run an invented study, without keys or files, and verify it."""
    from eng5_runner.cli.commands.demo import run_demo

    raise typer.Exit(run_demo(output_dir, with_defects=defects, json_lines=json))


@verbs.command("init")
def init_command(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.", metavar="FOLDER")],
    json: JsonOption = False,
) -> None:
    """Write a study folder to fill in, with comments."""
    from eng5_runner.cli.commands.demo import write_study

    raise typer.Exit(write_study(folder, json_lines=json))


@verbs.command("preflight", cls=SettingsCommand)
@takes_settings
def preflight_command(_: typer.Context, flags: Flags) -> None:
    """Check everything that execute needs, and send nothing.

    With --mode anchor-align, it checks what that mode needs.
    """
    from dataclasses import replace

    from eng5_runner.app.settings import resolve
    from eng5_runner.cli.commands.preflight import preflight

    resolved = resolve(flags, environment=os.environ)
    if not resolved.settings.mode.executes:
        resolved = replace(resolved, settings=replace(resolved.settings, mode=Mode.EXECUTE))
    raise typer.Exit(preflight(resolved))


@verbs.command()
def resume(
    context: typer.Context,
    run: RunArgument,
    *,
    max_cost: Annotated[
        float | None, option_of("max_cost", help_text="New cost limit in USD, above the present one.", variable=False)
    ] = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    metrics_port: Annotated[int | None, option_of("metrics_port")] = None,
    metrics_host: Annotated[str, option_of("metrics_host")] = LOOPBACK,
    yes: Annotated[bool, option_of("yes")] = False,
    trust_addresses: Annotated[
        bool,
        typer.Option("--trust-addresses", help="Use the services that the run names, also if somebody else began it."),
    ] = False,
) -> None:
    """Continue a run where its last session ended."""
    from eng5_runner.cli.called import Called
    from eng5_runner.cli.commands.resume import resume as resume_run

    called = Called.now(context.command)
    raise typer.Exit(
        resume_run(
            run,
            called=called,
            json_lines=json,
            verbose=verbose,
            max_cost=max_cost,
            metrics_port=metrics_port,
            metrics_host=metrics_host,
            yes=yes,
            trust_addresses=trust_addresses,
        )
    )


@verbs.command()
def status(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", metavar="[RUN]")] = Path("runs/latest"),
    json: JsonOption = False,
) -> None:
    """Show how far a run has come."""
    from eng5_runner.cli.commands.status import show_status

    raise typer.Exit(show_status(run, json_lines=json))


@verbs.command()
def verify(run: RunArgument, json: JsonOption = False) -> None:
    """Check a run's checksums and recompute all its outputs."""
    from eng5_runner.cli.commands.inspect import verify_run

    raise typer.Exit(verify_run(run, json_lines=json))


@verbs.command()
def hydrate(
    run: RunArgument,
    human_judgements: Annotated[
        Path | None,
        typer.Option(
            "--human-judgements", help="Add people's judgements of the same essays: a CSV file.", metavar="FILE"
        ),
    ] = None,
    check_grades: Annotated[
        Path | None,
        typer.Option(
            "--check-grades",
            help="Add teachers' grades of a few students, for checking: a CSV file (item, grade).",
            metavar="FILE",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a run's outputs again from its ledger."""
    from eng5_runner.cli.commands.inspect import hydrate_run

    code = hydrate_run(run, human_judgements=human_judgements, check_grades=check_grades, json_lines=json)
    raise typer.Exit(code)


@verbs.command()
def report(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write it to this file and leave the run's directory as it is.", metavar="FILE"),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Write the report's pictures as SVG and PNG into this folder.", metavar="DIR"),
    ] = None,
    with_texts: Annotated[
        bool,
        typer.Option("--with-texts", help="Show the essays' texts, too; not for sharing. Needs --out."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write a run's report, one self-contained page, or its pictures."""
    from eng5_runner.cli.commands.report import report_of

    raise typer.Exit(report_of(run, out=out, figures=figures, with_texts=with_texts, json_lines=json))


@verbs.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories of two runs or more.", metavar="A B...", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a page with pictures to this file, too.", metavar="FILE")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare two or more runs of the same essays."""
    from eng5_runner.cli.commands.compare import compare_runs

    raise typer.Exit(compare_runs(runs, out=out, json_lines=json))


@verbs.command("sweep")
def sweep_command(
    file: Annotated[
        Path, typer.Argument(help="TOML file with judges, designs and seeds.", metavar="FILE", show_default=False)
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Show what it would do and cost, and stop.")] = False,
    max_cost: Annotated[
        float | None,
        option_of("max_cost", help_text="Most USD of all runs together, in place of the file's.", variable=False),
    ] = None,
    yes: Annotated[bool, option_of("yes")] = False,
    json: JsonOption = False,
) -> None:
    """Run several judges, and rank them by agreement."""
    from eng5_runner.cli.commands.sweep import sweep_of

    raise typer.Exit(sweep_of(file, only_plan=plan, max_cost=max_cost, yes=yes, json_lines=json))


@verbs.command("runs")
def runs_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the runs.", metavar="[FOLDER]")] = Path("runs"),
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Only these, such as judge~gpt or 'cost_usd<5'; all that are given hold."),
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="Column; with a minus, the largest first.", metavar="COLUMN")
    ] = "-started_at",
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
    json: JsonOption = False,
) -> None:
    """List runs with judge, outcome, reliability, agreement and cost."""
    from eng5_runner.cli.commands.collection import show_runs

    raise typer.Exit(show_runs(folder, where=where or (), sort=sort, as_csv=csv, json_lines=json))


@verbs.command("export")
def export_command(
    runs: Annotated[list[Path], typer.Argument(help="Directories of runs.", metavar="RUN...", show_default=False)],
    form: Annotated[
        Literal["csv", "json", "parquet", "xlsx"], typer.Option("--format", help="Form of the files.")
    ] = "csv",
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.", metavar="FOLDER")] = Path("export"),
    public: Annotated[
        Path | None,
        typer.Option("--public", help="Write a copy of one run to share, without names and texts.", metavar="FOLDER"),
    ] = None,
    with_reasons: Annotated[
        bool, typer.Option("--with-reasons", help="With --public: keep the judge's reasons, which can quote an essay.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", help="With --public: URL of the copy's licence.", metavar="URL")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write the tables of runs for data frames, or a copy to share."""
    if public is not None:
        from eng5_runner.cli.commands.sharing import export_copy

        raise typer.Exit(export_copy(runs, public=public, with_reasons=with_reasons, licence=licence, json_lines=json))
    from eng5_runner.cli.commands.collection import export

    raise typer.Exit(export(runs, form=form, out=out, json_lines=json))


@verbs.command("import")
def import_command(
    source: Annotated[
        Path, typer.Argument(help="Folder, artefact or events of the run.", metavar="SOURCE", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new run directory.", metavar="FOLDER")],
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", help="Grades of the anchors: CSV id,grade, or the service's list.", metavar="FILE"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a run directory of a study that HuleEdu's runner made."""
    from eng5_runner.cli.commands.sharing import import_study

    raise typer.Exit(import_study(source, out=out, anchors=anchors, json_lines=json))


verbs.command("fit", short_help="Place the items of a table of comparisons on one scale.")(fit_command)


@verbs.command("models")
def models_command(
    provider: Annotated[
        str | None, typer.Option("--provider", help="Only the models of this provider.", metavar="NAME")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the models that can judge, with prices and limits."""
    from eng5_runner.cli.commands.models import list_models

    raise typer.Exit(list_models(provider=provider, json_lines=json))


verbs.add_typer(cache_app, name="cache", short_help="List and remove the judgements that are kept for later runs.")
verbs.add_typer(admin_app, name="admin", short_help="Log in, and manage assignments in the CJ service.")
verbs.add_typer(stack_app, name="stack", short_help="Run the embedded services by themselves.")


def main() -> None:
    """Run the command line. A foreseen failure ends with a message for people and its exit code."""
    # One thread for linear algebra: the same order of sums on every machine, and a core for the embedded stack.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    # Whatever a library writes for us is private, too; our own files are in any process (`systems.open_private`).
    os.umask(0o077)
    sys.unraisablehook = _note_unraisable
    try:
        open_closed_streams()
        if any(name.endswith("_KEY_FILE") for name in os.environ):
            from eng5_runner.app.environment import load_key_files

            load_key_files()
        if Path(".env").is_file():
            from eng5_runner.app.environment import load_keys

            load_keys()
        try:
            app()
        except SystemExit:
            sys.stdout.flush()  # a full disk behind it is told here; at Python's own end nobody would catch it
            raise
    except RunnerError as error:
        _end(error)
    except BrokenPipeError:
        # The reader of our output has gone. Python must not complain about it when it ends.
        discard(sys.stdout)
        sys.exit(BROKEN_PIPE)
    except Exception as error:  # noqa: BLE001 - the one boundary: anything that was not foreseen is a bug
        if (foreseen := of_the_machine(error)) is not None:
            _end(foreseen)
        StandardError().write(f"This is a bug of eng5-runner; please report it with {_keep_traceback()}\n")
        sys.exit(BUG)


def _note_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """A library's error while it tidied up after another error, such as too many open files, is for the log."""
    import logging

    logging.getLogger(__name__).info("ignored: %r in %r", unraisable.exc_value, unraisable.object)


def _end(error: RunnerError) -> NoReturn:
    try:
        _show(error)
        sys.stdout.flush()
    except (OSError, DiskError):  # the exit code still says it
        discard(sys.stdout)
    sys.exit(error.exit_code)


def _show(error: RunnerError) -> None:
    from eng5_runner.cli.called import Called
    from eng5_runner.core.harmless import harmless

    called = Called.now(_called_command())
    remedy = called.text(error.remedy)
    StandardError().write(harmless(f"{called.text(error.message)}\n{remedy}\n"))
    if "--json" in sys.argv or os.environ.get("ENG5_JSON", "").lower() in _TRUE:
        from eng5_runner.cli.narrate import write_json

        write_json({"event": "Error", "exit": error.exit_code, "message": error.message, "remedy": remedy})


def _called_command() -> Any:
    """The command of this call: the error has left its context."""
    command: Any = get_command(app)
    for word in sys.argv[1:]:
        if isinstance(command, TyperGroup):
            command = command.commands.get(word, command)
    return command


def _keep_traceback() -> str:
    """Where the traceback is, which is no text for the terminal: it can be long, and hold what is private."""
    import tempfile
    import traceback

    try:
        handle, name = tempfile.mkstemp(prefix="eng5-runner-bug-", suffix=".log")
        with os.fdopen(handle, "w") as file:
            file.write(f"eng5-runner {__version__}, Python {sys.version}\n")
            traceback.print_exc(file=file)
    except OSError as error:
        return f"what you did; its traceback could not be kept ({error.strerror})"
    return name
