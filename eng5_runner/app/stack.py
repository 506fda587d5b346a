"""The whole embedded stack in the foreground, and the CJ service alone, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from eng5_runner.app.environment import cache_folder
from eng5_runner.app.loop import run_loop
from eng5_runner.app.services import cluster_of, needed, run_service, site_of, stop_at_signals, token_secret
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import ConfigurationError, DiskError
from eng5_runner.stack.cj.serve import serve_cj
from eng5_runner.stack.launch import Secrets, StackAddresses, serve
from eng5_runner.stack.serve import Serving, Site
from eng5_runner.transport.stack_secret import VARIABLE, StackSecret

__all__ = ["StackAddresses"]

_KEPT_IN = "stack.secret"
_SWITCH_SECONDS = 0.0005


def run_cj_service(data_dir: Path, *, on_ready: Callable[[Serving], None]) -> None:
    """Run the CJ service alone; for the arguments and errors see `services.run_content_service`."""
    content_url, llm_urls, secret = needed("CONTENT_SERVICE_URL"), needed("LLM_PROVIDER_SERVICE_URL"), token_secret()

    async def serve_there(site: Site) -> None:
        await serve_cj(
            site,
            content_url=content_url.rstrip("/"),
            llm_urls=tuple(url.strip().rstrip("/") for url in llm_urls.split(",")),
            secret=secret,
            cluster=await cluster_of("cj"),
        )

    run_service(serve_there, site_of("cj", data_dir, on_ready=on_ready))


def run_stack(
    data_dir: Path,
    *,
    on_ready: Callable[[StackAddresses], None],
    kafka_bootstrap: str | None = None,
    no_cache: bool = False,
    is_open: bool = False,
    until_stdin_closes: bool = False,
) -> None:
    """Run all services.

    Args:
        data_dir: the services' records; made if it is missing.
        on_ready: called once, when all services answer.
        kafka_bootstrap: a Kafka with the contract's topics; None for an embedded broker.
        no_cache: whether the judgement cache is neither read nor written.
        is_open: whether every local client is let in, also one that does not know the stack's secret.
        until_stdin_closes: also stop when standard input closes, as it does when the parent process ends.

    Raises:
        ConfigurationError: JWT_SECRET_KEY is set and too short, or there is no usable secret for the stack's clients.
        RunnerError: the stack did not start, or one of its parts ended; see `stack.launch.serve`.
        DiskError: the data directory cannot be created.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DiskError(
            f"{data_dir} cannot be created: {error.strerror}.", remedy="Choose another --data-dir."
        ) from None

    # Without the variable each stack has a secret of its own, as it needs no token of another service.
    signing = token_secret() if os.environ.get("JWT_SECRET_KEY") else None
    clients = None if is_open else StackSecret.of(os.environ) or _kept_secret(data_dir)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        stop_at_signals(stop)
        watching = asyncio.create_task(_watch_stdin(stop)) if until_stdin_closes else None
        await serve(
            data_dir,
            ready=on_ready,
            stop=stop,
            kafka_bootstrap=kafka_bootstrap,
            cache_folder=None if no_cache else cache_folder(),
            secrets=Secrets(tokens=signing, clients=clients),
        )
        if watching is not None:
            watching.cancel()

    # The database's thread gives up Python's lock for each row; while others work it gets it back after this time.
    sys.setswitchinterval(_SWITCH_SECONDS)
    run_loop(until_stopped())


def _kept_secret(data_dir: Path) -> StackSecret:
    """The secret of this data directory, which stays the same, so that clients go on after a restart.

    Raises:
        DiskError: it cannot be kept.
        ConfigurationError: the file does not hold a secret.
    """
    path = data_dir / _KEPT_IN
    try:
        if not path.exists():
            write_atomically(path, StackSecret.new().value.encode())
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise DiskError(f"{path} cannot be used: {error.strerror}.", remedy="Choose another --data-dir.") from None
    secret = StackSecret.of({VARIABLE: text})
    if secret is None:
        raise ConfigurationError(f"{path} is empty.", remedy="Delete it; the stack makes a new secret.")
    return secret


async def _watch_stdin(stop: asyncio.Event) -> None:
    """A pipe from the parent process closes when the parent ends, in whatever way it ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(1024):
            pass
    finally:
        stop.set()
        transport.close()
