"""The embedded stack as a child process: it ends when we end, however that happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from eng5_runner.core.spec import Target
from eng5_runner.errors import DiskError, RunnerError, ServiceUnavailable
from eng5_runner.judges.manifest import with_concurrency
from eng5_runner.systems import open_private
from eng5_runner.transport.stack_secret import VARIABLE, StackSecret

START_SECONDS = 120.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running stack.

    Attributes:
        death: done when it has ended by itself, with its own reason where it gave one.
    """

    target: Target
    token: str
    secret: StackSecret
    death: asyncio.Task[RunnerError]


async def _died(process: asyncio.subprocess.Process, log: Path) -> RunnerError:
    """Wait until it ends by itself, and say so."""
    if process.stdout is None:
        raise AssertionError("the child was started with a pipe")
    # Its error is on standard output, also where a full disk takes no log.
    output = await process.stdout.read()
    code = await process.wait()
    said = _error_in(output)
    if code == DiskError.exit_code and said is not None:
        return DiskError(f"The embedded stack ended: {said['message']}", remedy=said["remedy"])
    by_a_signal = f"a signal ended it ({signal.Signals(-code).name})" if code < 0 else None
    reason = by_a_signal or (_last_line(log) if said is None else said["message"])
    return ServiceUnavailable(
        f"The embedded stack ended by itself (exit {code}): {reason}",
        remedy=f"See {log}; `resume` starts a new one and goes on.",
    )


@asynccontextmanager
async def embedded_stack(
    data_folder: Path, *, client_id: str, replays: bool = True, judge_concurrency: int | None = None
) -> AsyncIterator[Child]:
    """A stack of our own, with its records in the folder.

    Args:
        data_folder: of its records.
        client_id: of its Kafka clients.
        replays: whether its judges may use earlier judgements.
        judge_concurrency: calls to a provider at the same time; None for the provider's limits.

    Raises:
        ServiceUnavailable: it did not come up.
        DiskError: it cannot write its records.
    """
    log = data_folder / "stack.log.jsonl"
    secret = StackSecret.new()
    # Without -P a file such as `random.py` in the present folder would be loaded in the place of Python's own.
    command = (sys.executable, "-P", "-m", "eng5_runner", "stack", "up", "--data-dir", str(data_folder))
    with _appending(log) as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--json",
            "--until-stdin-closes",
            *(() if replays else ("--no-cache",)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            env={**with_concurrency(os.environ, judge_concurrency), VARIABLE: secret.value},
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
        death = asyncio.create_task(_died(process, log))
        try:
            yield Child(target=target, token=addresses["HULEEDU_ADMIN_TOKEN"], secret=secret, death=death)
        finally:
            death.cancel()
    finally:
        await _end(process)


def _appending(log: Path) -> BinaryIO:
    """The stack's log, in its folder.

    Raises:
        DiskError: it cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.fdopen(open_private(log, os.O_WRONLY | os.O_APPEND), "ab")
    except OSError as error:
        raise DiskError(
            f"{log} cannot be written: {error.strerror}.", remedy="Free disk space or check the permissions."
        ) from None


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
    if (said := _error_in(line)) is not None:
        kind = DiskError if said["exit"] == str(DiskError.exit_code) else ServiceUnavailable
        raise kind(f"The embedded stack did not come up: {said['message']}", remedy=said["remedy"])
    return {str(key): str(value) for key, value in found.items()}


def _error_in(output: bytes) -> dict[str, str] | None:
    """The error of the stack, which it writes as a JSON line at its end; None if it wrote none."""
    for line in reversed(output.splitlines()):
        with suppress(ValueError):
            found = json.loads(line)
            if found.get("event") == "Error":
                return {key: str(value) for key, value in found.items()}
    return None


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
