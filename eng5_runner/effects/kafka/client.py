"""Starting and ending Kafka clients so that a failure has a cause, takes bounded time and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)

from eng5_runner.effects.kafka.settings import KafkaSettings
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable

PROBE_SECONDS = 3.0
START_SECONDS = 15.0
STOP_SECONDS = 5.0
_ROUNDS, _ROUND_SECONDS = 10, 0.5
_LAST_PORT = 65_535

# What a broker says to a client without a certificate, by TLS 1.3 and 1.2.
_CERTIFICATE_WANTED = frozenset(("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE"))

DENIED = (
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)


class KafkaClient(Protocol):
    """What aiokafka's clients have in common."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Let go of everything."""


class Admin(AIOKafkaAdminClient):  # type: ignore[misc] # - aiokafka ships no annotations
    """The admin client with the name that the other clients have for their end."""

    async def stop(self) -> None:
        """Let go of everything."""
        await self.close()


ClientT = TypeVar("ClientT", bound=KafkaClient)


class _LastWords(logging.Handler):
    """aiokafka tells causes to its logger only, not in its exceptions: keep the last one.

    Attributes:
        text: the last message.
        error: what it told of, if that was an error of Kafka's.
    """

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.text = ""
        self.error: KafkaError | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())[:200]
        # A timeout has no words of its own, so aiokafka's message then ends where the cause should stand.
        self.text = f"{text} no answer in time" if text.endswith(":") else text
        told = record.args if isinstance(record.args, tuple) else ()
        self.error = next((one for one in told if isinstance(one, KafkaError)), None)


def _is_address(address: str) -> bool:
    """Whether it is of the form host:port."""
    host, _, port = address.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and int(port) <= _LAST_PORT


async def _probe(address: str) -> str | None:
    """Why a TCP connection to `host:port` cannot be made, or None if it can."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return f"{address}: no answer within {PROBE_SECONDS:.0f} s"
    except UnicodeError:  # of the codec for internationalised names
        return f"{address}: not a host name"
    except OSError as error:
        # asyncio puts its own words in the place of the system's; only the system's errors have positive numbers.
        number = error.errno or 0
        return f"{address}: {os.strerror(number) if number > 0 else error.strerror or error}"
    writer.close()
    return None


async def require_reachable(settings: KafkaSettings) -> None:
    """Fail early and with the plain cause if no bootstrap address takes a connection.

    Raises:
        ConfigurationError: one is no address; aiokafka would stumble over it, whatever the others are.
        ServiceUnavailable: none does.
    """
    malformed = [address for address in settings.addresses if not _is_address(address)]
    if malformed or not settings.addresses:
        raise ConfigurationError(
            f"Kafka's address {', '.join(malformed) or '(none)'} is not of the form host:port.",
            remedy="Check --kafka-bootstrap (KAFKA_BOOTSTRAP_SERVERS).",
        )
    causes = await asyncio.gather(*map(_probe, settings.addresses))
    if all(causes):
        raise ServiceUnavailable(
            f"Kafka cannot be reached: {'; '.join(filter(None, causes))}.",
            remedy="Check --kafka-bootstrap (KAFKA_BOOTSTRAP_SERVERS) and that the cluster is up.",
        )


async def require_no_certificate(settings: KafkaSettings) -> None:
    """After a failure: was it that we showed no certificate? aiokafka only tells of a connection that was closed.

    Raises:
        NotAllowed: it was.
    """
    context = settings.arguments().get("ssl_context")
    if not isinstance(context, ssl.SSLContext) or settings.access.client_cert is not None:
        return
    for address in settings.addresses:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
                try:
                    await reader.read(1)  # a broker does not speak first, unless to complain
                finally:
                    writer.close()
        except ssl.SSLError as error:
            if error.reason in _CERTIFICATE_WANTED:
                raise NotAllowed(
                    f"Kafka at {address} wants to see a client's certificate, and none is given.",
                    remedy="Name one with --kafka-client-cert and its key with --kafka-client-key.",
                ) from None
        except OSError:  # whatever it is, it is told already; a timeout is one too
            continue


async def stop_client(client: KafkaClient) -> None:
    """Stop a client within its time; a spurious cancellation from inside aiokafka (its issue 647) is not ours."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await client.stop()
    except (TimeoutError, KafkaError):
        return
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
    finally:
        await abandon(client)


async def abandon(client: KafkaClient) -> None:
    """End a client's tasks and connections without waiting for anything that it still wants to send.

    Its own `stop` waits for a record until the cluster takes it, and when it is interrupted it leaves the rest of its
    work undone. There is no public way to do that rest; aiokafka is pinned to the version whose parts are named here.
    """
    for _ in range(_ROUNDS):  # a task of aiokafka may swallow a cancellation while it waits for another task
        tasks = _tasks_of(client)
        for task in tasks:
            task.cancel()
        inner = getattr(client, "_client", None) or getattr(client, "client", None)
        if inner is not None:
            await inner.close()
        if not tasks:
            break
        await asyncio.wait(tasks, timeout=_ROUND_SECONDS)
    accumulator = getattr(client, "_message_accumulator", None)
    if accumulator is not None:
        for unsent in (accumulator._batches, accumulator._pending_batches):  # noqa: SLF001 - `stop` would wait for them
            unsent.clear()


def _tasks_of(client: KafkaClient) -> list[asyncio.Task[object]]:
    """The tasks of a consumer or producer that have not ended."""
    fetcher = getattr(client, "_fetcher", None)
    found = (
        getattr(getattr(client, "_sender", None), "sender_task", None),
        getattr(getattr(client, "_coordinator", None), "_reset_committed_task", None),
        getattr(fetcher, "_fetch_task", None),
        *getattr(fetcher, "_pending_tasks", ()),
    )
    return [task for task in found if task is not None and not task.done()]


def explain(error: KafkaError, *, doing: str, cause: str = "") -> RunnerError:
    """A client's error as one of ours."""
    told = cause or " ".join(str(error).split())
    if isinstance(error, UnsupportedCodecError):
        return ConfigurationError(
            f"Kafka's records are compressed in a way that this installation cannot read: {told}.",
            remedy="Install the extra: pip install 'eng5-runner[compression]', then resume.",
        )
    if isinstance(error, DENIED):
        return NotAllowed(
            f"Kafka refused while {doing}: {told}.", remedy="Check the Kafka user, its password and its rights."
        )
    return ServiceUnavailable(
        f"Kafka failed while {doing}: {told}.",
        remedy="Check that the cluster is up and is a Kafka cluster, then resume.",
    )


@asynccontextmanager
async def started(client: ClientT, *, doing: str) -> AsyncIterator[ClientT]:
    """The client between its start and its stop, both bounded in time.

    Raises:
        ServiceUnavailable: it could not be started.
        NotAllowed: the cluster does not let us in.
    """
    words = _LastWords()
    logger = logging.getLogger("aiokafka")
    logger.addHandler(words)
    try:
        try:
            async with asyncio.timeout(START_SECONDS):
                await client.start()
        except TimeoutError:
            raise ServiceUnavailable(
                f"Kafka took the connection but did not answer within {START_SECONDS:.0f} s while {doing}.",
                remedy="Check that the address is that of a Kafka broker and which security protocol it wants.",
            ) from None
        except KafkaConnectionError as error:
            raise explain(words.error or error, doing=doing, cause=words.text) from None
        except KafkaError as error:
            raise explain(error, doing=doing) from None
        finally:
            logger.removeHandler(words)
        yield client
    finally:
        await stop_client(client)
