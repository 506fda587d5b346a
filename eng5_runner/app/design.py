"""The design's options together: what cannot be asked at the same time, and the table of named pairs."""

from __future__ import annotations

import csv
from pathlib import Path

from eng5_runner.app.settings import Settings
from eng5_runner.core.inputs import Inputs
from eng5_runner.errors import InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.boundary_pairs import resolve_pairs

_COLUMNS = ("essay_a", "essay_b")


def check_design(settings: Settings) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: two settings that cannot go together; it names both.
    """
    boundary = settings.design == "boundary"
    target = settings.target_se is not None or settings.target_reliability is not None
    for wrong, told, remedy in (
        (
            settings.max_comparisons is not None and settings.comparisons_per_essay is not None,
            "--max-comparisons and --comparisons-per-essay both say how many comparisons are asked for.",
            "Give one of them.",
        ),
        (
            settings.pairs is not None and not boundary,
            "--pairs are the pairs of a boundary design.",
            "Give --design boundary too.",
        ),
        (
            boundary and settings.pairs is None,
            "--design boundary compares named pairs.",
            "Name them with --pairs FILE.",
        ),
        (
            boundary and settings.comparisons_per_essay is not None,
            "--comparisons-per-essay has no meaning for named pairs.",
            "Give --repeats: each pair is asked so often in both orders.",
        ),
        (
            boundary and target,
            "--target-se and --target-reliability need a design that compares all essays.",
            "Leave them out, or --design boundary.",
        ),
        (
            boundary and settings.swap != "none",
            "--design boundary asks each pair in both orders anyway.",
            "Leave --swap out.",
        ),
    ):
        if wrong:
            raise UsageError(told, remedy=remedy)


def read_pairs(path: Path | None, inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """The pairs of a CSV table with the columns essay_a and essay_b, under our essay ids; none without a table.

    Raises:
        InputsMissing: it is not there.
        InputsInvalid: it is no such table, or names essays that are not there.
    """
    if path is None:
        return ()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise InputsMissing(f"--pairs {path} is not there.", remedy="Name a CSV file.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputsInvalid(f"--pairs {path} cannot be read: {error}.", remedy="It must be a CSV in UTF-8.") from None
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise InputsInvalid(
            f"--pairs {path} has no rows under the columns {' and '.join(_COLUMNS)}.",
            remedy="Its first line is essay_a,essay_b; each other line names a pair.",
        )
    named = [[(row[column] or "").strip() for column in _COLUMNS] for row in rows]
    return resolve_pairs([(line, a, b) for line, (a, b) in enumerate(named, start=2)], inputs, table=f"--pairs {path}")
