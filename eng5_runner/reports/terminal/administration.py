"""What the CJ service keeps for assignments: listings with dates, and single records.

show_listing(ANCHOR_COLUMNS, [anchor_row(anchor) for anchor in listing.anchors])
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.contracts.services import AnchorOnRecord, Instructions
from eng5_runner.core.harmless import harmless
from eng5_runner.core.inputs import shown
from eng5_runner.reports.terminal.safe_console import SafeConsole
from eng5_runner.reports.terminal.table import plain_table

INSTRUCTIONS_COLUMNS = ("id", "assignment", "course", "grade scale", "context", "prompt", "created", "begins")
ANCHOR_COLUMNS = ("id", "label", "grade", "grade scale", "text", "created")
SCALE_COLUMNS = ("grade scale", "grades, lowest first", "below the lowest", "prior")
_TEXTS = frozenset(("instructions_text", "prompt_text", "rubric_text"))


def when(moment: datetime | None) -> str:
    """An instant for people."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_listing(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows on standard output: a table on a terminal, else lines with tabs."""
    texts = [[shown("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in texts)
        sys.stdout.flush()
        return
    table = plain_table(*columns)
    for row in texts:
        table.add_row(*map(escape, row))
    SafeConsole().print(table)


def show_text(text: str) -> None:
    """A text on standard output: exactly as it is, except that on a terminal it cannot move the cursor."""
    if sys.stdout.isatty():
        text = harmless(text)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def show_record(console: Console, record: WireModel, *, text: str) -> None:
    """A record: its field `text` on standard output, the facts about it for people."""
    facts = record.model_dump(mode="json", exclude_none=True)
    for name, value in facts.items():
        if name not in _TEXTS:
            console.print(escape(f"{name.replace('_', ' ')}: {shown(str(value))}"))
    show_text(facts[text])


def instructions_row(item: Instructions) -> tuple[object, ...]:
    """Of `INSTRUCTIONS_COLUMNS`."""
    begins = " ".join(item.instructions_text.split())[:60]
    facts = (item.grade_scale, item.context_origin, item.student_prompt_storage_id, when(item.created_at), begins)
    return (item.id, item.assignment_id, item.course_id, *facts)


def anchor_row(anchor: AnchorOnRecord) -> tuple[object, ...]:
    """Of `ANCHOR_COLUMNS`."""
    created = when(anchor.created_at)
    return (anchor.id, anchor.anchor_label, anchor.grade, anchor.grade_scale, anchor.text_storage_id, created)


def scale_row(scale: GradeScale) -> tuple[object, ...]:
    """Of `SCALE_COLUMNS`."""
    prior = " ".join(f"{share:.2f}" for share in scale.prior)
    return (scale.scale_id, " ".join(scale.grades), scale.below_lowest, prior)
