"""From what was found in the folder to what a run is about; everything that is wrong is said at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.core.inputs import Anchor, Finding, Inputs, MissingKind, Student, shown
from eng5_runner.inventory.anchor_grades import grade_anchors
from eng5_runner.inventory.essay_ids import ANCHOR_PREFIX, anchor_id, student_id
from eng5_runner.inventory.scan import Material, ReadText, ScannedFile

MIN_ANCHOR_CHARACTERS = 100
"""The CJ service registers no shorter anchor."""
MIN_STUDENTS = 2
"""With one student and anchors the CJ service never answers."""


def assemble(
    material: Material, scale: GradeScale, *, anchors_only: bool = False
) -> tuple[Inputs | None, tuple[Finding, ...]]:
    """Make inputs of the material, or say everything that prevents it.

    Args:
        material: what was found in the folder.
        scale: the run's grade scale.
        anchors_only: the anchors are compared alone, without any student.

    Returns:
        The inputs, or None where a finding is an error; and all findings, errors first, those of the material
        among them.
    """
    grades, grade_findings = grade_anchors(material.anchors, table=material.anchor_table, scale=scale)
    findings = sorted(
        {  # a set, because anchors and students may be told to be in one folder
            *material.findings,
            *_missing(material),
            *(_lone_anchor(material) if anchors_only else _too_few_students(material)),
            *_colliding(material),
            *grade_findings,
            *_empty(material),
            *_short(material.anchors),
            *_identical(material),
        },
        key=lambda finding: (finding.severity, finding.file, finding.kind, finding.message),
    )
    if any(finding.severity == "error" for finding in findings):
        return None, tuple(findings)
    return _inputs(material, scale=scale, grades=grades), tuple(findings)


def _inputs(material: Material, *, scale: GradeScale, grades: Mapping[str, str]) -> Inputs:
    instructions, prompt = _content(material.instructions), _content(material.prompt)
    anchors = [
        Anchor(
            anchor_id=anchor_id(each.stem),
            file=content.file,
            grade=grades[each.source_path],
            text_sha256=content.text_sha256,
            word_count=content.word_count,
            label=PurePosixPath(content.file.file_name).stem,
        )
        for each, content in _read(material.anchors)
    ]
    students = [
        Student(
            essay_id=student_id(each.stem),
            file=content.file,
            text_sha256=content.text_sha256,
            word_count=content.word_count,
        )
        for each, content in _read(material.students)
    ]
    return Inputs(
        grade_scale=scale.scale_id,
        instructions=instructions.document(),
        prompt=prompt.document(),
        anchor_table=None if material.anchor_table is None else material.anchor_table.file,
        anchors=tuple(sorted(anchors, key=lambda anchor: anchor.anchor_id)),
        students=tuple(sorted(students, key=lambda student: student.essay_id)),
        notes=material.notes,
    )


def _content(scanned: ScannedFile | None) -> ReadText:
    # A file that is missing or unreadable has an error, and with an error no inputs are made.
    assert scanned is not None
    assert scanned.content is not None
    return scanned.content


def _read(files: Iterable[ScannedFile]) -> list[tuple[ScannedFile, ReadText]]:
    return [(each, each.content) for each in files if each.content is not None]


def _missing(material: Material) -> list[Finding]:
    findings = []
    if material.instructions is None:
        findings.append(_absent("missing_instructions", setting="instructions", usual="instructions.md"))
    if material.prompt is None:
        findings.append(_absent("missing_prompt", setting="prompt", usual="prompt.md"))
    if not material.anchors:
        findings.append(_absent("no_anchors", setting="anchor_essays", usual="anchor_essays/"))
    return findings


def _too_few_students(material: Material) -> list[Finding]:
    if not material.students:
        return [_absent("no_students", setting="student_essays", usual="student_essays/")]
    if len(material.students) >= MIN_STUDENTS:
        return []
    return [
        Finding(
            severity="error",
            kind="too_few_students",
            file=shown(material.students[0].source_path),
            message="There is one student essay only; the CJ service answers nothing to that.",
            remedy="Put at least two student essays into the folder.",
        )
    ]


def _lone_anchor(material: Material) -> list[Finding]:
    if len(material.anchors) != 1:
        return []
    return [
        Finding(
            severity="error",
            kind="too_few_anchors",
            file=shown(material.anchors[0].source_path),
            message="There is one anchor only, and nothing to compare it with.",
            remedy="Put more anchors into the folder; six or more let the agreement have an interval.",
        )
    ]


_ABSENT: Mapping[MissingKind, str] = MappingProxyType(
    {
        "missing_instructions": "There are no instructions, which say what the judges go by.",
        "missing_prompt": "There is no prompt, the task that the students were given.",
        "no_anchors": "There are no anchors; a run needs at least one.",
        "no_students": "There are no student essays; a run needs at least two.",
    }
)


def _absent(kind: MissingKind, *, setting: str, usual: str) -> Finding:
    return Finding(
        severity="error",
        kind=kind,
        file=usual,
        message=_ABSENT[kind],
        remedy=f"Put it at {usual} in the assets folder, or name its place in eng5.toml there: "
        f'[assets] {setting} = "…".',
    )


def _colliding(material: Material) -> list[Finding]:
    owners: defaultdict[str, list[str]] = defaultdict(list)
    findings = []
    for anchor in material.anchors:
        owners[anchor_id(anchor.stem)].append(anchor.source_path)
    for student in material.students:
        essay_id = student_id(student.stem)
        owners[essay_id].append(student.source_path)
        if essay_id.startswith(ANCHOR_PREFIX):
            findings.append(_reserved(student, essay_id))
    return findings + [_collision(essay_id, paths) for essay_id, paths in owners.items() if len(paths) > 1]


def _reserved(student: ScannedFile, essay_id: str) -> Finding:
    return Finding(
        severity="error",
        kind="reserved_id",
        file=shown(student.source_path),
        message=f"The essay id {essay_id} starts with {ANCHOR_PREFIX}; the CJ service would count the student "
        "as an anchor.",
        remedy="Rename the file.",
    )


def _collision(essay_id: str, paths: Sequence[str]) -> Finding:
    members = sorted(paths)
    return Finding(
        severity="error",
        kind="id_collision",
        file=shown(members[0]),
        message=f"{len(members)} files get the same essay id {essay_id}: {', '.join(map(shown, members))}.",
        remedy="Rename or remove all but one; case, accents and the suffix do not tell essays apart.",
    )


def _documents(material: Material) -> list[ScannedFile]:
    return [each for each in (material.instructions, material.prompt) if each is not None]


def _empty(material: Material) -> list[Finding]:
    return [
        Finding(
            severity="error",
            kind="empty_text",
            file=shown(each.source_path),
            message="The file has no text.",
            remedy="Put the text into the file, or remove the file.",
        )
        for each, content in _read((*_documents(material), *material.anchors, *material.students))
        if not content.text
    ]


def _short(anchors: Iterable[ScannedFile]) -> list[Finding]:
    return [
        Finding(
            severity="warning",
            kind="short_anchor",
            file=shown(each.source_path),
            message=f"The anchor has {len(content.text)} characters; the CJ service registers none below "
            f"{MIN_ANCHOR_CHARACTERS}.",
            remedy="See whether the whole essay is in the file.",
        )
        for each, content in _read(anchors)
        if 0 < len(content.text) < MIN_ANCHOR_CHARACTERS
    ]


def _identical(material: Material) -> list[Finding]:
    same: defaultdict[str, list[str]] = defaultdict(list)
    for each, content in _read((*material.anchors, *material.students)):
        if content.text:
            same[content.text_sha256].append(each.source_path)
    return [
        Finding(
            severity="warning",
            kind="identical_text",
            file=shown(min(paths)),
            message=f"{len(paths)} essays have the same text: {', '.join(map(shown, sorted(paths)))}.",
            remedy="Remove the copies, unless they are meant to be compared with one another.",
        )
        for paths in same.values()
        if len(paths) > 1
    ]
