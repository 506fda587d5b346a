"""The event envelope: every Kafka message is one, as UTF-8 JSON, with the event in `data`."""

from __future__ import annotations

from typing import Generic, TypeVar
from uuid import UUID

from pydantic import JsonValue

from eng5_runner.contracts.base import Instant, Lenient, WireModel

DataT = TypeVar("DataT", bound=WireModel)

SCHEMA_VERSION = 1


class Envelope(WireModel, Generic[DataT]):
    """One event on a topic.

    Attributes:
        event_id: unique per event; a repeat of the event has the same id.
        event_type: by contract the topic's name. The real services write other names, so never route by it.
        event_timestamp: when the event was made (UTC).
        source_service: the service that made it.
        schema_version: 1.
        correlation_id: the run's id for tracing; comparison results have the pair's id instead.
        data: the event.
        metadata: free; the request has the runner's mode, label and budget here.
    """

    event_id: UUID
    event_type: str
    event_timestamp: Instant
    source_service: str
    schema_version: int = SCHEMA_VERSION
    correlation_id: UUID
    data_schema_uri: Lenient[str] = None
    data: DataT
    metadata: Lenient[dict[str, JsonValue]] = None

    def to_bytes(self) -> bytes:
        """The message as it is sent."""
        return self.model_dump_json().encode()


class Received(WireModel, Generic[DataT]):
    """An event as it was received. Only its data are required; no other field of the envelope is."""

    event_id: Lenient[UUID] = None
    event_type: Lenient[str] = None
    event_timestamp: Lenient[Instant] = None
    source_service: Lenient[str] = None
    schema_version: Lenient[int] = None
    correlation_id: Lenient[UUID] = None
    data_schema_uri: Lenient[str] = None
    data: DataT
    metadata: Lenient[dict[str, JsonValue]] = None
