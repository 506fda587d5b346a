"""What HuleEdu's runner left of a study: its artefact (version 1.0) and the events that it kept.

found = read_study(Path("eng5-run"))       # a folder, an artefact, or a file of events
found.comparisons[0]["winner_id"]

Its folder has `assessment_run.<mode>.json` and `events/**/*.json`. The names of the event files have a resolution of a
second, so that most comparisons are in the artefact only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from eng5_runner.contracts.topics import Topic
from eng5_runner.effects.outputs import read_file
from eng5_runner.errors import InputsInvalid, InputsMissing

JsonObject: TypeAlias = dict[str, JsonValue]
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignStudy:
    """A study of another runner as it was found.

    Attributes:
        artefact: its artefact; empty where there are events only.
        messages: topic and envelope of each event.
        files: what was read.
    """

    artefact: JsonObject
    messages: tuple[tuple[Topic, JsonObject], ...]
    files: tuple[Path, ...]

    @property
    def comparisons(self) -> list[JsonObject]:
        """The comparisons of the artefact."""
        return objects(self.artefact.get("llm_comparisons"))


def read_study(source: Path) -> ForeignStudy:
    """Read a folder of HuleEdu's runner, its artefact, or a file of events (a JSON object a line).

    Raises:
        InputsMissing: there is no such file or folder, or nothing of a study in it.
        InputsInvalid: a file is no JSON, or has events of several studies.
        DiskError: a file cannot be read.
    """
    if not source.exists():
        raise InputsMissing(f"There is no {source}.", remedy="Name the folder or the artefact of a run.")
    files = sorted(source.glob("assessment_run.*.json")) if source.is_dir() else [source]
    if source.is_dir():
        files += sorted(source.glob("events/**/*.json")) + sorted(source.glob("*.jsonl"))
    artefact: JsonObject = {}
    messages: list[tuple[Topic, JsonObject]] = []
    for path in files:
        for value in _values(path):
            if "llm_comparisons" in value:
                artefact = value
            elif (topic := _topic(value)) is not None:
                messages.append((topic, _envelope(value)))
    if not artefact and not messages:
        raise InputsMissing(
            f"{source} has neither an artefact of HuleEdu's runner nor events.",
            remedy="Name a folder with assessment_run.<mode>.json, that file, or a file with one event a line.",
        )
    own = _own_messages(messages, batch=text_of(inner(artefact, "metadata").get("batch_uuid")), source=source)
    return ForeignStudy(artefact=artefact, messages=own, files=tuple(files))


def _own_messages(
    messages: list[tuple[Topic, JsonObject]], *, batch: str, source: Path
) -> tuple[tuple[Topic, JsonObject], ...]:
    """The events of the study: its topics carry those of all others, too."""
    batches = Counter(batch_of(message) for topic, message in messages if topic is Topic.COMPARISON)
    del batches[""]
    if not batch and len(batches) > 1:
        counts = ", ".join(f"{count} of {name}" for name, count in batches.most_common(_NAMED))
        raise InputsInvalid(
            f"{source} has comparisons of {len(batches)} studies: {counts}.",
            remedy="Keep the events of one: grep -h BATCH-ID FILE... > one-study.jsonl",
        )
    own = batch or next(iter(batches), "")
    return tuple(each for each in messages if batch_of(each[1]) in {own, ""})


def batch_of(message: JsonObject) -> str:
    """The batch's UUID, which all events of a study name; empty where one does not."""
    data = inner(message, "data")
    asked = inner(data, "request_metadata")
    return text_of(asked.get("bos_batch_id")) or text_of(asked.get("batch_id")) or text_of(data.get("entity_id"))


def objects(value: JsonValue) -> list[JsonObject]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def inner(value: JsonValue, *path: str) -> JsonObject:
    """An object inside an object; empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(value: JsonValue) -> str:
    """A text; empty where it is something else."""
    return value if isinstance(value, str) else ""


def _values(path: Path) -> Iterator[JsonObject]:
    data = read_file(path)
    try:
        if path.suffix == ".jsonl":
            found = [json.loads(line) for line in data.splitlines() if line.strip()]
        else:
            whole = json.loads(data)
            found = whole if isinstance(whole, list) else [whole]
    except ValueError:
        raise InputsInvalid(f"{path} is no JSON.", remedy="Restore it from a copy of the run.") from None
    yield from objects(found)


def _envelope(value: JsonObject) -> JsonObject:
    """The event itself, also where it is inside a record of a topic."""
    return inner(value, "value") or value


def _topic(value: JsonObject) -> Topic | None:
    """The topic that carries such an event; by its content, because services write other event types."""
    data = inner(_envelope(value), "data")
    if "request_metadata" in data:
        return Topic.COMPARISON
    if "essay_results" in data:
        return Topic.RESULT
    if "essays_for_cj" in data:
        return Topic.REQUEST
    return {"cj_assessment.completed": Topic.COMPLETED, "cj_assessment.failed": Topic.FAILED}.get(
        text_of(data.get("event_name"))
    )
