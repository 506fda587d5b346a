"""Bring in a study of HuleEdu's runner as a run directory, so that it can be reported, fitted and compared."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import JsonValue, ValidationError

from eng5_runner.app.collection.huleedu import ForeignStudy, JsonObject, batch_of, inner, objects, read_study, text_of
from eng5_runner.app.collection.made_run import write_made_run
from eng5_runner.app.environment import versions
from eng5_runner.app.inspect import Run, open_run
from eng5_runner.canonical import canonical_json, sha256_hex
from eng5_runner.contracts.base import instant_of
from eng5_runner.contracts.flaws import NO_HASH
from eng5_runner.contracts.grade_scales import DEFAULT_SCALE, GRADE_SCALES
from eng5_runner.contracts.request import EssayRef, LLMConfigOverrides
from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from eng5_runner.core.choices import Mode
from eng5_runner.core.classify import Accepted, RawRecord, Rejected, Repeated, batches, classify
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import (
    CallbackRepeated,
    Event,
    ListeningFrom,
    Position,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunStarted,
    rejected,
)
from eng5_runner.core.inputs import Anchor, Document, Inputs, SourceFile, Student
from eng5_runner.core.origin import Origin, RecordFile
from eng5_runner.core.request import build_request
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.outputs import file_digest, read_file
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.essay_ids import anchor_id, student_id

_NOT_KNOWN = "This text is not in the record of the run."
_ROW = re.compile(r"ANCHOR_([0-9]+)(_[0-9A-Za-z]+)?")
_TEXTS = (
    "the essays' texts: the hash of each file stands for that of its text, so essays pair with those of other imports"
)
_FILES = "the essays' texts and files: the hash of each essay's name stands for theirs, so essays pair by name"
_MESSAGES = "the messages that the run did not keep: what the artefact says of a comparison stands for its message"
_MISSING = (
    "the essays' numbers of words, so that figures on length mean nothing",
    "how many comparisons were asked for, which services were used, and what preflight found",
)
_NO_ORDER = "which essay of a pair was shown first: chance decides, so figures on the first position mean nothing"


@dataclass(frozen=True, slots=True)
class _Essay:
    """An essay: its name in the messages, and what is known of its file."""

    wire: str
    file_name: str
    sha256: str
    grade: str | None


def import_run(source: str | Path, *, out: str | Path, anchors: str | Path | None = None) -> Run:
    """Make a run directory of a study that HuleEdu's runner made.

    Positions, grades and the judge's card are computed by this program; the service's own result is shown beside them
    where its event was kept. The record says what it lacks.

    Args:
        source: the folder of the run (`assessment_run.<mode>.json`, `events/`), its artefact, or events, one a line.
        out: the folder of the new run directory; it must be new or empty.
        anchors: grades of the anchors by their names in the messages, where the artefact does not have them: a CSV
            file `id,grade` with ids such as `ANCHOR_34`, or the CJ service's list of an assignment's anchors as JSON.

    Returns:
        The run. `.artefact.metadata.origin` says where it is from and what is missing.

    Raises:
        InputsMissing: there is no study in the source, or no anchor of known grade took part.
        InputsInvalid: a file cannot be used.
        UsageError: the folder has files.
        DiskError: a file cannot be read or written.

    Example:
        >>> import eng5_runner as eng5
        >>> run = eng5.import_run(foreign, out=folder / "imported", anchors=foreign.parent / "anchors.csv")
        >>> run.outcome, run.artefact.metadata.origin.kind
        ('complete', 'import')
    """
    found, target = read_study(Path(source)), Path(out)
    grades = {} if anchors is None else _grades(Path(anchors))
    scale = text_of(inner(found.artefact, "metadata").get("grade_scale")) or DEFAULT_SCALE
    essays = _essays(found, grades)
    _require_anchors(essays, scale=scale)
    inputs = _inputs(found, essays, scale=scale)
    events = list(_events(found, inputs, essays=essays))
    metadata = inner(found.artefact, "metadata")
    settings: dict[str, str | float | bool] = {"mode": _mode(metadata).value, "grade_scale": scale}
    write_made_run(target, inputs=inputs, events=events, settings=settings)
    return open_run(target)


def _grades(path: Path) -> dict[str, str]:
    """Name in the messages → grade."""
    data = read_file(path).decode(errors="replace")
    try:
        rows = objects(json.loads(data).get("anchors")) if data.lstrip().startswith("{") else None
    except ValueError:
        raise InputsInvalid(f"{path} is no JSON.", remedy="Save the list of anchors again.") from None
    if rows is not None:
        return {f"ANCHOR_{row.get('id')}": text_of(row.get("grade")) for row in rows}
    return {row["id"]: row["grade"] for row in csv.DictReader(data.splitlines()) if {"id", "grade"} <= row.keys()}


def _messages(found: ForeignStudy) -> list[JsonObject]:
    return [message for topic, message in found.messages if topic is Topic.COMPARISON]


def _pairs(found: ForeignStudy) -> Iterator[tuple[str, str]]:
    for row in found.comparisons:
        yield text_of(row.get("winner_id")), text_of(row.get("loser_id"))
    for message in _messages(found):
        conditions = inner(message, "data", "request_metadata")
        yield text_of(conditions.get("essay_a_id")), text_of(conditions.get("essay_b_id"))


def _essays(found: ForeignStudy, grades: Mapping[str, str]) -> list[_Essay]:
    """Every essay that was compared, sorted by its name in the messages."""
    given = inner(found.artefact, "inputs")
    known: dict[str, JsonObject] = {}
    for record in (*objects(given.get("students")), *objects(given.get("anchors"))):
        for name in (record.get("essay_id"), record.get("anchor_id"), PurePosixPath(str(record.get("file_name"))).stem):
            known.setdefault(_plain(text_of(name)), record)
    wires = sorted({wire for pair in _pairs(found) for wire in pair if wire})
    return [_essay(wire, known.get(_plain(wire), {}), grades=grades) for wire in wires]


def _essay(wire: str, record: JsonObject, *, grades: Mapping[str, str]) -> _Essay:
    row = _ROW.fullmatch(wire)
    short = f"ANCHOR_{row[1]}" if row else wire
    grade = grades.get(wire) or grades.get(short) or text_of(record.get("grade")) or None
    sha256 = text_of(record.get("checksum"))
    if not re.fullmatch("[0-9a-f]{64}", sha256) or sha256 == NO_HASH:
        sha256 = sha256_hex(f"unknown file of {short}".encode())
    return _Essay(wire, text_of(record.get("file_name")) or short, sha256, grade)


def _plain(name: str) -> str:
    """A name as it is compared: HuleEdu's runner puts `student::` before anchors that it sends as essays."""
    return re.sub("[^a-z0-9+]", "", name.removeprefix("student::").casefold())


