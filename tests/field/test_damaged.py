"""Damaged copies of the recorded messages: each field of each kind missing, null, of a wrong type, too long."""

from __future__ import annotations

import copy
import json
import pathlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from uuid import UUID, uuid4

import jsonschema
import pytest

from eng5_runner.contracts.topics import Topic
from eng5_runner.core.classify import RawRecord, batches, classify
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import AnchorRow, CallbackRejected
from tests.field.damage import (
    BATCH,
    CLAIMS,
    DAMAGES,
    KINDS,
    NEEDED,
    STAND_INS,
    Damaged,
    Path,
    damage_field,
    every_damage,
    fields,
)
from tests.field.session import SHORT, run_against
from tests.support.field import recorded
from tests.support.field.recorded import Message
from tests.support.field.services import FieldServices, as_recorded

FIELDS_SCHEMA = pathlib.Path(__file__).parent / "data" / "assessment_run.v1.0.schema.json"
REQUEST = {"data": recorded.request()}
RUN_ID = recorded.request()["entity_id"]
NAMES = EssayNames.of(
    {essay["essay_id"]: essay["essay_id"].lower() for essay in recorded.request()["essays_for_cj"]},
    rows=[AnchorRow(row_id=row["id"], anchor_id=f"anchor-{row['id']}") for row in recorded.anchors()],
)
SOUND = {kind: recorded.as_of(REQUEST, [message])[0] for kind, message in KINDS.items()}


def verdict(message: Message) -> tuple[str, object]:
    record = RawRecord(topic=message.topic, partition=0, offset=0, value=message.raw)
    found = classify(record, of=batches(UUID(RUN_ID)), names=NAMES, known={}.get)
    return type(found).__name__.lower(), found


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_to_be_needed_is_a_field_of_the_recorded_message(kind):
    there = {".".join(map(str, path)) for path in fields(SOUND[kind].value)}
    assert NEEDED[kind] | BATCH[kind] | CLAIMS.get(kind, frozenset()) <= there


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_damaged_field_has_the_outcome_that_the_contract_wants(kind, damage):
    """What a run needs and does not have is rejected with a reason; all else is accepted, with a flaw or as absent."""
    _, sound = verdict(SOUND[kind])
    tried = 0
    for one in every_damage(kind, SOUND[kind]):
        if one.damage != damage:
            continue
        outcome, found = verdict(one.message)
        assert outcome == one.outcome(RUN_ID), (one.named, found)
        if outcome == "rejected":
            assert found.reason, one.named
        if outcome == "accepted" and one.field != "data.request_id":
            assert found.key == sound.key, one.named
        tried += 1
    assert tried >= 30


def lenient(message: Message, kind: str, damage: str) -> Message:
    """The message with every field damaged that a run can do without, all at once."""
    value = copy.deepcopy(message.value)
    for path in dispensable(kind, damage):
        if is_there(value, path):
            damage_field(value, path, damage)
    return message.with_value(value)


@cache
def dispensable(kind: str, damage: str) -> list[Path]:
    """The fields that a run can do without, but for those that hold one that it cannot, or say the contrary."""
    kept = NEEDED[kind] | BATCH[kind] | CLAIMS.get(kind, frozenset()) | STAND_INS | {"data.entity_id"}
    return [
        one.path
        for one in every_damage(kind, SOUND[kind])
        if one.damage == damage and not any(name == one.field or name.startswith(f"{one.field}.") for name in kept)
    ]


def is_there(value: object, path: Path) -> bool:
    """Whether the field has not gone with the one that held it."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def kind_of(message: Message) -> str:
    names = {Topic.COMPLETED: "completed", Topic.RESULT: "result", Topic.FAILED: "failed"}
    if message.topic in names:
        return names[message.topic]
    return "error" if message.value["data"]["error_detail"] else "comparison"


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_run_whose_messages_lack_all_that_it_can_do_without_is_complete(damage, embedded, tmp_path):
    """Every such field of every message at once, an error's too; the artefact is valid, and figures are ours."""

    def script(sent: dict) -> list[Message]:
        told = [*recorded.as_of(sent, recorded.errors()[:1]), *as_recorded(sent)]
        return [lenient(message, kind_of(message), damage) for message in told]

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert (ended.code, ended.state.judged, ended.state.failed) == (0, 24, 1), ended.state.closed
    made = json.loads(ended.hydrated().files["assessment_run.execute.json"])
    assert all(entry["standard_error"] > 0 for entry in made["bt_summary"])
    assert "stack_trace" not in json.dumps(made)


