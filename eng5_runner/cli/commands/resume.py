"""resume: go on where the last session of a run ended."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app.environment import versions
from eng5_runner.app.logs import run_log
from eng5_runner.app.money import new_limit
from eng5_runner.app.session import SessionWork
from eng5_runner.cli.commands.execute import conclude
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.cli.narrate import Narrator, people, write_json
from eng5_runner.core.events import BudgetRaised, RunResumed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.next_step import missing_uploads, texts_to_store
from eng5_runner.core.state import RunState
from eng5_runner.core.study_size import comparisons_wanted
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import require_ledger
from eng5_runner.effects.run_lock import held
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.read import read_assets
from eng5_runner.reports.terminal_summary import show_summary
from eng5_runner.results.artefact.part import to_json
from eng5_runner.run.hydrate import hydrate, is_written, write
from eng5_runner.run.run_directory import SavedRun, saved_run

_ENDED = ("complete", "not-sent", "budget")


def resume(
    run_directory: Path,
    *,
    json_lines: bool,
    verbose: bool,
    max_cost: float | None = None,
    metrics_port: int | None = None,
) -> int:
    """Go on with a run under the settings it began with, but for a higher cost limit where one is given.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what stood in the way.
    """
    require_ledger(run_directory)
    with held(run_directory):
        saved = saved_run(run_directory)
        raised = new_limit(saved.state, max_cost)
        if raised is None and saved.state.closed is not None and saved.state.closed.outcome in _ENDED:
            _show_again(run_directory, state=saved.state, json_lines=json_lines)
            return exit_code(saved.state)
        work = SessionWork(
            run_directory=run_directory,
            opening=RunResumed(at=SystemClock().now(), versions=versions()),
            inputs=saved.inputs,
            texts=_texts(saved.state, saved.inputs),
            raised=None if raised is None else BudgetRaised(at=SystemClock().now(), max_cost_usd=raised),
        )
        with run_log(run_directory, spec=saved.state.spec, verbose=verbose) as log:
            narrator = _narrator(saved, json_lines=json_lines)
            return conclude(work, narrator=narrator, log=log, metrics_port=metrics_port)


def _narrator(saved: SavedRun, *, json_lines: bool) -> Narrator:
    """One that knows what is still to come."""
    state, inputs = saved.state, saved.inputs
    expected, _ = comparisons_wanted(state.spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    texts = texts_to_store(inputs, with_anchors=state.spec.study.assignment_id is None)
    return Narrator(
        console=people(),
        json_lines=json_lines,
        expected=max(expected - state.judged, 0),
        uploads=len(texts) - len(state.storage_ids),
    )


def _show_again(run_directory: Path, *, state: RunState, json_lines: bool) -> None:
    """Tell how a run ended that nothing is left to do for; its outputs are those of an earlier end if a kill came."""
    hydrated = hydrate(run_directory)
    if not is_written(run_directory, hydrated):
        write(run_directory, hydrated)
    if json_lines:
        status = to_json(hydrated.artefact.runner_status)
        code = exit_code(state)
        write_json({"event": "Summary", "run_directory": str(run_directory), "exit": code, "status": status})
        return
    console = people()
    if state.at_limit:
        limit = state.spec.budget.max_cost_usd
        console.print(f"the budget of {run_directory} is spent: {state.cost_usd:.4f} of {limit} USD;")
        console.print("the next comparison may cost more than is left")
    else:
        console.print(f"{run_directory} is {state.closed and state.closed.outcome}; there is nothing to resume")
    show_summary(console, hydrated.artefact, run_directory=run_directory)
    if state.at_limit:
        console.print(f"to go on:      eng5-runner resume {run_directory} --max-cost USD", style="bold")


def _texts(state: RunState, inputs: Inputs) -> dict[str, bytes]:
    """The essays' texts, read again if some are still to be uploaded.

    Raises:
        InputsMissing: the assets folder is gone.
        InputsInvalid: it was changed since the run began.
    """
    if state.stage not in ("started", "cleared") or not missing_uploads(state, inputs):
        return {}
    folder = Path(state.spec.assets)
    if not folder.is_dir():
        raise InputsMissing(
            f"The assets folder {folder} is not there, and uploads are left.", remedy="Put it back, then resume."
        )
    assets = read_assets(
        folder,
        grade_scale=inputs.grade_scale,
        encoding=state.spec.encoding,
        anchors_only=state.spec.mode.anchors_only,
    )
    if assets.inputs is None or assets.inputs.digest() != inputs.digest():
        changed = _changed(inputs, assets.inputs)
        raise InputsInvalid(
            f"The assets in {folder} are not those that the run began with: {changed}.",
            remedy="Restore them, or start a new run.",
        )
    return dict(assets.texts)


def _changed(before: Inputs, now: Inputs | None) -> str:
    if now is None:
        return "they cannot be used any more"
    old, new = _checksums(before), _checksums(now)
    names = sorted({path for path in old.keys() | new.keys() if old.get(path) != new.get(path)})
    return ", ".join(names[:5]) or "instructions, prompt or anchor table"


def _checksums(inputs: Inputs) -> dict[str, str]:
    files = [one.file for one in inputs.students] + [one.file for one in inputs.anchors]
    return {file.source_path: file.sha256 for file in files}
