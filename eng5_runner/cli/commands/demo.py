"""demo and init: a first run without any files, and a study folder to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.exit_codes import COMPLETE, PARTIAL
from eng5_runner.cli.output import say, write_json
from eng5_runner.cli.parameters import option_of


def demo(
    defects: Annotated[
        bool, typer.Option("--defects", help="With faults in study, judge and services, to see how results name them.")
    ] = False,
    output_dir: Annotated[Path, option_of("output_dir", variable=False)] = Path("runs"),
    json: JsonOption = False,
) -> int:
    """Run an invented study, without keys or files, and verify it."""
    from eng5_runner.app.plan import plan_run, save_plan
    from eng5_runner.app.settings import resolve
    from eng5_runner.app.studies.demo import demo_settings, demo_study, let_services_fail
    from eng5_runner.cli.commands.inspect import verify
    from eng5_runner.cli.console import people
    from eng5_runner.cli.run import read_and_show
    from eng5_runner.cli.session import execute

    study, console = demo_study(output_dir, with_defects=defects), people()
    # The environment's settings do not count: the demo sends nothing to services or judges of the user.
    flags = demo_settings(study, output_dir=output_dir, with_defects=defects)
    resolved = resolve(flags | {"json": json}, environment={})
    if not json:
        say(f"The demo's study is in {study}: look at it, or change it and run the demo again.")
    planned = plan_run(resolved, read_and_show(resolved.settings, console), are_shown=True)
    directory = save_plan(planned)
    if defects:
        let_services_fail(directory)
    code = execute(planned, directory, console=console)
    if code in (COMPLETE, PARTIAL):  # with defects partial: lost callbacks are not asked for again
        verify(directory, json=json)
    if defects:
        _show_defects(directory, json_lines=json)
    return code


def _show_defects(run_directory: Path, *, json_lines: bool) -> None:
    from eng5_runner.app.studies.demo import defects_shown
    from eng5_runner.run.artefact_file import load_artefact

    defects = defects_shown(load_artefact(run_directory))
    if json_lines:
        write_json({"event": "Defects", "defects": [{"defect": what, "shown": how} for what, how in defects]})
        return
    say("These defects were put in, and this is how the results show them:", style="bold")
    for what, how in defects:
        say(f"- {what}\n  {how}")


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.", metavar="FOLDER")],
    json: JsonOption = False,
) -> int:
    """Write a study folder to fill in, with comments."""
    from eng5_runner.app.studies.starter_study import write_starter_study
    from eng5_runner.errors import command

    files = write_starter_study(folder)
    if json:
        write_json({"event": "Study", "folder": str(folder), "files": list(files)})
        return 0
    say(f"{folder} holds {', '.join(files)}.")
    say(f"Fill it in as {folder / 'README.md'} says. To see what is missing, and to plan the run:")
    say(f"  {command('--mode', 'plan', '--assets', folder)}")
    return 0