def _require_anchors(essays: Sequence[_Essay], *, scale: str) -> None:
    if scale not in GRADE_SCALES:
        raise InputsInvalid(f"The grade scale {scale} is not known.", remedy=f"Known are {', '.join(GRADE_SCALES)}.")
    if not essays:
        raise InputsMissing("The study has no comparison.", remedy="Name a run that has judgements.")
    without = [essay.wire for essay in essays if essay.grade is None and _ROW.fullmatch(essay.wire)]
    if without or not any(essay.grade for essay in essays):
        which = f"of {', '.join(without[:3])}" if without else "of any essay"
        raise InputsMissing(
            f"The grade {which} is not in the record: the service adds its anchors under names of its own.",
            remedy="Give --anchors with a CSV file id,grade (ids such as ANCHOR_34), or the CJ service's answer to "
            "GET /admin/v1/anchors/assignment/<id>.",
        )


def _inputs(found: ForeignStudy, essays: Sequence[_Essay], *, scale: str) -> Inputs:
    anchors, students = [], []
    for essay in essays:
        stem = PurePosixPath(essay.file_name).stem
        path, file_name = f"imported/{essay.file_name}", essay.file_name
        file = SourceFile(
            source_path=path, file_name=file_name, sha256=essay.sha256, size=0, encoding=None, format="txt"
        )
        if essay.grade is None:
            students.append(Student(essay_id=student_id(stem), file=file, text_sha256=essay.sha256, word_count=1))
        else:
            anchors.append(
                Anchor(
                    anchor_id=anchor_id(stem),
                    file=file,
                    grade=essay.grade,
                    text_sha256=essay.sha256,
                    word_count=1,
                    label=stem,
                )
            )
    given = inner(found.artefact, "inputs")
    instructions = inner(given, "instructions")
    return Inputs(
        grade_scale=scale,
        instructions=_document(instructions, "instructions.md") if text_of(instructions.get("content")) else None,
        prompt=_document(inner(given, "prompt_reference"), "prompt.md"),
        anchor_table=None,
        anchors=tuple(sorted(anchors, key=lambda anchor: anchor.anchor_id)),
        students=tuple(sorted(students, key=lambda student: student.essay_id)),
        notes=(),
    )


