"""How the admin commands show things: dates, listings, records, and the attempts at a service that is away."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.markup import escape
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from eng5_runner.cli.narrate import people, write_json
from eng5_runner.cli.safe_console import SafeConsole
from eng5_runner.contracts.base import WireModel
from eng5_runner.core.harmless import harmless
from eng5_runner.core.inputs import shown
from eng5_runner.reports.terminal_table import plain_table

_TEXTS = frozenset(("instructions_text", "prompt_text", "rubric_text"))


def when(moment: datetime | None) -> str:
    """An instant for people."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_listing(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows on standard output: a table on a terminal, else lines with tabs. Without any, people read `none`."""
    if not rows:
        people().print("none")
        return
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


def write_record(event: str, record: WireModel) -> None:
    """A record of a service as a JSON line."""
    write_json({"event": event} | record.model_dump(mode="json"))


def show_record(record: WireModel, *, text: str, event: str, json_lines: bool) -> None:
    """A record: its field `text` on standard output, the facts about it for people."""
    if json_lines:
        write_record(event, record)
        return
    facts = record.model_dump(mode="json", exclude_none=True)
    for name, value in facts.items():
        if name not in _TEXTS:
            people().print(escape(f"{name.replace('_', ' ')}: {shown(str(value))}"))
    show_text(facts[text])


@contextmanager
def telling_retries() -> Iterator[None]:
    """Tell people about each failed attempt that is about to be repeated."""
    before = get_on_retry_hooks()

    def announce(details: RetryDetails) -> None:
        cause = " ".join(shown(str(details.caused_by)).split())[:200]
        people().print(escape(f"{cause}; trying again in {details.wait_for:.1f} s"), style="dim")

    set_on_retry_hooks((announce,))
    try:
        yield
    finally:
        set_on_retry_hooks(before)
