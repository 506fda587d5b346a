"""Requests from Kafka into the database, and only then may Kafka know that they were read."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, ValidationError

from eng5_runner.contracts.base import Lenient, describe
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.stack.cj import events as cj_events
from eng5_runner.stack.cj.inbox import Requests
from eng5_runner.stack.platform.kafka import Publisher

log = structlog.get_logger(__name__)

_POLL_MILLISECONDS = 200
_POLL_RECORDS = 1000


class _Readable(BaseModel):
    """What can be told of a request that breaks the contract, so that its failure can be told to somebody."""

    model_config = ConfigDict(extra="ignore")

    class Data(BaseModel):
        """The one field that says who asked."""

        model_config = ConfigDict(extra="ignore")
        entity_id: str

    data: Data
    correlation_id: Lenient[UUID] = None


class Intake:
    """Takes requests in; whoever cannot be read is told so."""

    def __init__(self, requests: Requests, *, publisher: Publisher, arrived: asyncio.Event) -> None:
        """Set it up.

        Args:
            requests: where they are kept.
            publisher: where refusals go.
            arrived: set when there are new ones.
        """
        self._requests = requests
        self._publisher = publisher
        self._arrived = arrived

    async def run(self, reader: AIOKafkaConsumer, *, commit: bool) -> None:
        """Take in what the reader brings until cancelled, and commit it if asked to."""
        while True:
            messages = await polled(reader)
            if not messages:
                continue
            readable = []
            for raw in messages:
                try:
                    envelope = Envelope[CJAssessmentRequest].model_validate_json(raw, extra="ignore")
                except ValidationError as error:
                    await refuse_unreadable(self._publisher, raw, error=error)
                else:
                    readable.append((envelope.data.entity_id, raw))
            await self._requests.put(readable)
            self._arrived.set()
            if commit:
                await _commit(reader)


async def refuse_unreadable(publisher: Publisher, raw: bytes, *, error: ValidationError) -> None:
    """Tell whoever sent a request how it breaks the contract, if the batch can be read in it."""
    try:
        told = _Readable.model_validate_json(raw)
    except ValidationError:
        log.warning("a request without a readable batch id", reason=describe(error))
        return
    correlation_id = told.correlation_id or uuid4()
    info = cj_events.processing_error(f"the request breaks the contract: {describe(error)}", correlation_id)
    message = cj_events.failed(
        batch_id=told.data.entity_id, parent_id=None, correlation_id=correlation_id, error_info=info
    )
    await publisher.publish(Topic.FAILED.value, message, key=told.data.entity_id.encode())


async def polled(reader: AIOKafkaConsumer) -> list[bytes]:
    """The next messages, perhaps none.

    Raises:
        ServiceUnavailable: Kafka refuses.
    """
    try:
        polled = await reader.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
    except KafkaError as error:
        raise ServiceUnavailable(
            f"Kafka cannot be read: {error!r}", remedy="Check the broker and our rights."
        ) from error
    return [message.value or b"" for messages in polled.values() for message in messages]


async def _commit(reader: AIOKafkaConsumer) -> None:
    """Tell the group what was read; if that fails it is read again, and then it changes nothing."""
    try:
        await reader.commit()
    except KafkaError as error:
        log.warning("what was read of the requests could not be committed", cause=type(error).__name__)
