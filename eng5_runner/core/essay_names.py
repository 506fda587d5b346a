"""The names that the wire uses for a run's essays: they tell nothing about an essay.

    anchor-aplus1, birk, cleo ─► 2-essay-c0ffee00, 3-essay-c0ffee00, 1-essay-c0ffee00

File names, and so our ids, hold pupils' names and anchors' grades, and the service shows names to the judge. A name on
the wire has no part of them:

- A number. The essays are numbered in the order of their texts' SHA-256. That order is the same in every run of the
  same texts, so the same seed gives the same pairs. It does not follow grades, nor a class list.
- The word `essay`. A name never begins with `ANCHOR_`, which the service reserves.
- The first digits of the run's id, as in the run directory's name. The CJ service keys essays across all batches, so
  two batches that used the same names at the same time would take each other's essays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from uuid import UUID

from eng5_runner.core.events import AnchorRow

RUN_DIGITS = 8
_ANCHOR_OF_CJ = re.compile(r"ANCHOR_([0-9]{1,18})_[0-9A-Za-z]+")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def wire_ids(essays: Mapping[str, str], *, run_id: UUID) -> dict[str, str]:
    """Our essay id → its name on the wire, in the order of our ids.

    Args:
        essays: essay id → SHA-256 of its text, of all essays that a run sends.
        run_id: of the run.

    Returns:
        Distinct names of at most 36 characters of `a-z0-9-`. No other run uses them.

    Example:
        >>> run_id = UUID("c0ffee00-0000-4000-8000-000000000000")
        >>> wire_ids({"birk": "9a…", "cleo": "03…"}, run_id=run_id)
        {'birk': '2-essay-c0ffee00', 'cleo': '1-essay-c0ffee00'}
    """
    digits = len(str(len(essays)))
    by_text = sorted(essays, key=lambda essay_id: (essays[essay_id], essay_id))
    names = {
        essay_id: f"{number:0{digits}}-essay-{run_id.hex[:RUN_DIGITS]}" for number, essay_id in enumerate(by_text, 1)
    }
    return dict(sorted(names.items()))


@dataclass(frozen=True)  # no slots: the cached property is for a million texts
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
        sent = self.sent.get(wire_name)
        if sent is not None or not wire_name.startswith("ANCHOR_"):
            return sent
        anchor = _ANCHOR_OF_CJ.fullmatch(wire_name)
        return self.anchor_rows.get(int(anchor[1])) if anchor else None

    def with_our_ids(self, text: str) -> str:
        """A text from the services with our ids in place of the names on the wire."""
        # Most texts name no essay, and to look is far quicker than to replace.
        names_none = self._ending not in text or self.sent.keys().isdisjoint(_NAME.findall(text))
        if names_none and "ANCHOR_" not in text:
            return text
        return _NAME.sub(lambda name: self.our_id(name[0]) or name[0], text)

    @cached_property
    def _ending(self) -> str:
        """What every name of an essay in the request ends with, such as `-essay-c0ffee00`; empty in older versions."""
        turned = [name[::-1] for name in self.sent]
        ends = zip(min(turned, default=""), max(turned, default=""), strict=False)
        return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], ends))[::-1]
