"""hydrate, verify, status: questions to a run's directory, answered without any network."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.next_step import missing_uploads, next_step
from eng5_runner.core.state import RunState
from eng5_runner.effects.ledger import require_ledger
from eng5_runner.effects.run_lock import held
from eng5_runner.reports.terminal_summary import show_summary
from eng5_runner.run.hydrate import hydrate, write
from eng5_runner.run.run_directory import saved_run
from eng5_runner.run.verify import verify


def hydrate_run(run_directory: Path, *, json_lines: bool) -> int:
    """Write a run's outputs anew from its ledger."""
    require_ledger(run_directory)
    with held(run_directory):
        hydrated = hydrate(run_directory)
        if hydrated.violations:
            raise AssertionError(f"the artefact breaks its schema: {'; '.join(hydrated.violations)}")
        write(run_directory, hydrated)
    if json_lines:
        write_json({"event": "Hydrated", "files": sorted(hydrated.files)})
    else:
        show_summary(people(), hydrated.artefact, run_directory=run_directory)
    return 0


def verify_run(run_directory: Path, *, json_lines: bool) -> int:
    """Check that a run's directory proves what it claims."""
    verified = verify(run_directory)
    if json_lines:
        facts = {
            "files": verified.files,
            "comparisons": verified.comparisons,
            "outcome": verified.outcome,
            "service_differs": list(verified.disagreements),
        }
        write_json({"event": "Verified", "run_directory": str(run_directory)} | facts)
    else:
        people().print(
            f"{run_directory} verifies: {verified.files} files as listed, all outputs recomputed from the ledger byte "
            f"for byte, {verified.comparisons} comparisons, {verified.outcome}"
        )
        if verified.agreement is not None:
            people().print(verified.agreement, markup=False)
        for disagreement in verified.disagreements:
            people().print(disagreement, style="yellow", markup=False)
    return 0


def status_of(run_directory: Path, *, json_lines: bool) -> int:
    """Tell where a run stands; works while another process is at it."""
    saved = saved_run(run_directory)
    left = len(missing_uploads(saved.state, saved.inputs))
    facts = _facts(saved.state) | {"uploads_left": left, "next": next_step(saved.state, saved.inputs)}
    if json_lines:
        write_json({"event": "Status", "run_directory": str(run_directory)} | facts)
        return 0
    console = people()
    for key, value in facts.items():
        console.print(f"{key.replace('_', ' ')}: {value}")
    return 0


def _facts(state: RunState) -> dict[str, object]:
    spec = state.spec
    return {
        "run": str(spec.run_id),
        "label": spec.label,
        "mode": spec.mode.value,
        "stage": state.stage,
        "outcome": state.closed.outcome if state.closed else "open",
        "reasons": list(state.closed.reasons) if state.closed else [],
        "sessions": state.sessions,
        "texts_stored": len(state.storage_ids),
        "comparisons_judged": state.judged,
        "comparisons_failed": state.unjudged,
        "cost_usd": round(state.cost_usd, 6),
        "max_cost_usd": spec.budget.max_cost_usd,
        "duplicates": state.repeated,
        "rejected": state.rejected,
        "completed": state.completed,
        "result": state.has_result,
    }