@pytest.mark.parametrize(
    ("sha256", "stated"),
    [("0" * 64, "0" * 64), ("1" * 64, "1" * 64), ("1" * 32, "0" * 64), (None, "0" * 64)],
    ids=["zeros", "one digit", "too short", "none"],
)
async def test_a_judgement_whose_prompt_hash_is_odd_counts_and_is_listed(sha256, stated, embedded, tmp_path):
    """It was paid for. The artefact is valid, by version 1.0 too, and says which judgement has the flaw."""

    def script(sent: dict) -> list[Message]:
        told = as_recorded(sent)
        told[0].value["data"]["request_metadata"]["prompt_sha256"] = sha256
        return told

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert (ended.code, ended.state.judged, ended.state.rejected) == (0, 24, 0), ended.state.closed
    hydrated = ended.hydrated()
    (flawed,) = hydrated.artefact.runner_status.flawed
    assert flawed.flaws.startswith("prompt_sha256 is ")
    hashes = {row.request_id: row.prompt_hash for row in hydrated.artefact.llm_comparisons}
    assert hashes[flawed.request_id] == stated
    made = json.loads(hydrated.files["assessment_run.execute.json"])
    made["metadata"]["git_sha"] = "0" * 7
    jsonschema.validate(made, json.loads(FIELDS_SCHEMA.read_text()))
    assert "comparison accepted with a flaw: prompt_sha256 is " in hydrated.files["report.html"].decode()


async def test_a_run_without_flaws_does_not_speak_of_them(embedded, tmp_path):
    async with FieldServices(embedded) as field:
        ended = await run_against(field, tmp_path)
    assert b"flawed" not in ended.hydrated().files["assessment_run.execute.json"]


def unusable(sent: dict) -> Iterator[Damaged]:
    """A copy of each message that ours needs and that lacks it, under an id of its own."""
    for kind, message in KINDS.items():
        if kind == "failed":
            continue  # one that can be read ends the run; see below
        (ours,) = recorded.as_of(sent, [message])
        if kind in ("comparison", "error"):
            ours.value["data"]["request_id"] = str(uuid4())
        yield from (one for one in every_damage(kind, ours) if one.outcome(sent["data"]["entity_id"]) == "rejected")


def part_kept(damaged: Damaged) -> str:
    """The ledger keeps the first 16 KiB of what it cannot use."""
    return damaged.message.raw[: 16 << 10].decode()


async def test_every_unusable_copy_is_kept_with_its_reason_and_the_run_is_partial(bootstrap, tmp_path):
    """Beside the sound ones: all 24 judgements count, nothing of the copies does."""
    told: list[Damaged] = []

    def script(sent: dict) -> list[Message]:
        told.extend(unusable(sent))
        return [*(one.message for one in told), *as_recorded(sent)]

    async with FieldServices(bootstrap, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert (ended.code, ended.state.judged, ended.state.failed) == (3, 24, 0), ended.state.closed
    kept = [event for event in ended.events if isinstance(event, CallbackRejected)]
    assert Counter(event.raw for event in kept) == Counter(part_kept(one) for one in told)
    assert len(kept) > 40
    reasons = {event.raw: event.reason for event in kept}
    for one in told:
        assert reasons[part_kept(one)], one.named
    made = ended.hydrated().artefact.runner_status
    assert (made.outcome, len(made.rejected)) == ("partial", len(kept))


@pytest.mark.parametrize(("kind", "path"), [("completed", "status"), ("result", "essay_results")])
async def test_without_a_sound_ending_the_run_ends_by_its_patience_with_all_judgements(kind, path, embedded, tmp_path):
    def script(sent: dict) -> list[Message]:
        messages = as_recorded(sent)
        for message in messages:
            if kind_of(message) == kind:
                message.value["data"][path] = None
        return messages

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path, timeouts=SHORT)
    assert (ended.code, ended.state.judged, ended.state.rejected) == (3, 24, 1)
    assert any("deadline" in reason for reason in ended.state.closed.reasons)
    assert len(ended.hydrated().artefact.llm_comparisons) == 24


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_failure_that_says_nothing_more_ends_the_run_all_the_same(damage, embedded, tmp_path):
    def script(sent: dict) -> list[Message]:
        (failure,) = recorded.as_of(sent, recorded.failures()[:1])
        return [lenient(failure, "failed", damage)]

    async with FieldServices(embedded, script=script) as field:
        ended = await run_against(field, tmp_path)
    assert (ended.code, ended.state.closed.outcome) == (69, "failed")
    assert ended.state.closed.reasons[0].startswith("the CJ service reported a failure: ")
    assert ended.hydrated().artefact.llm_comparisons == ()
