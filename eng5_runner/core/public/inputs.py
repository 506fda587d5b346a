"""What a run was about, without names: documents whole, essays by pseudonym and hash."""

from __future__ import annotations

from typing import TypeVar

from eng5_runner.core.inputs import Anchor, Document, EssayFlag, Inputs, SourceFile, Student
from eng5_runner.core.public.pseudonyms import PublicNames

EssayT = TypeVar("EssayT", Anchor, Student)


def public_inputs(inputs: Inputs, names: PublicNames) -> Inputs:
    """The inputs of the copy.

    The anchor table is left out: it lists file names, and its hash could be guessed from them.
    """
    return Inputs(
        grade_scale=inputs.grade_scale,
        instructions=None if inputs.instructions is None else _document(inputs.instructions, "instructions"),
        prompt=_document(inputs.prompt, "task"),
        anchor_table=None,
        anchors=tuple(sorted((_anchor(anchor, names) for anchor in inputs.anchors), key=lambda one: one.anchor_id)),
        students=tuple(sorted((_student(one, names) for one in inputs.students), key=lambda one: one.essay_id)),
        notes=(),
        flags=tuple(sorted((_flag(flag, names) for flag in inputs.flags), key=lambda one: one.essay_id)),
    )


def _anchor(anchor: Anchor, names: PublicNames) -> Anchor:
    name = names.essays[anchor.anchor_id]
    return Anchor(
        anchor_id=name,
        file=_file(anchor.file, name, folder="anchor_essays/", names=names),
        grade=anchor.grade,
        text_sha256=names.text_hash(anchor.text_sha256),
        word_count=anchor.word_count,
        label=name,
    )


def _student(student: Student, names: PublicNames) -> Student:
    name = names.essays[student.essay_id]
    return Student(
        essay_id=name,
        file=_file(student.file, name, folder="student_essays/", names=names),
        text_sha256=names.text_hash(student.text_sha256),
        word_count=student.word_count,
    )


def _flag(flag: EssayFlag, names: PublicNames) -> EssayFlag:
    twin = names.essays.get(flag.twin or "")
    return EssayFlag(essay_id=names.essays[flag.essay_id], kinds=flag.kinds, twin=twin)


def _document(document: Document, name: str) -> Document:
    return document.model_copy(update={"file": _file(document.file, name, folder="", names=None)})


def _file(file: SourceFile, name: str, *, folder: str, names: PublicNames | None) -> SourceFile:
    file_name = f"{name}.{file.format}"
    return SourceFile(
        source_path=folder + file_name,
        file_name=file_name,
        sha256=file.sha256 if names is None else names.text_hash(file.sha256),
        size=file.size,
        encoding=file.encoding,
        format=file.format,
    )