def _document(blob: JsonObject, name: str) -> Document:
    text = text_of(blob.get("content")).strip() or _NOT_KNOWN
    data = text.encode()
    file = SourceFile.of(data, source_path=name, encoding="utf-8", file_format="md")
    return Document(file=file, text=text, text_sha256=sha256_hex(data), word_count=len(text.split()))


def _mode(metadata: JsonObject) -> Mode:
    return Mode.ANCHOR_ALIGN if text_of(metadata.get("runner_mode")).startswith("anchor") else Mode.EXECUTE


def _events(found: ForeignStudy, inputs: Inputs, *, essays: Sequence[_Essay]) -> Iterator[Event]:
    """The ledger: the run as it would have been recorded, as far as it is known."""
    metadata = inner(found.artefact, "metadata")
    callbacks = list(_callbacks(found))
    run_id = _run_id(metadata, found)
    start = min((at for at, _, _ in callbacks), default=datetime.fromtimestamp(0, UTC))
    spec = RunSpec(
        run_id=run_id,
        label=text_of(metadata.get("batch_id")) or f"imported-{run_id.hex[:8]}",
        mode=_mode(metadata),
        send=True,
        assets="imported",
        judge=_judge(metadata),
        target=Target(stack="remote"),
    )
    by_wire = _our_ids(inputs, essays)
    yield RunStarted(
        at=start, spec=spec, inputs_sha256=inputs.digest(), versions=versions(), origin=_origin(found, metadata)
    )
    yield PreflightPassed(at=start, checks=())
    yield ListeningFrom(at=start, cluster_id="imported", request_ends=(), callback_ends=())
    yield RequestPrepared(at=start, event_id=spec.event_id, payload=_payload(spec, inputs, by_wire=by_wire, at=start))
    yield RequestPublished(at=start, position=Position(topic=Topic.REQUEST, partition=0, offset=0))
    names, known, last = EssayNames(by_wire), dict[str, str](), start
    of = batches(run_id)
    for number, (at, topic, message) in enumerate(callbacks):
        record = RawRecord(topic=topic, partition=0, offset=number, value=json.dumps(message).encode())
        last = max(last, at)
        position = Position(topic=topic, partition=0, offset=number)
        match classify(record, of=of, names=names, known=known.get):
            case Accepted() as new:
                known[new.key] = new.fingerprint
                yield new.event(at=at, position=position, raw=record.value)
            case Repeated(key=key, conflict=conflict):
                yield CallbackRepeated(at=at, position=position, key=key, conflict=conflict)
            case Rejected(reason=reason):
                yield rejected(record.value, at=at, position=position, reason=reason)
            case _:
                continue
    reasons = _shortcomings(found)
    yield RunClosed(at=last, outcome="partial" if reasons else "complete", reasons=reasons)


def _run_id(metadata: JsonObject, found: ForeignStudy) -> UUID:
    """The batch's UUID, which all messages of a run name."""
    batches = map(batch_of, _messages(found))
    named = text_of(metadata.get("batch_uuid")) or next((batch for batch in batches if batch), "")
    try:
        return UUID(named)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"imported:{sha256_hex(canonical_json(found.artefact))}")


def _judge(metadata: JsonObject) -> LLMConfigOverrides | None:
    given = {key: value for key, value in inner(metadata, "llm_config_overrides").items() if value is not None}
    try:
        return LLMConfigOverrides.model_validate(given) if given else None
    except ValidationError:
        return None


def _our_ids(inputs: Inputs, essays: Sequence[_Essay]) -> dict[str, str]:
    """Name in the messages → our id.

    Raises:
        InputsInvalid: two essays would have one id.
    """
    ours = {
        **{anchor.file.file_name: anchor.anchor_id for anchor in inputs.anchors},
        **{student.file.file_name: student.essay_id for student in inputs.students},
    }
    by_wire = {essay.wire: ours[essay.file_name] for essay in essays}
    if len(set(by_wire.values())) < len(essays):
        raise InputsInvalid("Two essays of the study have the same name.", remedy="Rename one in the artefact.")
    return by_wire


