"""Which role the two text files have in two runs. Earlier versions swapped the roles of the field's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias

from eng5_runner.results.artefact.part import Part
from eng5_runner.results.artefact.study import DocumentRecord, InputsRecord

INSTRUCTIONS: Final = "the judge's instructions"
TASK: Final = "the students' task"
Role: TypeAlias = Literal["the judge's instructions", "the students' task"]


class SwappedText(Part):
    """A text that is the judge's instructions in one run and the students' task in the other."""

    file: str
    """Its file, by its name in the first run."""
    role_a: Role
    """What it is in the first run."""
    role_b: Role
    """What it is in the second run."""


def swapped_texts(a: InputsRecord, b: InputsRecord) -> Iterator[SwappedText]:
    """The texts with another role in the other run.

    They are known by the text, or by the file's name where the text was edited in between.
    """
    if _same_document(a.instructions, b.instructions) or _same_document(a.prompt_reference, b.prompt_reference):
        return
    if _same_document(a.instructions, b.prompt_reference):
        yield SwappedText(file=_name(a.instructions), role_a=INSTRUCTIONS, role_b=TASK)
    if _same_document(a.prompt_reference, b.instructions):
        yield SwappedText(file=_name(a.prompt_reference), role_a=TASK, role_b=INSTRUCTIONS)


def _same_document(one: DocumentRecord, other: DocumentRecord) -> bool:
    if not (one.content and other.content):
        return False
    return one.content_sha256 == other.content_sha256 or _name(one) == _name(other)


def _name(document: DocumentRecord) -> str:
    return PurePosixPath(document.source_path).name
