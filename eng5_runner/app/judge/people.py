"""What people give to a run: judgements of its essays, and a few students' grades to check the projected ones with.

A CSV file is read, the essays that it names are found, and the ledger records what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from eng5_runner.app.inspect import hydrate_run
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.events import AddedByPeople, CheckGradesAdded, HumanJudgement, HumanJudgementsAdded, KnownGrade
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import RunState
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import Ledger, require_ledger
from eng5_runner.effects.run_lock import held
from eng5_runner.errors import InputsInvalid
from eng5_runner.inventory.pseudonyms import FileNames
from eng5_runner.inventory.table_file import read_table_and_digest
from eng5_runner.measure.model.comparisons import TIE
from eng5_runner.results.comparison_table import (
    is_comparisons_heading,
    is_grades_heading,
    parse_check_grades,
    parse_comparisons,
)
from eng5_runner.run.hydrate import Hydrated
from eng5_runner.run.pseudonyms import names_of
from eng5_runner.run.run_directory import saved_run

_AS_WRITTEN = "Write an essay's id or its file's name, as in tables/essays.csv."


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplesFiles:
    """The files that people give to a run.

    Attributes:
        judgements: theirs, of the run's essays.
        check_grades: the teachers' grades of a few students, for checking only.
    """

    judgements: Path | None = None
    check_grades: Path | None = None

    def events(self, inputs: Inputs, *, key_table: str | Path | None) -> tuple[AddedByPeople, ...]:
        """What the files say of the essays of a run.

        Args:
            inputs: of the run.
            key_table: of its pseudonyms, if it has some. The files may have real names, too.

        Raises:
            InputsMissing: there is no such file, or it has real names and the key table is gone.
            InputsInvalid: a file has an error, or names an essay that the run does not have.
        """
        essays = _Essays(inputs, key_table)
        given: list[AddedByPeople] = []
        if self.judgements is not None:
            given.append(_human_judgements(self.judgements, essays))
        if self.check_grades is not None:
            given.append(_check_grades(self.check_grades, essays))
        return tuple(given)


def add_from_people(run_directory: Path, files: PeoplesFiles) -> Hydrated:
    """Record what people say in a run's ledger and write its outputs again.

    A file that the run has already changes nothing. Other judgements in a file of the same name take the place of the
    earlier ones, and any other grades that of the earlier grades.

    Raises:
        InputsMissing: it is no run's directory, or there is no such file.
        InputsInvalid: a file has an error, or names an essay that the run does not have.
        DiskError: the ledger cannot be written.
    """
    require_ledger(run_directory)
    with held(run_directory):
        saved = saved_run(run_directory)
        events = files.events(saved.inputs, key_table=saved.state.spec.pseudonyms)
        new = [event for event in events if _is_new(event, saved.state)]
        if new:
            with Ledger(run_directory) as ledger:
                ledger.append_now(new)
    return hydrate_run(run_directory)


def _is_new(event: AddedByPeople, state: RunState) -> bool:
    before = state.check_grades if isinstance(event, CheckGradesAdded) else state.human.get(event.file_name)
    return before is None or before.sha256 != event.sha256


@dataclass(frozen=True)  # no slots: the names are read when first needed, and kept
class _Essays:
    """The essays of a run under all their names."""

    inputs: Inputs
    key_table: str | Path | None

    @cached_property
    def named(self) -> dict[str, str]:
        """Essay id, file name and file name without its ending → essay id, where that is one essay."""
        ids = dict(_names(self.inputs))
        known: dict[str, set[str]] = {}
        for essay_id, file_name in ids.items():
            for name in (file_name, PurePosixPath(file_name).stem):
                known.setdefault(name, set()).add(essay_id)
        return {name: min(found) for name, found in known.items() if len(found) == 1} | {name: name for name in ids}

    @cached_property
    def file_names(self) -> FileNames:
        """The real names of the files behind pseudonyms: read only where a name is none of the run's."""
        return names_of(self.key_table)

    @property
    def are_private(self) -> bool:
        return self.key_table is not None

    def find(self, name: str) -> str | None:
        """The essay that a name means."""
        return self.named.get(name) or self.named.get(self.file_names.meant(name))

    def shown(self, name: str) -> str:
        """The name for a message."""
        return "a name" if self.are_private else repr(name)


def _human_judgements(file: Path, essays: _Essays) -> HumanJudgementsAdded:
    name = str(file)
    read, sha256 = read_table_and_digest(file, name=name, is_heading=is_comparisons_heading)
    table = parse_comparisons(read, name=name)
    if table.models:
        raise InputsInvalid(
            f"{name} has judgements of {min(table.models)}, which is a model.",
            remedy="Keep people's judgements only; a column judge_kind with human says that a judge is a person.",
        )
    items = table.comparisons.items
    known = {item: essay for item in items if (essay := essays.find(item)) is not None}
    strange = [item for item in items if item not in known]
    if strange:
        raise InputsInvalid(
            f"{name} names {essays.shown(strange[0])}, which is no essay of this run.", remedy=_AS_WRITTEN
        )
    for essay, count in Counter(known.values()).items():
        if count > 1:
            ways = " and ".join(repr(item) for item in items if known[item] == essay)
            shown = f"{essay!r} in two ways" if essays.are_private else f"one essay in two ways: {ways}"
            raise InputsInvalid(f"{name} names {shown}.", remedy="Write each essay in one way.")
    rows = []
    for judge, data in (table.judges or {"": table.comparisons}).items():
        columns = (data.first.tolist(), data.second.tolist(), data.outcome.tolist(), data.weight.tolist())
        rows += [
            HumanJudgement(
                judge=judge,
                first=known[items[first]],
                second=known[items[second]],
                winner="tie" if outcome == TIE else "first" if outcome > TIE else "second",
                count=round(weight),
            )
            for first, second, outcome, weight in zip(*columns, strict=True)
        ]
    return HumanJudgementsAdded(
        at=SystemClock().now(),
        file_name=file.name,
        sha256=sha256,
        shown_in_order=table.places in {"known", "confounded"},
        judgements=tuple(rows),
    )


def _check_grades(file: Path, essays: _Essays) -> CheckGradesAdded:
    name, inputs = str(file), essays.inputs
    read, sha256 = read_table_and_digest(file, name=name, is_heading=is_grades_heading)
    grades = parse_check_grades(
        read,
        name=name,
        scale=GRADE_SCALES[inputs.grade_scale],
        items=essays.find,
        unknown=("is no student of this run", _AS_WRITTEN),
        private=essays.are_private,
    )
    anchors = sorted(grades.keys() & {anchor.anchor_id for anchor in inputs.anchors})
    if anchors:
        raise InputsInvalid(
            f"{name} has the anchor {anchors[0]}.",
            remedy="Check with students whose grade the projection does not know.",
        )
    return CheckGradesAdded(
        at=SystemClock().now(),
        file_name=file.name,
        sha256=sha256,
        grades=tuple(KnownGrade(essay_id=essay_id, grade=grade) for essay_id, grade in sorted(grades.items())),
    )


def _names(inputs: Inputs) -> Iterator[tuple[str, str]]:
    yield from ((anchor.anchor_id, anchor.file.file_name) for anchor in inputs.anchors)
    yield from ((student.essay_id, student.file.file_name) for student in inputs.students)
