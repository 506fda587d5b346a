"""From the scanned folder to the inputs of a run; everything that is wrong is reported at once."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.core.inputs import Finding, Inputs, MissingKind, shown
from eng5_runner.inventory.anchor_grades import grade_anchors
from eng5_runner.inventory.essay_ids import ANCHOR_PREFIX, anchor_id, stem_of, student_id
from eng5_runner.inventory.findings import finding
from eng5_runner.inventory.flags import essay_flags
from eng5_runner.inventory.known_files import FileRecord
from eng5_runner.inventory.plausibility import unusual_lengths
from eng5_runner.inventory.scanned import ScannedAssets, ScannedFile

MIN_ANCHOR_CHARACTERS = 100
"""The CJ service registers no shorter anchor."""
MIN_STUDENTS = 2
"""With one student and anchors the CJ service never answers."""


def assemble(
    scanned: ScannedAssets, scale: GradeScale, *, texts: Mapping[str, bytes], anchors_only: bool = False
) -> tuple[Inputs | None, tuple[Finding, ...]]:
    """Make inputs of a scanned folder, or report everything that prevents it.

    Args:
        scanned: the folder.
        scale: the run's grade scale.
        texts: of the essays, by `text_sha256`. They are asked for only if an essay needs to be compared with others.
        anchors_only: the anchors are compared alone, without any student.

    Returns:
        The inputs, or None if a finding is an error; and all findings, errors first, those of the scan included.
    """
    ids = _Ids.of(scanned)
    grades, grade_findings = grade_anchors(scanned.anchors, table=scanned.anchor_table, scale=scale)
    findings = sorted(
        {  # a set, because anchors and students may be in the same folder
            *scanned.findings,
            *_missing(scanned, anchors_only=anchors_only),
            *_too_few(scanned, anchors_only=anchors_only),
            *_id_collisions(ids),
            *grade_findings,
            *_texts(scanned),
            *_doubts(scanned),
            *_identical(scanned),
        },
        key=lambda finding: (finding.severity, finding.file, finding.kind, finding.message),
    )
    if any(finding.severity == "error" for finding in findings):
        return None, tuple(findings)
    inputs = _inputs(scanned, ids=ids, scale=scale, grades=grades)
    return inputs.model_copy(update={"flags": essay_flags(scanned, findings, texts=texts)}), tuple(findings)


class _Ids(NamedTuple):
    """The essays with their ids."""

    anchors: Sequence[tuple[str, ScannedFile]]
    students: Sequence[tuple[str, ScannedFile]]

    @classmethod
    def of(cls, scanned: ScannedAssets) -> _Ids:
        return cls(
            anchors=[(anchor_id(anchor.stem), anchor) for anchor in scanned.anchors],
            students=[(student_id(student.stem), student) for student in scanned.students],
        )


def _inputs(scanned: ScannedAssets, *, ids: _Ids, scale: GradeScale, grades: Mapping[str, str]) -> Inputs:
    anchors = [
        {
            "anchor_id": essay_id,
            "grade": grades[anchor.source_path],
            "label": stem_of(unicodedata.normalize("NFC", anchor.source_path)),
            **_fields(anchor),
        }
        for essay_id, anchor in sorted(ids.anchors, key=itemgetter(0))
        if anchor.record is not None
    ]
    students = (
        {"essay_id": essay_id, **_fields(student)}
        for essay_id, student in sorted(ids.students, key=itemgetter(0))
        if student.record is not None
    )
    # From dicts, all students are made in one call, in half the time.
    return Inputs.model_validate(
        {
            "grade_scale": scale.scale_id,
            "instructions": None if scanned.instructions is None else _document(scanned.instructions),
            "prompt": None if scanned.prompt is None else _document(scanned.prompt),
            "anchor_table": None if scanned.anchor_table is None else scanned.anchor_table.file,
            "anchors": anchors,
            "students": students,
            "notes": scanned.notes,
        }
    )


def _fields(file: ScannedFile) -> dict[str, object]:
    """The fields that students, anchors and documents share. With an error in one of them no inputs are made."""
    assert file.record is not None
    return {"file": file.source(), "text_sha256": file.record.text_sha256, "word_count": file.record.word_count}


def _document(document: ScannedFile) -> dict[str, object]:
    return {**_fields(document), "text": document.text}


def _readable(files: Iterable[ScannedFile]) -> list[tuple[ScannedFile, FileRecord]]:
    return [(file, file.record) for file in files if file.record is not None]


def _missing(scanned: ScannedAssets, *, anchors_only: bool) -> Iterator[Finding]:
    parts: tuple[tuple[MissingKind, object, str, str], ...] = (
        ("missing_instructions", scanned.instructions, "instructions", "instructions.md"),
        ("missing_prompt", scanned.prompt, "prompt", "prompt.md"),
        ("no_anchors", scanned.anchors, "anchor_essays", "anchor_essays/"),
        ("no_students", scanned.students or anchors_only, "student_essays", "student_essays/"),
    )
    for kind, part, setting, usual in parts:
        if not part:
            yield finding(kind, usual, setting=setting, usual=usual)


def _too_few(scanned: ScannedAssets, *, anchors_only: bool) -> Iterator[Finding]:
    if anchors_only and len(scanned.anchors) == 1:
        yield finding("too_few_anchors", scanned.anchors[0].source_path)
    if not anchors_only and 0 < len(scanned.students) < MIN_STUDENTS:
        yield finding("too_few_students", scanned.students[0].source_path)


def _id_collisions(ids: _Ids) -> Iterator[Finding]:
    for essay_id, student in ids.students:
        if essay_id.startswith(ANCHOR_PREFIX):
            yield finding("reserved_id", student.source_path, essay_id=essay_id, prefix=ANCHOR_PREFIX)
    for essay_id, paths in _shared([(essay_id, file.source_path) for essay_id, file in (*ids.anchors, *ids.students)]):
        yield finding("id_collision", min(paths), count=len(paths), essay_id=essay_id, files=_listed(paths))


def _texts(scanned: ScannedAssets) -> Iterator[Finding]:
    for file, record in _readable(scanned.files):
        if not record.characters:
            yield finding("empty_text", file.source_path)
    for anchor, record in _readable(scanned.anchors):
        if 0 < record.characters < MIN_ANCHOR_CHARACTERS:
            length, least = record.characters, MIN_ANCHOR_CHARACTERS
            yield finding("short_anchor", anchor.source_path, characters=length, least=least)


def _doubts(scanned: ScannedAssets) -> Iterator[Finding]:
    """What makes it doubtful that a text is an essay."""
    students = _readable(scanned.students)
    for anchor in scanned.anchors:
        # of a short anchor, short_anchor tells more
        yield from (doubt.finding(anchor.source_path) for doubt in anchor.doubts if doubt.kind != "short_text")
    for student, record in students:
        if record.doubts:
            yield from (doubt.finding(student.source_path) for doubt in student.doubts)
    words = {student.source_path: record.word_count for student, record in students if record.characters}
    for path, doubt in unusual_lengths(words).items():
        yield doubt.finding(path)


def _identical(scanned: ScannedAssets) -> Iterator[Finding]:
    words = [(record.words_sha256, file.source_path) for file, record in _readable(scanned.files)]
    for _, paths in _shared([(sha256, path) for sha256, path in words if sha256]):
        yield finding("identical_text", min(paths), count=len(paths), files=_listed(paths))


def _shared(keyed: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Sequence[str]]]:
    """The keys that several files have, each with the paths of these files."""
    counts = Counter([key for key, _ in keyed])
    if len(counts) == len(keyed):
        return
    paths: defaultdict[str, list[str]] = defaultdict(list)
    for key, path in keyed:
        if counts[key] > 1:
            paths[key].append(path)
    yield from paths.items()


def _listed(paths: Iterable[str]) -> str:
    return ", ".join(map(shown, sorted(paths)))
