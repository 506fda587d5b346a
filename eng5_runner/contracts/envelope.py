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
        event_id: unique per event; a producer that sends it again keeps it.
        event_type: by contract the topic's name; the real services put other names there, so never route on it.
        event_timestamp: when the event was made (UTC).
        source_service: who made it.
        schema_version: 1.
        correlation_id: the run's id for tracing; comparison results carry the pair's instead.
        data: the event.
        metadata: free; the request carries the runner's mode, label and budget.
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
        """The message as it goes on the wire."""
        return self.model_dump_json().encode()


class Received(WireModel, Generic[DataT]):
    """An event as it came: its envelope is good to have, and only what it is about is needed."""

    event_id: Lenient[UUID] = None
    event_type: Lenient[str] = None
    event_timestamp: Lenient[Instant] = None
    source_service: Lenient[str] = None
    schema_version: Lenient[int] = None
    correlation_id: Lenient[UUID] = None
    data_schema_uri: Lenient[str] = None
    data: DataT
    metadata: Lenient[dict[str, JsonValue]] = None
