"""The table of pairs of a boundary study: which essays it means.

A name is an essay's id, its file name with or without suffix, or an anchor's label: `anna.txt,C+1` under the heading
`essay_a,essay_b` is the pair ("anna", "anchor-cplus1").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from eng5_runner.core.inputs import Inputs
from eng5_runner.core.table import column_key, has
from eng5_runner.errors import InputsInvalid
from eng5_runner.inventory.pseudonyms import FileNames, RealNames
from eng5_runner.inventory.table_file import read_table
from eng5_runner.phrases import listed

_COLUMNS = ("essay_a", "essay_b")
_KEYS = tuple(map(column_key, _COLUMNS))
_MOST_LINES_NAMED = 10


def read_pairs(path: Path | None, inputs: Inputs, *, names: FileNames | None = None) -> tuple[tuple[str, str], ...]:
    """The pairs of essay ids of a CSV table with the columns essay_a and essay_b; none without a table.

    Args:
        path: of the table.
        inputs: of the run.
        names: under which the essays' files are shown; the table may have their own names. None: under their own.

    Raises:
        InputsMissing: the file does not exist.
        InputsInvalid: it is not such a table, or see `resolve_pairs`.
    """
    if path is None:
        return ()
    table = read_table(path, name=f"--pairs {path}", is_heading=has(*_KEYS))
    if not set(_KEYS) <= set(table.columns):
        raise InputsInvalid(
            f"--pairs {path} has no columns {' and '.join(_COLUMNS)}.",
            remedy="Give it a heading with essay_a and essay_b; each row below it names a pair.",
        )
    a, b = map(table.columns.index, _KEYS)
    names = names or RealNames()
    rows = [(row.number, names.meant(row.cells[a]), names.meant(row.cells[b])) for row in table.rows]
    return resolve_pairs(rows, inputs, table=f"--pairs {path}", are_private=names.are_private)


def resolve_pairs(
    rows: Iterable[tuple[int, str, str]], inputs: Inputs, *, table: str, are_private: bool = False
) -> tuple[tuple[str, str], ...]:
    """The pairs as essay ids.

    Args:
        rows: number in the table, and two names: an essay's id, its file name with or without suffix, or an anchor's
            label; upper and lower case are the same unless that would make a name ambiguous.
        inputs: of the run.
        table: what to call the table.
        are_private: whether the message must not show names as the table has them.

    Raises:
        InputsInvalid: a name is unknown or ambiguous, a pair has the same essay twice or is repeated, or there is no
            pair. The message names the first ten such lines.
    """
    essays = _essays_by_name(inputs)
    problems: list[str] = []
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for line, *names in rows:
        called = ["with this name"] * len(names) if are_private else names
        candidates = [essays.get(name) or essays.get(name.casefold()) or () for name in names]
        unclear = [
            f"row {line}: {_why_unclear(name, ids=ids, essays=essays)}"
            for name, ids in zip(called, candidates, strict=True)
            if len(ids) != 1
        ]
        problems += unclear
        if unclear:
            continue
        (a,), (b,) = candidates
        if a == b:
            problems.append(f"row {line}: {a} is compared with itself")
        elif frozenset((a, b)) in pairs:
            problems.append(f"row {line}: the pair {a}, {b} is repeated")
        else:
            pairs[frozenset((a, b))] = (a, b)
    if problems or not pairs:
        reasons = listed(problems, at_most=_MOST_LINES_NAMED, separated="; ") or "it has no pairs"
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
