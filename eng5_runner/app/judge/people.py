"""People's judgements for a run: a CSV file read, its essays found, recorded in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from eng5_runner.app.inspect import hydrate_run
from eng5_runner.canonical import sha256_hex
from eng5_runner.core.events import HumanJudgement, HumanJudgementsAdded
from eng5_runner.core.inputs import Inputs
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import Ledger, require_ledger
from eng5_runner.effects.run_lock import held
from eng5_runner.errors import InputsInvalid
from eng5_runner.inventory.table_file import read_table
from eng5_runner.results.comparison_table import is_comparisons_heading, parse_comparisons
from eng5_runner.run.hydrate import Hydrated
from eng5_runner.run.run_directory import saved_run

_TIE = 0.5


def add_human_judgements(run_directory: Path, file: Path) -> Hydrated:
    """Record people's judgements in a run's ledger and write its outputs again.

    A file that the run has already changes nothing; another file of the same name takes the place of the earlier one.

    Raises:
        InputsMissing: it is no run's directory, or there is no such file.
        InputsInvalid: the file has an error, or names an essay that the run does not have.
        DiskError: the ledger cannot be written.
    """
    require_ledger(run_directory)
    with held(run_directory):
        saved = saved_run(run_directory)
        event = human_judgements(file, saved.inputs)
        before = saved.state.human.get(event.file_name)
        if before is None or before.sha256 != event.sha256:
            with Ledger(run_directory) as ledger:
                ledger.append_now([event])
    return hydrate_run(run_directory)


def human_judgements(file: Path, inputs: Inputs) -> HumanJudgementsAdded:
    """The judgements in a file, under the run's essay ids.

    Raises:
        InputsMissing: there is no such file.
        InputsInvalid: it has an error, names a model as a judge, or names an essay that the run does not have.
    """
    name = str(file)
    table = parse_comparisons(read_table(file, name=name, is_heading=is_comparisons_heading), name=name)
    if table.models:
        raise InputsInvalid(
            f"{name} has judgements of {min(table.models)}, which is a model.",
            remedy="Keep people's judgements only; a column judge_kind with human says that a judge is a person.",
        )
    known, items = _known(inputs), table.comparisons.items
    strange = [item for item in items if item not in known]
    if strange:
        raise InputsInvalid(
            f"{name} names {strange[0]!r}, which is no essay of this run.",
            remedy="Write an essay's id or its file's name, as in tables/essays.csv.",
        )
    same = {known[item] for item in items}
    if len(same) < len(items):
        raise InputsInvalid(f"{name} names an essay in two ways.", remedy="Write each essay in one way.")
    rows = []
    for judge, data in (table.judges or {"": table.comparisons}).items():
        columns = (data.first.tolist(), data.second.tolist(), data.outcome.tolist(), data.weight.tolist())
        rows += [
            HumanJudgement(
                judge=judge,
                first=known[items[first]],
                second=known[items[second]],
                winner="tie" if outcome == _TIE else "first" if outcome > _TIE else "second",
                count=round(weight),
            )
            for first, second, outcome, weight in zip(*columns, strict=True)
        ]
    return HumanJudgementsAdded(
        at=SystemClock().now(),
        file_name=file.name,
        sha256=sha256_hex(file.read_bytes()),
        shown_in_order=table.places in {"known", "confounded"},
        judgements=tuple(rows),
    )


def _known(inputs: Inputs) -> dict[str, str]:
    """Essay id, file name and file name without its ending → essay id, where that is one essay."""
    ids = dict(_names(inputs))
    known: dict[str, set[str]] = {}
    for essay_id, file_name in ids.items():
        for name in (file_name, PurePosixPath(file_name).stem):
            known.setdefault(name, set()).add(essay_id)
    return {name: min(found) for name, found in known.items() if len(found) == 1} | {name: name for name in ids}


def _names(inputs: Inputs) -> Iterator[tuple[str, str]]:
    yield from ((anchor.anchor_id, anchor.file.file_name) for anchor in inputs.anchors)
    yield from ((student.essay_id, student.file.file_name) for student in inputs.students)
