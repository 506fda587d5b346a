"""The essays of a run under the names that the wire uses for them.

    anchor-aplus1, birk, cleo ─► 1-essay-c0ffee00, 2-birk-c0ffee00, 3-cleo-c0ffee00

The CJ service's key of an essay holds for all batches at once: two that run at the same time under the same names take
each other's essays. So a name ends with the first digits of the run's id, as the run's directory does. It begins with
the essay's number in the order of our ids, which keeps that order (the service pairs by it), tells names apart that had
to be cut, and is never `ANCHOR_`. An anchor's own name says its grade, and the service shows names to the judge.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from eng5_runner.contracts.request import ESSAY_ID_LENGTH
from eng5_runner.core.events import AnchorRow

RUN_DIGITS = 8
_WITHOUT_ITS_NAME = "essay"
_ANCHOR_OF_CJ = re.compile(r"ANCHOR_([0-9]{1,18})_[0-9A-Za-z]+")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def wire_ids(essay_ids: Iterable[str], *, run_id: UUID, unnamed: Collection[str] = ()) -> dict[str, str]:
    """Our essay id → its name on the wire, in the order of our ids.

    Args:
        essay_ids: all essays that a run sends.
        run_id: of the run.
        unnamed: those whose own name shall not be seen.

    Returns:
        Names of at most 36 characters of `a-z0-9_-`, each another, in the same order as the ids; another run has
        none of them.
    """
    ordered = sorted(set(essay_ids))
    digits = len(str(len(ordered)))
    room = ESSAY_ID_LENGTH - digits - RUN_DIGITS - 2
    names = {}
    for number, essay_id in enumerate(ordered, start=1):
        told = _WITHOUT_ITS_NAME if essay_id in unnamed else essay_id[:room].rstrip("-_")
        names[essay_id] = f"{number:0{digits}}-{told}-{run_id.hex[:RUN_DIGITS]}"
    return names


@dataclass(frozen=True, slots=True)
class EssayNames:
    """Wire name → our essay id.

    Attributes:
        sent: the essays that we sent ourselves, name on the wire → our id.
        anchor_rows: CJ's row id → our anchor id, for a run whose anchors the service adds itself: it calls them
            `ANCHOR_<row id>_<8 hex>`, new in every batch.
    """

    sent: Mapping[str, str]
    anchor_rows: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sent: Mapping[str, str], *, rows: Iterable[AnchorRow] = ()) -> EssayNames:
        """The names for these essays and the service's anchor rows."""
        return cls(sent, {row.row_id: row.anchor_id for row in rows})

    def ours(self, wire_name: str) -> str | None:
        """Our id for a name on the wire, or None for a stranger."""
        if wire_name in self.sent:
            return self.sent[wire_name]
        found = _ANCHOR_OF_CJ.fullmatch(wire_name)
        return self.anchor_rows.get(int(found[1])) if found else None

    def retold(self, text: str) -> str:
        """A text of the services with our ids in the place of their names."""
        return _NAME.sub(lambda found: self.ours(found[0]) or found[0], text)
