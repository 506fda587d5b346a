"""preflight: everything that `execute` asks before it sends, told in one table."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.cli.assemble import build_spec
from eng5_runner.cli.commands.run import inventory, require_usable
from eng5_runner.cli.embedded import embedded_stack
from eng5_runner.cli.environment import cache_folder, kafka_password
from eng5_runner.cli.logs import unlogged
from eng5_runner.cli.loop import run_loop
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.cli.settings import Resolved
from eng5_runner.cli.tokens import admin_token
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.effects.clock import new_run_id
from eng5_runner.errors import DiskError, RunnerError
from eng5_runner.run.connect import open_ports
from eng5_runner.run.preflight import Examined, examine

# A run of ten thousand comparisons keeps about this much (bytes).
ROOM_WANTED = 100 << 20


def preflight(resolved: Resolved) -> int:
    """Ask every service, and the disk, and show what stands in the way.

    Returns:
        0, or the exit code of the first thing that does.

    Raises:
        RunnerError: the assets cannot be used.
    """
    settings = resolved.settings
    console = people()
    assets = inventory(resolved, console)
    inputs = require_usable(assets, console, json_lines=settings.json_lines)
    spec = build_spec(settings, inputs, run_id=new_run_id(), label="preflight")
    read = f"{len(inputs.students)} students, {len(inputs.anchors)} anchors"
    examined = [Examined(about="assets", facts=(read,)), *_disk(settings.output_dir)]
    with unlogged():
        examined += run_loop(_services(spec, inputs, texts=assets.texts))
    if settings.json_lines:
        for one in examined:
            write_json({"event": "Check"} | _facts(one))
    else:
        _show(console, examined)
    return next((one.error.exit_code for one in examined if one.error is not None), 0)


async def _services(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes]) -> list[Examined]:
    if spec.target.stack == "remote":
        try:
            token = await _token(spec)
        except RunnerError as error:
            refused = [Examined(about="login", error=error)]
            return refused + await _ask(spec, inputs=inputs, texts=texts, target=spec.target, token=None)
        return await _ask(spec, inputs=inputs, texts=texts, target=spec.target, token=token)
    with tempfile.TemporaryDirectory(prefix="eng5-preflight-") as folder:
        try:
            async with embedded_stack(Path(folder), client_id=spec.target.kafka_client_id) as child:
                return await _ask(spec, inputs=inputs, texts=texts, target=child.target, token=child.token)
        except RunnerError as error:
            return [Examined(about="embedded stack", error=error)]


async def _token(spec: RunSpec) -> str | None:
    if spec.study.assignment_id is None:
        return None
    found = await admin_token(os.environ, announce=lambda text: people().print(text))
    return found.value if found else None


async def _ask(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], target: Target, token: str | None
) -> list[Examined]:
    """All questions; those to the other services even if Kafka cannot be reached."""
    try:
        opening = open_ports(
            spec, target=target, cache_folder=cache_folder(), token=token, kafka_password=kafka_password()
        )
        async with opening as ports:
            return await examine(spec, inputs=inputs, texts=texts, ports=ports)
    except RunnerError as error:
        without = target.model_copy(update={"kafka_bootstrap": None})
        async with open_ports(spec, target=without, cache_folder=cache_folder(), token=token) as ports:
            others = await examine(spec, inputs=inputs, texts=texts, ports=ports)
        return [Examined(about="Kafka", error=error), *others]


def _disk(output_dir: Path) -> Iterator[Examined]:
    there = output_dir
    while not there.exists() and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free
    room = f"{free >> 20} MiB free"
    if not os.access(there, os.W_OK):
        refused = DiskError(f"{output_dir} cannot be written.", remedy="Name another folder with --output-dir.")
        yield Examined(about="output folder", error=refused)
    elif free < ROOM_WANTED:
        full = DiskError(f"{output_dir} has {room}.", remedy="Make room, or name another folder with --output-dir.")
        yield Examined(about="output folder", error=full)
    else:
        yield Examined(about="output folder", facts=(f"{output_dir}: {room}",))


def _facts(one: Examined) -> dict[str, object]:
    error = None if one.error is None else {"message": one.error.message, "remedy": one.error.remedy}
    return {"about": one.about, "facts": one.facts, "warnings": one.warnings, "error": error}


def _show(console: Console, examined: list[Examined]) -> None:
    table = Table("", "about", "found", "remedy", title="Preflight", box=SIMPLE)
    for one in examined:
        for fact in one.facts:
            table.add_row("ok", one.about, escape(fact), "", style="green")
        for warning in one.warnings:
            table.add_row("warning", one.about, escape(warning), "", style="yellow")
        if one.error is not None:
            table.add_row("no", one.about, escape(one.error.message), escape(one.error.remedy), style="red")
    console.print(table)
