"""demo and init: a first run without any files, and a study folder to fill in."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app.plan import plan_run, save_plan
from eng5_runner.app.settings import resolve
from eng5_runner.app.studies.demo import DEMO_SEED, defects_shown, demo_study, let_services_fail
from eng5_runner.app.studies.starter_study import write_starter_study
from eng5_runner.cli.commands.execute import execute
from eng5_runner.cli.commands.inspect import verify_run
from eng5_runner.cli.commands.run import read_and_show
from eng5_runner.cli.exit_codes import COMPLETE, PARTIAL
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.errors import command
from eng5_runner.run.artefact_file import load_artefact


def run_demo(output_dir: Path, *, with_defects: bool, json_lines: bool) -> int:
    """Run the study that comes with the package on embedded services, and verify the run.

    The environment's settings do not count: the demo sends nothing to services or judges of the user.

    Args:
        output_dir: the folder of the runs; the study is written there too.
        with_defects: whether study, judge and services have defects.
        json_lines: whether to write JSON lines.

    Returns:
        The process's exit code; that of a partial run with defects, as lost callbacks are not asked for again.

    Raises:
        RunnerError: what stood in the way.
    """
    study, console = demo_study(output_dir, with_defects=with_defects), people()
    flags: dict[str, object] = {"mode": "execute", "assets": str(study), "output_dir": str(output_dir)}
    label = "demo-with-defects" if with_defects else "demo"
    flags |= {"batch_id": label, "seed": str(DEMO_SEED), "json": json_lines, "top_up": not with_defects}
    resolved = resolve(flags, environment={})
    if not json_lines:
        console.print(f"The demo's study is in {study}: look at it, or change it and run the demo again.", markup=False)
    planned = plan_run(resolved, read_and_show(resolved.settings, console), are_shown=True)
    directory = save_plan(planned)
    if with_defects:
        let_services_fail(directory)
    code = execute(planned, directory, console=console)
    if code in (COMPLETE, PARTIAL):
        verify_run(directory, json_lines=json_lines)
    if with_defects:
        _show_defects(directory, json_lines=json_lines)
    return code


def _show_defects(run_directory: Path, *, json_lines: bool) -> None:
    defects = defects_shown(load_artefact(run_directory))
    if json_lines:
        write_json({"event": "Defects", "defects": [{"defect": what, "shown": how} for what, how in defects]})
        return
    console = people()
    console.print("These defects were put in, and this is how the results show them:", style="bold")
    for what, how in defects:
        console.print(f"- {what}\n  {how}", markup=False)


def write_study(folder: Path, *, json_lines: bool) -> int:
    """Write a study folder to fill in.

    Raises:
        UsageError: the folder is not empty.
        DiskError: it cannot be written.
    """
    files = write_starter_study(folder)
    if json_lines:
        write_json({"event": "Study", "folder": str(folder), "files": list(files)})
        return 0
    console = people()
    console.print(f"{folder} holds {', '.join(files)}.", markup=False)
    console.print(
        f"Fill it in as {folder / 'README.md'} says. To see what is missing, and to plan the run:", markup=False
    )
    console.print(f"  {command('--mode', 'plan', '--assets', folder)}", markup=False)
    return 0
