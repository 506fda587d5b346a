"""What the admin commands share: URLs as given, dates, listings, and what is told while a service is tried again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from eng5_runner.app.settings import Url
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.core.inputs import shown
from eng5_runner.errors import UsageError

_TEXTS = frozenset(("instructions_text", "prompt_text", "rubric_text"))


def checked_url(url: str, *, option: str) -> str:
    """A service's address without a slash at its end.

    Raises:
        UsageError: it is none, or holds a password.
    """
    try:
        return TypeAdapter(Url).validate_python(url.strip()).rstrip("/")
    except ValidationError as error:
        raise UsageError(f"{option} is no service's address: {describe(error)}.", remedy=f"Correct {option}.") from None


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
    table = Table(*columns, box=SIMPLE)
    for row in texts:
        table.add_row(*map(escape, row))
    Console().print(table)


def show_text(text: str) -> None:
    """A text on standard output: exactly as it is, except that on a terminal it cannot move the cursor."""
    if sys.stdout.isatty():
        text = "".join(char if char in "\n\t" else shown(char) for char in text)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def write_record(event: str, record: WireModel) -> None:
    """A record of the service as a JSON line."""
    write_json({"event": event} | record.model_dump(mode="json"))


def show_record(record: WireModel, *, text: str, event: str, json_lines: bool) -> None:
    """A record: its text on standard output, the facts about it for people."""
    if json_lines:
        write_record(event, record)
        return
    facts = record.model_dump(mode="json", exclude_none=True)
    for name, value in facts.items():
        if name not in _TEXTS:
            people().print(escape(f"{name.replace('_', ' ')}: {shown(str(value))}"))
    show_text(text)


def tell_stored(event: str, record: WireModel, *, json_lines: bool, what: str) -> None:
    """Say that something was stored and read back."""
    if json_lines:
        write_record(event, record)
    else:
        people().print(escape(f"stored, and read back as it was sent: {shown(what)}"))


@contextmanager
def telling_retries() -> Iterator[None]:
    """While it lasts, people hear of each attempt that failed and will be made again."""
    before = get_on_retry_hooks()

    def tell(details: RetryDetails) -> None:
        cause = " ".join(shown(str(details.caused_by)).split())[:200]
        people().print(escape(f"{cause}; trying again in {details.wait_for:.1f} s"), style="dim")

    set_on_retry_hooks((tell,))
    try:
        yield
    finally:
        set_on_retry_hooks(before)
