"""The essays of a run under the names that the wire uses for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from eng5_runner.core.events import AnchorRow

_ANCHOR_OF_CJ = re.compile(r"ANCHOR_([0-9]{1,18})_[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class EssayNames:
    """Wire name → our essay id.

    Attributes:
        essay_ids: the ids that we sent ourselves; the wire uses them unchanged.
        anchor_rows: CJ's row id → our anchor id, for a run whose anchors the service adds itself: it calls them
            `ANCHOR_<row id>_<8 hex>`, new in every batch.
    """

    essay_ids: frozenset[str]
    anchor_rows: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, essay_ids: Iterable[str], *, rows: Iterable[AnchorRow] = ()) -> EssayNames:
        """The names for these essays and the service's anchor rows."""
        return cls(frozenset(essay_ids), {row.row_id: row.anchor_id for row in rows})

    def ours(self, wire_name: str) -> str | None:
        """Our id for a name on the wire, or None for a stranger."""
        if wire_name in self.essay_ids:
            return wire_name
        found = _ANCHOR_OF_CJ.fullmatch(wire_name)
        return self.anchor_rows.get(int(found[1])) if found else None
