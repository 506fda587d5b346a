"""stack up: the embedded services in the foreground."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from rich.markup import escape

from eng5_runner.app.environment import cache_folder
from eng5_runner.app.logs import logging_to
from eng5_runner.app.loop import run_loop
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.errors import DiskError
from eng5_runner.stack.launch import StackAddresses, serve


def stack_up(
    data_dir: Path,
    *,
    kafka_bootstrap: str | None,
    no_cache: bool,
    json_lines: bool,
    until_stdin_closes: bool,
    verbose: bool,
) -> int:
    """Serve until interrupted, or until standard input closes; on a broker of our own if no Kafka is named."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DiskError(
            f"{data_dir} cannot be created: {error.strerror}.", remedy="Choose another --data-dir."
        ) from None
    with logging_to(sys.stderr, identity={"service": "embedded-stack"}, verbose=verbose):
        serving = _serve(
            data_dir,
            kafka_bootstrap=kafka_bootstrap,
            cassette_folder=None if no_cache else cache_folder(),
            json_lines=json_lines,
            until_stdin_closes=until_stdin_closes,
        )
        run_loop(serving)
    return 0


async def _serve(
    data_dir: Path,
    *,
    kafka_bootstrap: str | None,
    cassette_folder: Path | None,
    json_lines: bool,
    until_stdin_closes: bool,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    watching = asyncio.create_task(_watch_stdin(stop)) if until_stdin_closes else None
    await serve(
        data_dir,
        ready=lambda addresses: _tell(addresses, json_lines=json_lines),
        stop=stop,
        kafka_bootstrap=kafka_bootstrap,
        cassette_folder=cassette_folder,
    )
    if watching is not None:
        watching.cancel()


async def _watch_stdin(stop: asyncio.Event) -> None:
    """A pipe from our parent closes when the parent ends, however it ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(1024):
            pass
    finally:
        stop.set()
        transport.close()


def _tell(addresses: StackAddresses, *, json_lines: bool) -> None:
    environment, first = addresses.environment(), addresses.first_admin
    if json_lines:
        write_json(environment | ({"first_admin": {"email": first.email, "password": first.password}} if first else {}))
        return
    if first is not None:
        people().print(f"an administrator was created: {first.email}, password {escape(first.password)}")
        people().print("the password is shown this once; `eng5-runner admin login` asks for it")
    people().print("the embedded stack is up; Ctrl-C ends it. For the runner in another terminal:")
    for name, value in environment.items():
        sys.stdout.write(f"export {name}={value}\n")
    sys.stdout.flush()
