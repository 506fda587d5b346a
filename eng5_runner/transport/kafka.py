"""Starting and stopping Kafka clients: bounded in time, with the cause of a failure, and with nothing left running.

The runner and the embedded services share it. `started` is the one way to open a client:

    async with started(AIOKafkaConsumer(**settings.arguments()), doing="connecting") as consumer: ...

Measured traps (aiokafka 0.14): `start()` waits 40 s for each address unless it is bounded; causes go to the log and not
into the exception; `stop()` of a consumer without a group can raise a CancelledError that nobody asked for; `stop()` of
a producer waits for ever for a record that no broker takes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import ssl
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import requires
from typing import Protocol, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
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

from eng5_runner.errors import PROGRAM, ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable
from eng5_runner.transport.kafka_settings import KafkaSettings

PROBE_SECONDS = 3.0
START_SECONDS = 15.0
STOP_SECONDS = 5.0
_ROUNDS, _ROUND_SECONDS = 10, 0.5
_LAST_PORT = 65_535

# The alerts of TLS 1.3 and 1.2 to a client without a certificate.
_CERTIFICATE_WANTED = frozenset(("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE"))

DENIED = (
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
)


class KafkaClient(Protocol):
    """The methods that all aiokafka clients have."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Close all connections."""


class Admin(AIOKafkaAdminClient):  # type: ignore[misc] # - aiokafka ships no annotations
    """The admin client with the other clients' name for closing it."""

    async def stop(self) -> None:
        """Close all connections."""
        await self.close()


ClientT = TypeVar("ClientT", bound=KafkaClient)


class _LastMessage(logging.Handler):
    """The last log message of aiokafka, which logs the cause of a failure and leaves it out of the exception.

    Attributes:
        text: the message.
        error: the Kafka error in it, if there is one.
    """

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.text = ""
        self.error: KafkaError | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())[:200]
        # A timeout has no text, so aiokafka's message then ends where the cause should be.
        self.text = f"{text} no answer in time" if text.endswith(":") else text
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.error = next((argument for argument in arguments if isinstance(argument, KafkaError)), None)


def _is_address(address: str) -> bool:
    """Whether it is of the form host:port."""
    host, _, port = address.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and int(port) <= _LAST_PORT


async def _probe(address: str) -> str | None:
    """Why a TCP connection to `host:port` fails; None if it succeeds."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return f"{address}: no answer within {PROBE_SECONDS:.0f} s"
    except UnicodeError:  # of the codec for internationalised names
        return f"{address}: not a host name"
    except OSError as error:
        # asyncio replaces the system's message by its own; only the system's errors have positive numbers.
        number = error.errno or 0
        return f"{address}: {os.strerror(number) if number > 0 else error.strerror or error}"
    writer.close()
    return None


async def require_reachable(settings: KafkaSettings) -> None:
    """Fail early, with a clear cause, if no bootstrap address accepts a connection.

    Raises:
        ConfigurationError: an address is malformed; aiokafka would fail on it even if the others are good.
        ServiceUnavailable: no address accepts a connection.
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
    """After a failure, find out whether the cluster wants a client certificate; aiokafka reports a closed connection.

    Raises:
        NotAllowed: it wants one, and none is given.
    """
    context = settings.arguments().get("ssl_context")
    if not isinstance(context, ssl.SSLContext) or settings.client_cert is not None:
        return
    for address in settings.addresses:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
                try:
                    await reader.read(1)  # a broker sends nothing first, except an alert
                finally:
                    writer.close()
        except ssl.SSLError as error:
            if error.reason in _CERTIFICATE_WANTED:
                raise NotAllowed(
                    f"Kafka at {address} requires a client certificate, and none is given.",
                    remedy="Name one with --kafka-client-cert and its key with --kafka-client-key.",
                ) from None
        except OSError:  # reported already; a timeout is an OSError too
            continue


async def stop_client(client: KafkaClient) -> None:
    """Stop a client within 5 s. A CancelledError from inside aiokafka (its issue 647) is swallowed, our own is not."""
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
    """End a client's tasks and connections without waiting for records that are not sent yet.

    The client's own `stop` waits until the cluster takes those records, and an interrupted `stop` leaves tasks running.
    There is no public way to end them; aiokafka is pinned to the version whose private parts are used here.
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
    tasks = (
        getattr(getattr(client, "_sender", None), "sender_task", None),
        getattr(getattr(client, "_coordinator", None), "_reset_committed_task", None),
        getattr(fetcher, "_fetch_task", None),
        *getattr(fetcher, "_pending_tasks", ()),
    )
    return [task for task in tasks if task is not None and not task.done()]


def explain(error: KafkaError | TimeoutError, *, doing: str, cause: str = "") -> RunnerError:
    """A client's error as one of ours."""
    reason = cause or " ".join(str(error).split()) or "no answer in time"
    if isinstance(error, UnsupportedCodecError):
        return ConfigurationError(
            f"This installation cannot read the compression of Kafka's records: {reason}.",
            remedy=f"Install what reads it: {_install_command('compression')}",
        )
    if isinstance(error, DENIED):
        return NotAllowed(
            f"Kafka refused while {doing}: {reason}.", remedy="Check the Kafka user, its password and its rights."
        )
    return ServiceUnavailable(
        f"Kafka failed while {doing}: {reason}.",
        remedy="Check that the cluster is up and is a Kafka cluster.",
    )


