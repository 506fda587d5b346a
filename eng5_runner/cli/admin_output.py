"""What the admin commands share: records as JSON lines, and the attempts at a service that is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.base import WireModel
from eng5_runner.core.inputs import shown


def write_record(event: str, record: WireModel) -> None:
    """A record of a service as a JSON line."""
    write_json({"event": event} | record.model_dump(mode="json"))


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
