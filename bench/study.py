"""Synthetic runs of any size, as the services would have left them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid5

from eng5_runner.canonical import canonical_json, sha256_hex
from eng5_runner.contracts.callbacks import ComparisonMetadata, LLMComparisonResult, TokenUsage
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from eng5_runner.core.events import (
    CallbackAccepted,
    Event,
    ListeningFrom,
    Position,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunStarted,
)
from eng5_runner.core.inputs import Anchor, Document, Inputs, SourceFile, Student
from eng5_runner.core.request import build_request
from eng5_runner.core.spec import Mode, RunSpec, Target, Versions
from eng5_runner.effects.ledger import Ledger
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME

RUN = UUID("7b1d4a52-0c55-4b6f-9a08-6a3f0b9d1f11")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCALE = "eng5_np_legacy_9_step"
PARTITIONS = 3
_AT_ONCE = 10_000


def inputs(essays: int, *, anchors: int | None = None) -> Inputs:
    """So many essays; a quarter of them, or so many, are anchors over all grades."""
    anchors = essays // 4 if anchors is None else anchors
    grades = GRADE_SCALES[SCALE].grades

    def file(name: str) -> SourceFile:
        checksum = sha256_hex(name.encode())
        return SourceFile(source_path=name, file_name=name, sha256=checksum, size=2000, encoding="utf-8", format="txt")

    document = Document(file=file("a.md"), text="Compare.", text_sha256=sha256_hex(b"Compare."), word_count=1)
    return Inputs(
        grade_scale=SCALE,
        instructions=document,
        prompt=document,
        anchor_table=None,
        anchors=tuple(
            Anchor(
                anchor_id=f"anchor-{n:05}",
                file=file(f"anchor-{n}"),
                grade=grades[n % len(grades)],
                text_sha256=sha256_hex(b"a%d" % n),
                word_count=300,
                label=f"{n}",
            )
            for n in range(anchors)
        ),
        students=tuple(
            Student(
                essay_id=f"essay-{n:05}",
                file=file(f"essay-{n}"),
                text_sha256=sha256_hex(b"s%d" % n),
                word_count=300,
            )
            for n in range(essays - anchors)
        ),
        notes=(),
    )


def comparison(n: int, first: str, second: str, *, first_wins: bool) -> bytes:
    """One callback as the LLM provider sends it, about 1.3 kB."""
    at = NOON + timedelta(seconds=n)
    pair = uuid5(RUN, str(n))
    result = LLMComparisonResult(
        request_id=str(uuid5(pair, "queue")),
        correlation_id=str(pair),
        winner="Essay A" if first_wins else "Essay B",
        justification="It answers the task more fully, in clearer sentences, with fewer errors that hinder. " * 2,
        confidence=3.4,
        provider="openai",
        model="some-model",
        response_time_ms=900,
        token_usage=TokenUsage(prompt_tokens=1200, completion_tokens=60, total_tokens=1260),
        cost_estimate=0.0021,
        requested_at=at,
        completed_at=at + timedelta(seconds=1),
        request_metadata=ComparisonMetadata(
            essay_a_id=first, essay_b_id=second, prompt_sha256=sha256_hex(b"%d" % n), bos_batch_id=str(RUN)
        ),
    )
    return Envelope[LLMComparisonResult](
        event_id=uuid5(pair, "event"),
        event_type=Topic.COMPARISON,
        event_timestamp=at,
        source_service="llm_provider_service",
        correlation_id=pair,
        data=result,
    ).to_bytes()


def accepted(n: int, raw: bytes) -> CallbackAccepted:
    position = Position(topic=Topic.COMPARISON, partition=n % 4, offset=n // 4)
    key = f"comparison:{n}"
    return CallbackAccepted(
        at=NOON, position=position, raw=raw.decode(), kind="comparison", key=key, fingerprint=key, judged=True
    )


def run_directory(folder: Path, *, essays: int, comparisons: int, anchors: int | None = None) -> Path:
    """A closed run with so many comparisons, its outputs not yet made."""
    made = inputs(essays, anchors=anchors)
    folder.mkdir(parents=True)
    (folder / CONFIG_NAME).write_text("[settings]\n")
    (folder / INPUTS_NAME).write_bytes(canonical_json(made.model_dump(mode="json")))
    before = beginning(made)
    sent = ids_sent(before)
    with Ledger(folder) as ledger:
        asyncio.run(ledger.append(before))
        events = (accepted(n, raw) for n, raw in enumerate(judgements(sent, comparisons)))
        while some := list(islice(events, _AT_ONCE)):
            asyncio.run(ledger.append(some))
        asyncio.run(ledger.append([RunClosed(at=NOON, outcome="complete")]))
    return folder


def beginning(made: Inputs, *, comparisons: int | None = None) -> list[Event]:
    """The events of a run up to the request for so many comparisons, which is sent."""
    spec = RunSpec(
        run_id=RUN, label="bench", mode=Mode.EXECUTE, send=True, assets="/nowhere", target=Target(stack="remote")
    )
    versions = Versions(runner="0", git_sha="0" * 40, python="3", os="any")
    ends = tuple(Position(topic=topic, partition=p, offset=0) for topic in CALLBACK_TOPICS for p in range(PARTITIONS))
    payload = build_request(spec, made, storage_ids={}, at=NOON).to_bytes().decode()
    return [
        RunStarted(at=NOON, spec=spec, inputs_sha256=made.digest(), versions=versions),
        PreflightPassed(at=NOON, checks=("all there",)),
        ListeningFrom(at=NOON, cluster_id="c", request_ends=(), callback_ends=ends),
        RequestPrepared(at=NOON, event_id=spec.event_id, payload=payload, asked=comparisons, comparisons=comparisons),
        RequestPublished(at=NOON, position=Position(topic=Topic.REQUEST, partition=0, offset=0)),
    ]


def ids_sent(before: list[Event]) -> list[str]:
    """The names of the essays in the request of a run's beginning."""
    (payload,) = (event.payload for event in before if isinstance(event, RequestPrepared))
    return [essay["essay_id"] for essay in json.loads(payload)["data"]["essays_for_cj"]]


def judgements(ids: list[str], count: int) -> Iterator[bytes]:
    """Random pairs judged by position in the list with some noise."""
    chance = random.Random(5)
    for n in range(count):
        first, second = chance.sample(range(len(ids)), 2)
        lead = (second - first) / len(ids) * 4 + chance.gauss(0, 1)
        yield comparison(n, ids[first], ids[second], first_wins=lead > 0)