@asynccontextmanager
async def started(client: ClientT, *, doing: str, seconds: float = START_SECONDS) -> AsyncIterator[ClientT]:
    """Start the client, and stop it at the end; both are bounded in time.

    Args:
        client: not started yet.
        doing: what it is for, in the words of an error message: `while {doing}`.
        seconds: time limit of the start.

    Raises:
        ServiceUnavailable: it could not be started.
        NotAllowed: the cluster refuses the login.
    """
    last = _LastMessage()
    logger = logging.getLogger("aiokafka")
    logger.addHandler(last)
    try:
        try:
            async with asyncio.timeout(seconds):
                await client.start()
        except TimeoutError:
            raise ServiceUnavailable(
                f"Kafka took the connection but did not answer within {seconds:.0f} s while {doing}.",
                remedy="Check that the address is that of a Kafka broker and which security protocol it wants.",
            ) from None
        except KafkaConnectionError as error:
            raise explain(last.error or error, doing=doing, cause=last.text) from None
        except KafkaError as error:
            raise explain(error, doing=doing) from None
        finally:
            logger.removeHandler(last)
        yield client
    finally:
        await stop_client(client)


def _install_command(extra: str) -> str:
    """The command that installs what one of our extras needs, into the Python that runs this.

    It names the libraries and not the extra: our own package may come from a checkout and be in no index.

    >>> _install_command("compression").partition(" ")[2]
    "-m pip install 'cramjam>=2.8'"
    """
    of_extra = re.compile(rf"(?P<library>[^;]+);.*\bextra == ['\"]{re.escape(extra)}['\"]")
    matches = filter(None, map(of_extra.match, requires(PROGRAM) or ()))
    return shlex.join((sys.executable, "-m", "pip", "install", *(match["library"].strip() for match in matches)))


Batches: TypeAlias = "dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]"

_QUIET_POLLS = 4
# The first rest is the shortest. Later a message waits for at most a tenth of the silence before it.
_SHORTEST_REST_SECONDS, _LONGEST_REST_SECONDS, _REST_SHARE = 0.4, 2.0, 0.1
_SHORT_POLL_MILLISECONDS = 30


class _Fetched(OrderedDict[TopicPartition, object]):
    """What a consumer has fetched and not given out, by partition."""

    def __setitem__(self, partition: TopicPartition, fetched: object) -> None:
        records = getattr(fetched, "_partition_records", None)
        if records is not None:  # else an error
            no_record: dict[TopicPartition, None] = {}
            # Called with the partition and the record as it was read; gives the record, and takes no call of Python.
            records._consumer_record = no_record.get  # noqa: SLF001 - see `give_bare_records`
        super().__setitem__(partition, fetched)


def give_bare_records(consumer: AIOKafkaConsumer) -> None:
    """Let `getmany` give the records as they were read: with `offset`, `key`, `value`, `headers`, without a partition.

    A ConsumerRecord takes a quarter of the time of reading, and most records are of other batches and passed over.
    There is no public way; a client without the private part that is used here goes on as before.
    """
    fetcher = getattr(consumer, "_fetcher", None)
    if fetcher is not None:
        fetcher._records = _Fetched()  # noqa: SLF001 - see above


class RestingPoll:
    """Polls a consumer, which rests between the polls once nothing has come for a second.

    A client asks the embedded broker forty times a second, as that one answers an empty fetch only when its time is up.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._empty = 0
        self._silent_since = 0.0

    async def records(self, *, timeout_ms: int, max_records: int) -> Batches:
        """The next records by partition, perhaps none; waits half a second, after a long silence two seconds at most.

        Raises:
            KafkaError: they cannot be read.
        """
        if self._empty >= _QUIET_POLLS:
            await self._rest()
            timeout_ms = _SHORT_POLL_MILLISECONDS
        batches: Batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        self._empty = 0 if batches else self._empty + 1
        if self._empty <= 1:
            self._silent_since = asyncio.get_running_loop().time()
        return batches

    async def _rest(self) -> None:
        partitions = self._consumer.assignment()
        self._consumer.pause(*partitions)
        try:
            silent = asyncio.get_running_loop().time() - self._silent_since
            await asyncio.sleep(rest_after(silent))
        finally:  # some can belong to another member of the group by now
            self._consumer.resume(*(partitions & self._consumer.assignment()))


def rest_after(silent: float) -> float:
    """Seconds of rest after so many seconds of silence.

    >>> rest_after(1.0), rest_after(10.0), rest_after(600.0)
    (0.4, 1.0, 2.0)
    """
    return min(max(_REST_SHARE * silent, _SHORTEST_REST_SECONDS), _LONGEST_REST_SECONDS)
