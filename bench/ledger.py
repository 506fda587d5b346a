"""Ledger: durable appends in batches, against writing the same bytes without the disk's word for it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from bench.study import accepted, judgements
from eng5_runner.core.events import event_to_json
from eng5_runner.effects.ledger import Ledger, LedgerReading

EVENTS = 20_000
BATCH = 500


def main() -> None:
    """Print events a second and the ratio."""
    events = [accepted(n, raw) for n, raw in enumerate(judgements([f"essay-{n}" for n in range(60)], EVENTS))]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        began = time.perf_counter()
        with Ledger(directory) as ledger:
            asyncio.run(_append(ledger, events))
        durable = time.perf_counter() - began
        began = time.perf_counter()
        with (directory / "plain").open("wb") as file:
            for event in events:
                file.write(event_to_json(event) + b"\n")
        plain = time.perf_counter() - began
        began = time.perf_counter()
        assert len(tuple(LedgerReading(directory))) == EVENTS
        read = time.perf_counter() - began
    print(f"  durable {EVENTS / durable:,.0f} events/s, plain {EVENTS / plain:,.0f} ({durable / plain:.1f} times)")
    print(f"  read back and checked {EVENTS / read:,.0f} events/s")


async def _append(ledger: Ledger, events: list[object]) -> None:
    for at in range(0, len(events), BATCH):
        await ledger.append(events[at : at + BATCH])
