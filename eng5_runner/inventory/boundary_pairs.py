"""The table of pairs of a boundary study: which essays it means.

A name is an essay's id, its file name with or without suffix, or an anchor's label: `anna.txt,C+1` under the heading
`essay_a,essay_b` is the pair ("anna", "anchor-cplus1").
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from eng5_runner.core.inputs import Inputs
from eng5_runner.errors import InputsInvalid, InputsMissing

_COLUMNS = ("essay_a", "essay_b")
_MOST_LINES_NAMED = 10


def read_pairs(path: Path | None, inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """The pairs of essay ids of a CSV table with the columns essay_a and essay_b; none without a table.

    Raises:
        InputsMissing: the file does not exist.
        InputsInvalid: it is not such a table, or see `resolve_pairs`.
    """
    if path is None:
        return ()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise InputsMissing(f"--pairs {path} does not exist.", remedy="Name a CSV file.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputsInvalid(f"--pairs {path} cannot be read: {error}.", remedy="It must be a CSV in UTF-8.") from None
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise InputsInvalid(
            f"--pairs {path} has no rows under the columns {' and '.join(_COLUMNS)}.",
            remedy="Its first line is essay_a,essay_b; each other line names a pair.",
        )
    names = [[(row[column] or "").strip() for column in _COLUMNS] for row in rows]
    return resolve_pairs([(line, a, b) for line, (a, b) in enumerate(names, start=2)], inputs, table=f"--pairs {path}")


def resolve_pairs(rows: Iterable[tuple[int, str, str]], inputs: Inputs, *, table: str) -> tuple[tuple[str, str], ...]:
    """The pairs as essay ids.

    Args:
        rows: line in the table, and two names: an essay's id, its file name with or without suffix, or an anchor's
            label; upper and lower case are the same unless that would make a name ambiguous.
        inputs: of the run.
        table: what to call the table.

    Raises:
        InputsInvalid: a name is unknown or ambiguous, a pair has the same essay twice or is repeated, or there is no
            pair. The message names the first ten such lines.
    """
    essays = _essays_by_name(inputs)
    problems: list[str] = []
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for line, *names in rows:
        candidates = [essays.get(name) or essays.get(name.casefold()) or () for name in names]
        unclear = [
            f"line {line}: {_why_unclear(name, ids=ids, essays=essays)}"
            for name, ids in zip(names, candidates, strict=True)
            if len(ids) != 1
        ]
        problems += unclear
        if unclear:
            continue
        (a,), (b,) = candidates
        if a == b:
            problems.append(f"line {line}: {a} is compared with itself")
        elif frozenset((a, b)) in pairs:
            problems.append(f"line {line}: the pair {a}, {b} is repeated")
        else:
            pairs[frozenset((a, b))] = (a, b)
    if problems or not pairs:
        reasons = "; ".join(problems[:_MOST_LINES_NAMED]) if problems else "it has no pairs"
        more = len(problems) - _MOST_LINES_NAMED
        reasons += f"; and {more} more" if more > 0 else ""
        raise InputsInvalid(f"{table} cannot be used: {reasons}.", remedy="Correct the table; nothing was sent.")
    return tuple(pairs.values())


def _essays_by_name(inputs: Inputs) -> Mapping[str, Sequence[str]]:
    """Name -> the ids of the essays that it may mean."""
    essays: dict[str, list[str]] = {}
    for name, essay_id in _names(inputs):
        ids = essays.setdefault(name, [])
        if essay_id not in ids:
            ids.append(essay_id)
    return essays


def _names(inputs: Inputs) -> Iterator[tuple[str, str]]:
    essays = [(student.essay_id, student.file.file_name, "") for student in inputs.students]
    essays += [(anchor.anchor_id, anchor.file.file_name, anchor.label) for anchor in inputs.anchors]
    for essay_id, file_name, label in essays:
        for name in (essay_id, file_name, PurePosixPath(file_name).stem, label):
            if name:
                yield name, essay_id
                yield name.casefold(), essay_id


def _why_unclear(name: str, *, ids: Sequence[str], essays: Mapping[str, Sequence[str]]) -> str:
    if ids:
        return f"{name} may be {' or '.join(ids)}"
    near = get_close_matches(name, essays, n=3) or get_close_matches(name.casefold(), essays, n=3)
    return f"there is no essay {name}" + (f" (near: {', '.join(near)})" if near else "")