def _payload(spec: RunSpec, inputs: Inputs, *, by_wire: Mapping[str, str], at: datetime) -> str:
    """The request for the essays under their names in the messages."""
    wires = {ours: wire for wire, ours in by_wire.items()}
    built = build_request(spec, inputs, storage_ids={}, at=at)
    refs = tuple(EssayRef(essay_id=wires[ours], text_storage_id="unknown") for ours in sorted(wires))
    data = built.data.model_copy(update={"essays_for_cj": refs})
    return built.model_copy(update={"data": data}).model_dump_json()


def _callbacks(found: ForeignStudy) -> Iterator[tuple[datetime, Topic, JsonObject]]:
    """All that came back, in the order of time. A comparison's own message goes before the artefact's row."""
    batch = str(_run_id(inner(found.artefact, "metadata"), found))
    whole = {text_of(inner(message, "data").get("request_id")): message for message in _messages(found)}
    rows = [_message(row, number, batch=batch) for number, row in enumerate(found.comparisons, start=1)]
    listed = {text_of(inner(row, "data").get("request_id")): row for row in rows}
    all_of = [(Topic.COMPARISON, message) for message in (listed | whole).values()]
    all_of += [(topic, message) for topic, message in found.messages if topic in CALLBACK_TOPICS[1:]]
    timed = [(_time(message), topic, message) for topic, message in all_of]
    yield from sorted(timed, key=lambda one: (one[0], CALLBACK_TOPICS.index(one[1])))


def _time(message: JsonObject) -> datetime:
    data = inner(message, "data")
    given = text_of(data.get("completed_at")) or text_of(message.get("event_timestamp"))
    try:
        when = instant_of(given)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _message(row: JsonObject, number: int, *, batch: str) -> JsonObject:
    """The message that a row of the artefact stands for."""
    winner, loser = text_of(row.get("winner_id")), text_of(row.get("loser_id"))
    first, second = text_of(row.get("essay_a_id")), text_of(row.get("essay_b_id"))
    if not first or not second:
        order = int(sha256_hex(f"{number}|{winner}|{loser}".encode())[:2], 16) % 2
        first, second = (winner, loser) if order else (loser, winner)
    is_failed = row.get("status") == "failed"
    request_id = text_of(row.get("request_id")) or f"imported-{row.get('sequence', number)}"
    code = text_of(row.get("error_code")) or "UNKNOWN"
    error: JsonValue = {"error_code": code, "message": text_of(row.get("failure_reason"))} if is_failed else None
    usage: JsonValue = {"prompt_tokens": row.get("tokens_prompt"), "completion_tokens": row.get("tokens_completion")}
    conditions: JsonValue = {
        "essay_a_id": first,
        "essay_b_id": second,
        "bos_batch_id": batch,
        "prompt_sha256": row.get("prompt_hash"),
    }
    return {
        "data": {
            "request_id": request_id,
            "correlation_id": row.get("correlation_id"),
            "winner": None if is_failed else f"Essay {'A' if winner == first else 'B'}",
            "error_detail": error,
            "token_usage": usage,
            "cost_estimate": row.get("cost_usd"),
            "requested_at": row.get("started_at"),
            "request_metadata": conditions,
            **{key: row.get(key) for key in ("completed_at", "provider", "model", "confidence", "justification")},
        }
    }


def _origin(found: ForeignStudy, metadata: JsonObject) -> Origin:
    rows = found.comparisons
    unknown = any(not row.get("essay_a_id") for row in rows)
    version = text_of(metadata.get("runner_version"))
    return Origin(
        kind="import",
        program=f"HuleEdu's runner{f' {version}' if version else ''}",
        made_at=SystemClock().now(),
        sources=tuple(RecordFile(name=path.name, sha256=file_digest(path)[0]) for path in found.files),
        missing=(
            *((_TEXTS, _MESSAGES) if found.artefact else (_FILES,)),  # of events alone all messages are there
            *_MISSING,
            *((_NO_ORDER,) if unknown else ()),
        ),
        order_unknown=unknown,
    )


def _shortcomings(found: ForeignStudy) -> tuple[str, ...]:
    status = inner(found.artefact, "validation", "runner_status")
    if status.get("partial_data") is not True:
        return ()
    return (f"HuleEdu's runner stopped waiting after {status.get('timeout_seconds')} s, so comparisons may be missing",)
