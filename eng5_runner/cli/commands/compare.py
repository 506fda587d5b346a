"""compare: two runs of the same essays, side by side."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app.inspect import compare
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.reports.terminal_compare import show_comparison


def compare_runs(a: Path, b: Path, *, json_lines: bool) -> int:
    """Compare two runs by their artefacts.

    Raises:
        InputsMissing: a run has no artefact.
        InputsInvalid: an artefact is damaged, or the two have no essay in common.
    """
    compared = compare(a, b)
    if json_lines:
        write_json({"event": "Comparison", "a": str(a), "b": str(b)} | compared.model_dump(mode="json"))
    else:
        show_comparison(people(), compared)
    return 0
