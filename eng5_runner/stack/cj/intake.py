"""The CJ service's side of its topics: the requests that arrive, and the failures of those that break the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, ValidationError

from eng5_runner.contracts.base import Lenient, describe
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import LARGEST_MESSAGE_BYTES, Topic
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.stack.cj import events as cj_events
from eng5_runner.stack.cj.clients import ContentReader, NeighbourFailed
from eng5_runner.stack.cj.inbox import Inbox
from eng5_runner.stack.platform.kafka import Publisher
from eng5_runner.transport.kafka import RestingPoll
from eng5_runner.transport.stack_secret import StackSecret

log = structlog.get_logger(__name__)

_POLL_MILLISECONDS = 200
_POLL_RECORDS = 1000


class _Readable(BaseModel):
    """The fields of an invalid request that are needed to publish its failure."""

    model_config = ConfigDict(extra="ignore")

    class Essay(BaseModel):
        """The field that identifies an essay's text."""

        model_config = ConfigDict(extra="ignore")
        text_storage_id: Lenient[str] = None

    class Data(BaseModel):
        """The fields that identify the batch and its texts."""

        model_config = ConfigDict(extra="ignore")
        entity_id: str
        essays_for_cj: Lenient[tuple[_Readable.Essay, ...]] = None

    data: Data
    correlation_id: Lenient[UUID] = None


class Intake:
    """Stores the requests that arrive, and publishes a failure for each invalid one."""

    def __init__(self, inbox: Inbox, *, refusals: Refusals, arrived: asyncio.Event) -> None:
        """Set it up.

        Args:
            inbox: where requests are stored.
            refusals: publishes the failures.
            arrived: set when there are new requests.
        """
        self._inbox = inbox
        self._refusals = refusals
        self._arrived = arrived

    async def run(self, reader: AIOKafkaConsumer, *, commit: bool, secret: StackSecret | None) -> None:
        """Store all requests that a holder of the secret wrote; with `commit`, commit their offsets afterwards."""
        poll = RestingPoll(reader)
        while True:
            messages = await polled(poll, secret=secret)
            if not messages:
                continue
            readable = []
            for raw in messages:
                try:
                    envelope = Envelope[CJAssessmentRequest].model_validate_json(raw, extra="ignore")
                except ValidationError as error:
                    await self._refusals.refuse(raw, error)
                else:
                    readable.append((envelope.data.entity_id, raw))
            await self._inbox.put(readable)
            self._arrived.set()
            if commit:
                await _commit(reader)


class Refusals:
    """Publishes the failures of requests that break the contract."""

    def __init__(self, *, publisher: Publisher, contents: ContentReader, shares_broker: bool) -> None:
        self._publisher = publisher
        self._contents = contents
        self._shares_broker = shares_broker

    async def refuse(self, raw: bytes, error: ValidationError) -> None:
        """Publish how a request breaks the contract, if its batch id can be read and it is for this service."""
        try:
            readable = _Readable.model_validate_json(raw)
        except ValidationError:
            log.warning("a request without a readable batch id", reason=describe(error))
            return
        if not await self._is_ours(readable):
            log.info("an invalid request that is not for this service", batch_id=readable.data.entity_id)
            return
        correlation_id = readable.correlation_id or uuid4()
        info = cj_events.processing_error(f"the request breaks the contract: {describe(error)}", correlation_id)
        message = cj_events.failed(
            batch_id=readable.data.entity_id, parent_id=None, correlation_id=correlation_id, error_info=info
        )
        await self._publisher.publish(Topic.FAILED.value, message, key=readable.data.entity_id.encode())

    async def _is_ours(self, readable: _Readable) -> bool:
        if not self._shares_broker:
            return True
        texts = [essay.text_storage_id for essay in readable.data.essays_for_cj or () if essay.text_storage_id]
        try:
            return await knows_any(self._contents, texts)
        except NeighbourFailed as failed:  # silence harms nobody, a failure of another service's batch does
            log.warning("an invalid request stays unanswered", batch_id=readable.data.entity_id, reason=str(failed))
            return False


async def knows_any(contents: ContentReader, storage_ids: Iterable[str]) -> bool:
    """Whether the Content Service has one of these texts.

    Raises:
        NeighbourFailed: it does not say.
    """
    for storage_id in storage_ids:
        if await contents.knows(storage_id):
            return True
    return False


async def polled(poll: RestingPoll, *, secret: StackSecret | None) -> list[bytes]:
    """The next messages that a holder of the secret has written; can be empty.

    Raises:
        ServiceUnavailable: Kafka refuses to be read.
    """
    try:
        batches = await poll.records(timeout_ms=_POLL_MILLISECONDS, max_records=_POLL_RECORDS)
    except KafkaError as error:
        raise ServiceUnavailable(
            f"Kafka cannot be read: {error!r}", remedy="Check the broker and our rights."
        ) from error
    read = [record for batch in batches.values() for record in batch]
    records = [record for record in read if len(record.value or b"") <= LARGEST_MESSAGE_BYTES]
    if len(records) < len(read):
        log.warning("messages above the limit are ignored", messages=len(read) - len(records))
    if secret is None:
        return [record.value or b"" for record in records]
    genuine = [r.value or b"" for r in records if secret.has_signed(r.topic, r.value or b"", headers=r.headers)]
    if len(genuine) < len(records):
        log.warning("messages without the stack's signature are ignored", messages=len(records) - len(genuine))
    return genuine


async def _commit(reader: AIOKafkaConsumer) -> None:
    """Commit the offsets; after a failure the requests are read again, which changes nothing."""
    try:
        await reader.commit()
    except KafkaError as error:
        log.warning("the offsets of the requests could not be committed", cause=type(error).__name__)
