"""The embedded stack as a child process: it ends when we end, however that happens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from eng5_runner.core.spec import Target
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.transport.stack_secret import VARIABLE, StackSecret

START_SECONDS = 120.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running stack."""

    target: Target
    token: str
    secret: StackSecret
    process: asyncio.subprocess.Process
    log: Path

    async def died(self) -> ServiceUnavailable:
        """Wait until it ends by itself, and say so."""
        code = await self.process.wait()
        return ServiceUnavailable(
            f"The embedded stack ended by itself (exit {code}): {_last_line(self.log)}",
            remedy=f"See {self.log}; `resume` starts a new one and goes on.",
        )


@asynccontextmanager
async def embedded_stack(data_folder: Path, *, client_id: str, replays: bool = True) -> AsyncIterator[Child]:
    """A stack of our own, with its records in the folder; `replays` lets its judges use earlier judgements.

    Raises:
        ServiceUnavailable: it did not come up.
    """
    log = _prepared(data_folder)
    secret = StackSecret.new()
    command = (sys.executable, "-m", "eng5_runner", "stack", "up", "--data-dir", str(data_folder))
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--json",
            "--until-stdin-closes",
            *(() if replays else ("--no-cache",)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            env=os.environ | {VARIABLE: secret.value},
            # A Ctrl-C in the terminal is for us; the stack ends when its standard input closes.
            start_new_session=True,
        )
    try:
        addresses = await _addresses(process, log)
        target = Target(
            stack="embedded",
            kafka_bootstrap=addresses["KAFKA_BOOTSTRAP_SERVERS"],
            kafka_client_id=client_id,
            content_service_url=addresses["CONTENT_SERVICE_URL"],
            cj_service_url=addresses["CJ_SERVICE_URL"],
            llm_provider_service_url=addresses["LLM_PROVIDER_SERVICE_URL"],
        )
        yield Child(target=target, token=addresses["HULEEDU_ADMIN_TOKEN"], secret=secret, process=process, log=log)
    finally:
        await _end(process)


def _prepared(data_folder: Path) -> Path:
    """Make the folder; returns where the stack's log goes."""
    data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return data_folder / "stack.log.jsonl"


async def _addresses(process: asyncio.subprocess.Process, log: Path) -> dict[str, str]:
    if process.stdout is None:
        raise AssertionError("the child was started with a pipe")
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        found = json.loads(line)
    except (TimeoutError, ValueError):
        raise ServiceUnavailable(
            f"The embedded stack did not come up: {_last_line(log)}", remedy=f"See {log}."
        ) from None
    if "KAFKA_BOOTSTRAP_SERVERS" not in found:  # an error of the stack, as a JSON line
        raise ServiceUnavailable(
            f"The embedded stack did not come up: {found.get('message', _last_line(log))}",
            remedy=str(found.get("remedy", f"See {log}.")),
        )
    return {str(key): str(value) for key, value in found.items()}


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1][:300] if lines else "it said nothing"
