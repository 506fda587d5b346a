"""One small run of the real services as it was recorded, and failures of others: facts of the wire.

run.jsonl       the Kafka messages of a run with an assignment: 4 students, 9 anchors, 24 comparisons
errors.jsonl    comparisons of another run that ended with an error; stack traces are cut short
failures.jsonl  batches that failed
http.jsonl      what CJ's admin side and the Content Service were asked in the run, and what they answered
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from eng5_runner.contracts.topics import Topic

FOLDER = Path(__file__).parent / "recorded_data"
ASSIGNMENT = "22222222-2222-4333-8444-555555555555"
INSTRUCTIONS = f"/admin/v1/assessment-instructions/assignment/{ASSIGNMENT}"
LISTING = f"/admin/v1/anchors/assignment/{ASSIGNMENT}"
SCALE = "eng5_np_legacy_9_step"
_ANCHOR = re.compile(r"ANCHOR_(\d+)_[0-9a-f]{8}")


@dataclass(frozen=True)
class Message:
    """A Kafka message as it was on the wire."""

    topic: str
    partition: int
    key: str | None
    value: dict

    @property
    def raw(self) -> bytes:
        return json.dumps(self.value).encode()

    def with_value(self, value: dict) -> Message:
        return replace(self, value=value)


@cache
def _lines(name: str) -> tuple[str, ...]:
    return tuple(FOLDER.joinpath(name).read_text(encoding="utf-8").splitlines())


def _messages(name: str) -> list[Message]:
    return [Message(**json.loads(line)) for line in _lines(name)]


def request() -> dict:
    """The request's data."""
    return next(one for one in _messages("run.jsonl") if one.topic == Topic.REQUEST).value["data"]


def callbacks() -> list[Message]:
    """What came back, in the order in which it came: 24 comparisons, the completion, the result."""
    return [one for one in _messages("run.jsonl") if one.topic != Topic.REQUEST]


def errors() -> list[Message]:
    """Comparisons that ended with an error."""
    return _messages("errors.jsonl")


def failures() -> list[Message]:
    """An unknown assignment; a database error; too few comparisons with a winner."""
    return _messages("failures.jsonl")


def http_pairs() -> list[dict]:
    """What was asked over HTTP and what was answered."""
    return [json.loads(line) for line in _lines("http.jsonl")]


def answer_to(path: str) -> object:
    """The body of the recorded answer to a GET."""
    return next(pair["body"] for pair in http_pairs() if pair["method"] == "GET" and pair["path"] == path)


def listing() -> dict:
    """The anchors' listing."""
    return answer_to(LISTING)


def students() -> dict[str, str]:
    """The students' ids of that run → text."""
    text_of = {pair["body"]["storage_id"]: pair["sent"] for pair in http_pairs() if pair["method"] == "POST"}
    return {essay["essay_id"]: text_of[essay["text_storage_id"]] for essay in request()["essays_for_cj"]}


def anchors() -> list[dict]:
    """The rows of the anchors' listing, each with its text."""
    return [row | {"text": answer_to(f"/v1/content/{row['text_storage_id']}")} for row in listing()["anchors"]]


def assets(folder: Path) -> Path:
    """The assets folder of that run, as the recordings tell it."""
    instructions = answer_to(INSTRUCTIONS)
    files = {
        "instructions.md": instructions["instructions_text"],
        "prompt.md": answer_to(f"/v1/content/{instructions['student_prompt_storage_id']}"),
        **{f"anchor_essays/{row['anchor_label']}.txt": row["text"] for row in anchors()},
        **{f"student_essays/{name}.txt": text for name, text in students().items()},
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def as_of(sent: dict, messages: list[Message], *, names_of: dict[str, str] | None = None) -> list[Message]:
    """The recorded messages as the services would send them for another request.

    Batch and essays are the request's; anchors have a new suffix, as in every batch.

    Args:
        sent: the request.
        messages: as recorded.
        names_of: recorded id → the request's, where they do not stand in the same order.
    """
    theirs, ours = request(), sent["data"]
    swaps = {theirs["entity_id"]: ours["entity_id"]}
    swaps |= {message.value["data"].get("entity_id", theirs["entity_id"]): ours["entity_id"] for message in messages}
    swaps |= {
        meta["bos_batch_id"]: ours["entity_id"]
        for message in messages
        if (meta := message.value["data"].get("request_metadata"))
    }
    names = [[essay["essay_id"] for essay in data["essays_for_cj"]] for data in (theirs, ours)]
    swaps |= names_of or dict(zip(*names, strict=True))
    return [_swapped(message, swaps, suffix=ours["entity_id"][:8]) for message in messages]


def _swapped(message: Message, swaps: dict[str, str], *, suffix: str) -> Message:
    text = json.dumps(message.value)
    for old, new in swaps.items():
        text = text.replace(old, new)
    key = swaps.get(message.key, message.key) if message.key else None
    return replace(message, key=key, value=json.loads(_ANCHOR.sub(rf"ANCHOR_\1_{suffix}", text)))
