"""What the admin commands share: a question to the CJ service, and its records for people or as JSON lines."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, TypeVar

from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from eng5_runner.app.administration import Addresses, administration, nothing_stored
from eng5_runner.app.loop import run_loop
from eng5_runner.cli.console import people
from eng5_runner.cli.output import say, write_json
from eng5_runner.contracts.administration import PROMPT, RUBRIC, AdminText
from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.services import AnchorOnRecord
from eng5_runner.core.inputs import shown
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.reports.terminal.administration import show_listing, show_record
from eng5_runner.run.anchor_registration import Registration

T = TypeVar("T")

# The resources that are one text.
TEXTS: Mapping[str, AdminText[Any]] = MappingProxyType({text.name: text for text in (PROMPT, RUBRIC)})


def ask(question: Callable[[CJAdminClient], Awaitable[T]], *, cj: str, identity: str, needs_token: bool = True) -> T:
    """The answer of the CJ service at the address `cj`.

    Raises:
        RunnerError: see `administration`.
    """

    async def asked() -> T:
        addresses = Addresses(cj_url=cj, identity_url=identity)
        with telling_retries():
            async with administration(addresses, os.environ, announce=say, needs_token=needs_token) as client:
                return await question(client)

    return run_loop(asked())


@contextmanager
def telling_retries() -> Iterator[None]:
    """Tell people about each failed attempt that is about to be repeated."""
    before = get_on_retry_hooks()

    def announce(details: RetryDetails) -> None:
        cause = " ".join(shown(str(details.caused_by)).split())[:200]
        say(f"{cause}; trying again in {details.wait_for:.1f} s", style="dim")

    set_on_retry_hooks((announce,))
    try:
        yield
    finally:
        set_on_retry_hooks(before)


def write_record(event: str, record: WireModel) -> None:
    """A record of a service as a JSON line."""
    write_json({"event": event} | record.model_dump(mode="json"))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A listing for people."""
    if listed := list(rows):
        show_listing(columns, listed)
    else:
        say("none")


def show_stored(resource: AdminText[Any], stored: WireModel, *, json_lines: bool) -> int:
    """Say what was written, and give the exit code."""
    if json_lines:
        write_record(f"{resource.name.capitalize()}Stored", stored)
        return 0
    facts = stored.model_dump()
    number = facts[resource.storage_id] if resource.storage_id else f"id {facts['id']}"
    say(f"stored, and read back as it was sent: the {resource.name} ({shown(str(number))})")
    return 0


def show_one(resource: AdminText[Any], record: WireModel | None, *, of: str | None, json_lines: bool) -> int:
    """Show a record of an assignment or a course, and give the exit code.

    Raises:
        ConfigurationError: there is none.
    """
    if record is None:
        raise nothing_stored(resource.name, of)
    if json_lines:
        write_record(resource.name.capitalize(), record)
    else:
        show_record(people(), record, text=resource.text)
    return 0


def show_registration(registration: Registration, *, kept: Sequence[AnchorOnRecord], json_lines: bool) -> None:
    """Show which anchors were registered, which were kept as they are, and what is wrong with others."""
    if json_lines:
        for row in kept:
            write_record("AnchorKept", row)
        for row in registration.rows:
            write_record("AnchorRegistered", row)
        for finding in registration.findings:
            write_json({"event": "AnchorFinding"} | asdict(finding))
        return
    if kept:
        labels = ", ".join(shown(row.anchor_label) for row in kept)
        say(f"kept as they are registered (--replace-anchors replaces them): {labels}")
    for row in registration.rows:
        say(f"{shown(row.anchor_label)}: {shown(row.grade)}, row {row.id}, read back")
    for finding in registration.findings:
        say(shown(finding.message), style="yellow")
