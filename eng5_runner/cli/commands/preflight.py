"""preflight: everything that `execute` asks before it sends, told in one table."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.app.assemble import build_spec
from eng5_runner.app.embedded import embedded_stack
from eng5_runner.app.environment import cache_folder, kafka_password
from eng5_runner.app.local_checks import local_questions, login_question
from eng5_runner.app.logs import unlogged
from eng5_runner.app.loop import run_loop
from eng5_runner.app.settings import Resolved
from eng5_runner.app.tokens import Token, admin_token
from eng5_runner.app.trace import trace_of
from eng5_runner.cli.commands.run import inventory, require_usable
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.effects.clock import new_run_id
from eng5_runner.errors import RunnerError
from eng5_runner.run.connect import open_ports
from eng5_runner.run.ports import Check, Findings
from eng5_runner.run.preflight.stage import CheckResult, examine


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
    examined = [CheckResult(about="assets", facts=(read,))]
    here = tuple(local_questions(spec, folder=settings.output_dir))
    with unlogged():
        examined += run_loop(_services(_Asked(spec=spec, inputs=inputs, texts=assets.texts, here=here)))
    if settings.json_lines:
        for one in examined:
            write_json({"event": "Check"} | _facts(one))
    else:
        _show(console, examined)
    return next((one.error.exit_code for one in examined if one.error is not None), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the questions are about; `here` are those about this machine."""

    spec: RunSpec
    inputs: Inputs
    texts: Mapping[str, bytes]
    here: tuple[tuple[str, Check], ...]


async def _services(asked: _Asked) -> list[CheckResult]:
    spec = asked.spec
    if spec.target.stack == "remote":
        try:
            token = await _token(spec)
        except RunnerError as error:
            refused = replace(asked, here=(*asked.here, ("login", partial(_refuse, error))))
            return await _ask(refused, target=spec.target, token=None)
        asked = replace(asked, here=(*asked.here, *login_question(spec, token)))
        return await _ask(asked, target=spec.target, token=None if token is None else token.value)
    with tempfile.TemporaryDirectory(prefix="eng5-preflight-") as folder:
        try:
            async with embedded_stack(Path(folder), client_id=spec.target.kafka_client_id) as child:
                return await _ask(asked, target=child.target, token=child.token)
        except RunnerError as error:
            return [CheckResult(about="embedded stack", error=error)]


async def _refuse(error: RunnerError) -> Findings:
    raise error


async def _token(spec: RunSpec) -> Token | None:
    if spec.study.assignment_id is None:
        return None
    return await admin_token(os.environ, announce=lambda text: people().print(text))


async def _ask(asked: _Asked, *, target: Target, token: str | None) -> list[CheckResult]:
    """All questions; those to the other services even if Kafka cannot be reached."""
    try:
        return await _ask_at(asked, target=target, token=token)
    except RunnerError as error:
        without = target.model_copy(update={"kafka_bootstrap": None})
        return [CheckResult(about="Kafka", error=error), *await _ask_at(asked, target=without, token=token)]


async def _ask_at(asked: _Asked, *, target: Target, token: str | None) -> list[CheckResult]:
    trace = trace_of(os.environ).headers
    opening = open_ports(
        asked.spec,
        target=target,
        cache_folder=cache_folder(),
        token=token,
        kafka_password=kafka_password() if target.kafka_bootstrap else None,
        trace=trace,
    )
    async with opening as ports:
        with_ours = replace(ports, here=asked.here)
        return await examine(asked.spec, inputs=asked.inputs, texts=asked.texts, ports=with_ours)


def _facts(one: CheckResult) -> dict[str, object]:
    error = None if one.error is None else {"message": one.error.message, "remedy": one.error.remedy}
    warnings = [{"message": told, "remedy": one.remedies.get(told, "")} for told in one.warnings]
    return {"about": one.about, "facts": one.facts, "warnings": warnings, "error": error}


def _show(console: Console, examined: list[CheckResult]) -> None:
    table = Table("", "about", "found", "remedy", title="Preflight", box=SIMPLE)
    for one in examined:
        for fact in one.facts:
            table.add_row("ok", one.about, escape(fact), "", style="green")
        for warning in one.warnings:
            table.add_row("warning", one.about, escape(warning), escape(one.remedies.get(warning, "")), style="yellow")
        if one.error is not None:
            table.add_row("no", one.about, escape(one.error.message), escape(one.error.remedy), style="red")
    console.print(table)
