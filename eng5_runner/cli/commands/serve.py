"""stack serve: one service of the stack in the foreground, as the environment says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError
from rich.markup import escape

from eng5_runner.app.environment import cache_folder, kafka_password
from eng5_runner.app.logs import logging_to
from eng5_runner.app.loop import run_loop
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.spec import KafkaAccess
from eng5_runner.effects.kafka.callbacks import connected
from eng5_runner.effects.kafka.settings import KafkaSettings
from eng5_runner.errors import ConfigurationError
from eng5_runner.stack.platform.database import SERVICES, database_url
from eng5_runner.stack.platform.kafka import Cluster
from eng5_runner.stack.serve import Serving, Site, serve_content, serve_identity, serve_llm

ServiceName: TypeAlias = Literal["content", "cj", "llm", "identity"]
_SHORTEST_SECRET = 32
_LAST_PORT = 65_535


def stack_serve(name: ServiceName, data_dir: Path, *, no_cache: bool, json_lines: bool, verbose: bool) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    database = database_url(SERVICES[name], os.environ)
    with logging_to(sys.stderr, identity={"service": SERVICES[name].prefix.lower()}, verbose=verbose):
        stop = asyncio.Event()
        site = Site(
            database=database,
            folder=data_dir / name,
            host=os.environ.get("HOST") or "127.0.0.1",
            port=_port(SERVICES[name].http_port),
            ready=lambda serving: _tell(name, serving, json_lines=json_lines),
            stop=stop,
        )
        run_loop(_serve(name, site, no_cache=no_cache))
    return 0


async def _serve(name: ServiceName, site: Site, *, no_cache: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, site.stop.set)
    match name:
        case "content":
            await serve_content(site)
        case "identity":
            await serve_identity(site, secret=_secret())
        case "llm":
            folder = None if no_cache else cache_folder()
            await serve_llm(site, cluster=await _cluster(name), cassette_folder=folder)
        case "cj":
            from eng5_runner.stack.cj.serve import serve_cj  # seconds of statistics, for this service alone

            await serve_cj(
                site,
                content_url=_needed("CONTENT_SERVICE_URL").rstrip("/"),
                llm_urls=tuple(url.strip().rstrip("/") for url in _needed("LLM_PROVIDER_SERVICE_URL").split(",")),
                secret=_secret(),
                cluster=await _cluster(name),
            )


async def _cluster(name: ServiceName) -> Cluster:
    """The Kafka of the environment, seen to be there with all topics."""
    settings = KafkaSettings(
        bootstrap=_needed("KAFKA_BOOTSTRAP_SERVERS"),
        client_id=os.environ.get("KAFKA_CLIENT_ID") or f"eng5-{name}",
        access=_access(os.environ),
        password=kafka_password(),
        topic_prefix=os.environ.get("KAFKA_TOPIC_PREFIX", ""),
    )
    async with connected(settings) as broker:
        await broker.topology([str(topic) for topic in Topic])
    return Cluster(bootstrap=settings.bootstrap, access=settings.arguments(), topic_prefix=settings.topic_prefix)


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
            f"{wrong} has no value that Kafka knows.", remedy="See `eng5-runner --help`, Kafka's security."
        ) from None


def _needed(variable: str) -> str:
    if value := os.environ.get(variable):
        return value
    raise ConfigurationError(f"{variable} is not set.", remedy="This service cannot run without it.")


def _secret() -> str:
    """What tokens are signed with; services that share it take each other's."""
    secret = _needed("JWT_SECRET_KEY")
    if len(secret.encode()) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"JWT_SECRET_KEY is shorter than {_SHORTEST_SECRET} characters.", remedy="Set a longer one."
        )
    return secret


def _port(usual: int) -> int:
    told = os.environ.get("PORT") or str(usual)
    if not (told.isascii() and told.isdigit() and int(told) <= _LAST_PORT):
        raise ConfigurationError("PORT is no port.", remedy="Set it to a number, 0 for a free port.")
    return int(told)


def _tell(name: ServiceName, serving: Serving, *, json_lines: bool) -> None:
    first = serving.first_admin
    if json_lines:
        told = {"service": name, "url": serving.url}
        write_json(told | ({"first_admin": {"email": first.email, "password": first.password}} if first else {}))
        return
    if first is not None:
        people().print(f"an administrator was created: {first.email}, password {escape(first.password)}")
        people().print("the password is shown this once; `eng5-runner admin login` asks for it")
    people().print(f"{name} serves at {serving.url}; Ctrl-C ends it")
