"""The pairs of a boundary study: what a person calls an essay, and which essay that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath

from eng5_runner.core.inputs import Inputs
from eng5_runner.errors import InputsInvalid


def resolve_pairs(rows: Iterable[tuple[int, str, str]], inputs: Inputs, *, table: str) -> tuple[tuple[str, str], ...]:
    """The pairs under our essay ids.

    Args:
        rows: line of the table, and the two names: an essay's id, its file's name with or without suffix, or an
            anchor's label; upper and lower case are the same where that leaves one essay.
        inputs: of the run.
        table: what to call the table.

    Raises:
        InputsInvalid: a name is unknown or of several essays, or a pair is of one essay or there twice; every such
            line is named.
    """
    names = _names(inputs)
    wrong: list[str] = []
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for line, first, second in rows:
        found = [_essay(name, names) for name in (first, second)]
        doubts = [f"line {line}: {told}" for told in found if isinstance(told, _Unknown)]
        if not doubts:
            a, b = (str(one) for one in found)
            if a == b:
                doubts = [f"line {line}: {a} is compared with itself"]
            elif frozenset((a, b)) in pairs:
                doubts = [f"line {line}: the pair {a}, {b} is there already"]
            else:
                pairs[frozenset((a, b))] = (a, b)
        wrong += doubts
    if wrong or not pairs:
        told = "; ".join(wrong[:10]) if wrong else "it has no pairs"
        more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""  # noqa: PLR2004 - as many as are told
        raise InputsInvalid(f"{table} cannot be used: {told}{more}.", remedy="Correct the table; nothing was sent.")
    return tuple(pairs.values())


class _Unknown(str):
    """Why a name is no essay."""

    __slots__ = ()


def _names(inputs: Inputs) -> Mapping[str, Sequence[str]]:
    """Name → the essays that it may mean, in the order in which the kinds of names are looked through."""
    found: dict[str, list[str]] = {}
    for name, essay_id in _told(inputs):
        known = found.setdefault(name, [])
        if essay_id not in known:
            known.append(essay_id)
    return found


def _told(inputs: Inputs) -> Iterator[tuple[str, str]]:
    essays = [(student.essay_id, student.file.file_name, "") for student in inputs.students]
    essays += [(anchor.anchor_id, anchor.file.file_name, anchor.label) for anchor in inputs.anchors]
    for essay_id, file_name, label in essays:
        for name in (essay_id, file_name, PurePosixPath(file_name).stem, label):
            if name:
                yield name, essay_id
                yield name.casefold(), essay_id


def _essay(name: str, names: Mapping[str, Sequence[str]]) -> str | _Unknown:
    found = names.get(name) or names.get(name.casefold()) or ()
    if len(found) == 1:
        return found[0]
    if found:
        return _Unknown(f"{name} may be {' or '.join(found)}")
    near = get_close_matches(name, names, n=3) or get_close_matches(name.casefold(), names, n=3)
    return _Unknown(f"there is no essay {name}" + (f" (near: {', '.join(near)})" if near else ""))
