"""The names that the wire uses for a run's essays.

    anchor-aplus1, birk, cleo ─► 1-essay-c0ffee00, 2-birk-c0ffee00, 3-cleo-c0ffee00

A name on the wire has three parts:

- The essay's number in the order of our ids. It keeps that order, by which the service makes pairs, and it keeps
  names distinct that had to be shortened. A name never begins with `ANCHOR_`, which the service reserves.
- The start of our own id. An anchor has the word `essay` here: its own id states its grade, and the service shows
  names to the judge.
- The first digits of the run's id, as in the run directory's name. The CJ service keys essays across all batches, so
  two batches that used the same names at the same time would take each other's essays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from eng5_runner.contracts.request import ESSAY_ID_LENGTH
from eng5_runner.core.events import AnchorRow

RUN_DIGITS = 8
_HIDDEN_NAME = "essay"
_ANCHOR_OF_CJ = re.compile(r"ANCHOR_([0-9]{1,18})_[0-9A-Za-z]+")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def wire_ids(essay_ids: Iterable[str], *, run_id: UUID, hidden: Collection[str] = ()) -> dict[str, str]:
    """Our essay id → its name on the wire, in the order of our ids.

    Args:
        essay_ids: all essays that a run sends.
        run_id: of the run.
        hidden: ids that the names must not show.

    Returns:
        Distinct names of at most 36 characters of `a-z0-9_-`, sorted as the ids are. No other run uses them.

    Example:
        >>> run_id = UUID("c0ffee00-0000-4000-8000-000000000000")
        >>> wire_ids(["cleo", "birk", "anchor-aplus1"], run_id=run_id, hidden=["anchor-aplus1"])
        {'anchor-aplus1': '1-essay-c0ffee00', 'birk': '2-birk-c0ffee00', 'cleo': '3-cleo-c0ffee00'}
    """
    ordered = sorted(set(essay_ids))
    digits = len(str(len(ordered)))
    room = ESSAY_ID_LENGTH - digits - RUN_DIGITS - 2
    names = {}
    for number, essay_id in enumerate(ordered, start=1):
        shown = _HIDDEN_NAME if essay_id in hidden else essay_id[:room].rstrip("-_")
        names[essay_id] = f"{number:0{digits}}-{shown}-{run_id.hex[:RUN_DIGITS]}"
    return names


@dataclass(frozen=True, slots=True)
class EssayNames:
    """Wire name → our essay id.

    Attributes:
        sent: name on the wire → our id, of the essays in the request.
        anchor_rows: CJ's row id → our anchor id, of the anchors that the service adds itself. It calls them
            `ANCHOR_<row id>_<8 hex>`, with other hexadecimal digits in every batch.
    """

    sent: Mapping[str, str]
    anchor_rows: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sent: Mapping[str, str], *, rows: Iterable[AnchorRow] = ()) -> EssayNames:
        """Build the names from the essays in the request and the service's anchor rows."""
        return cls(sent, {row.row_id: row.anchor_id for row in rows})

    def our_id(self, wire_name: str) -> str | None:
        """Our id for a name on the wire, or None if the run has no such essay."""
        if wire_name in self.sent:
            return self.sent[wire_name]
        anchor = _ANCHOR_OF_CJ.fullmatch(wire_name)
        return self.anchor_rows.get(int(anchor[1])) if anchor else None

    def with_our_ids(self, text: str) -> str:
        """A text from the services with our ids in place of the names on the wire."""
        return _NAME.sub(lambda name: self.our_id(name[0]) or name[0], text)
