"""One embedded service in the foreground, as the environment configures it, until SIGINT or SIGTERM.

The CJ service is in `app.stack`: loading its statistics takes a second, which the other services do not need.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError

from eng5_runner.app.environment import cache_folder, kafka_password
from eng5_runner.app.loop import run_loop
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.spec import KafkaAccess
from eng5_runner.effects.kafka.broker import connected
from eng5_runner.errors import ConfigurationError
from eng5_runner.stack.identity.accounts import FirstAdmin
from eng5_runner.stack.platform.database import SERVICES, database_url
from eng5_runner.stack.platform.kafka import Cluster
from eng5_runner.stack.serve import Serving, Site, serve_content, serve_identity, serve_llm
from eng5_runner.systems import on_signal, signals
from eng5_runner.transport.kafka_settings import KafkaSettings
from eng5_runner.transport.stack_secret import StackSecret

__all__ = ["FirstAdmin", "ServiceName", "Serving"]

ServiceName: TypeAlias = Literal["content", "cj", "llm", "identity"]
_SHORTEST_SECRET = 32
_LAST_PORT = 65_535


def log_name(name: ServiceName) -> str:
    """The service's name in its log lines."""
    return SERVICES[name].prefix.lower()


def run_content_service(data_dir: Path, *, on_ready: Callable[[Serving], None]) -> None:
    """Run the Content Service.

    Args:
        data_dir: for its SQLite file, if the environment names no database.
        on_ready: called once, when it answers.

    Raises:
        RunnerError: it cannot run; the message names the variable, the database or the port.
    """
    run_service(serve_content, site_of("content", data_dir, on_ready=on_ready))


def run_identity_service(data_dir: Path, *, on_ready: Callable[[Serving], None]) -> None:
    """Run the Identity Service; for the arguments and errors see `run_content_service`."""
    secret = token_secret()

    async def serve(site: Site) -> None:
        await serve_identity(site, secret=secret)

    run_service(serve, site_of("identity", data_dir, on_ready=on_ready))


def run_llm_service(data_dir: Path, *, no_cache: bool, on_ready: Callable[[Serving], None]) -> None:
    """Run the LLM Provider Service; for the errors see `run_content_service`.

    Args:
        data_dir: for its SQLite file, if the environment names no database.
        no_cache: whether the judgement cache is neither read nor written.
        on_ready: called once, when it answers.
    """

    async def serve(site: Site) -> None:
        folder = None if no_cache else cache_folder()
        await serve_llm(site, cluster=await cluster_of("llm"), cache_folder=folder)

    run_service(serve, site_of("llm", data_dir, on_ready=on_ready))


def run_service(serve: Callable[[Site], Awaitable[None]], site: Site) -> None:
    """Serve until a signal stops it."""

    async def until_signal() -> None:
        stop_at_signals(site.stop)
        await serve(site)

    run_loop(until_signal())


def stop_at_signals(stop: asyncio.Event) -> None:
    """Set the event at SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in signals("SIGINT", "SIGTERM"):
        on_signal(number, stop.set, loop=loop)


def site_of(name: ServiceName, data_dir: Path, *, on_ready: Callable[[Serving], None]) -> Site:
    """Where the environment puts a service.

    Raises:
        ConfigurationError: a variable has no valid value.
    """
    return Site(
        database=database_url(SERVICES[name], os.environ),
        folder=data_dir / name,
        host=os.environ.get("HOST") or "127.0.0.1",
        port=_port(SERVICES[name].http_port),
        ready=on_ready,
        stop=asyncio.Event(),
        secret=StackSecret.of(os.environ),
    )


async def cluster_of(name: ServiceName) -> Cluster:
    """The Kafka of the environment, after a check that it has all topics.

    Raises:
        ConfigurationError: a variable has no valid value, or a topic is missing.
        ServiceUnavailable: the cluster does not answer.
        NotAllowed: the cluster refuses the login.
    """
    settings = KafkaSettings(
        bootstrap=needed("KAFKA_BOOTSTRAP_SERVERS"),
        client_id=os.environ.get("KAFKA_CLIENT_ID") or f"eng5-{name}",
        **_access(os.environ).model_dump(),
        password=kafka_password(),
        topic_prefix=os.environ.get("KAFKA_TOPIC_PREFIX", ""),
        secret=StackSecret.of(os.environ),
    )
    async with connected(settings) as broker:
        await broker.topology([str(topic) for topic in Topic])
    return Cluster(
        bootstrap=settings.bootstrap,
        access=settings.arguments(),
        topic_prefix=settings.topic_prefix,
        secret=settings.secret,
    )


def _access(environment: Mapping[str, str]) -> KafkaAccess:
    variables = {
        "protocol": "KAFKA_SECURITY_PROTOCOL",
        "mechanism": "KAFKA_SASL_MECHANISM",
        "user": "KAFKA_SASL_USERNAME",
        "ca": "KAFKA_CA",
        "client_cert": "KAFKA_CLIENT_CERT",
        "client_key": "KAFKA_CLIENT_KEY",
    }
    given = {field: environment[variable] for field, variable in variables.items() if environment.get(variable)}
    try:
        return KafkaAccess.model_validate(given)
    except ValidationError as error:
        wrong = variables[str(error.errors()[0]["loc"][0])]
        raise ConfigurationError(
            f"{wrong} has a value that Kafka does not know.", remedy="See `eng5-runner --help`, Kafka's security."
        ) from None


def needed(variable: str) -> str:
    """The value of an environment variable.

    Raises:
        ConfigurationError: it is not set.
    """
    if value := os.environ.get(variable):
        return value
    raise ConfigurationError(f"{variable} is not set.", remedy="This service cannot run without it.")


def token_secret() -> str:
    """The secret that tokens are signed with; services with the same secret accept each other's tokens.

    Raises:
        ConfigurationError: it is not set, or too short.
    """
    secret = needed("JWT_SECRET_KEY")
    if len(secret.encode()) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"JWT_SECRET_KEY is shorter than {_SHORTEST_SECRET} characters.", remedy="Set a longer one."
        )
    return secret


def _port(default: int) -> int:
    text = os.environ.get("PORT") or str(default)
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise ConfigurationError("PORT is not a port number.", remedy="Set it to a number, 0 for a free port.")
    return int(text)
