"""What was found in an assets folder, before anybody judged whether a run can be made of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from eng5_runner.core.inputs import Document, Finding, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadText:
    """The text of a file that could be read.

    Attributes:
        file: where it came from.
        text: normalised.
        text_sha256: of the text's UTF-8 bytes, 64 hexadecimal digits.
        word_count: words as separated by white space.
    """

    file: SourceFile
    text: str
    text_sha256: str
    word_count: int

    @classmethod
    def of(cls, file: SourceFile, text: str) -> ReadText:
        """Hash and count a normalised text."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        return cls(file=file, text=text, text_sha256=digest, word_count=len(text.split()))

    def document(self) -> Document:
        """The same as instructions or prompt, which keep their text."""
        return Document(file=self.file, text=self.text, text_sha256=self.text_sha256, word_count=self.word_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedFile:
    """A file that is there.

    Attributes:
        source_path: relative to the assets folder, with `/`.
        content: what it says, or None where it could not be read, which a finding tells.
    """

    source_path: str
    content: ReadText | None

    @property
    def name(self) -> str:
        """The file name."""
        return PurePosixPath(self.source_path).name

    @property
    def stem(self) -> str:
        """The file name without its suffix."""
        return PurePosixPath(self.source_path).stem


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorTableRow:
    """A row of the anchor table.

    Attributes:
        line: where it stands in the table, 1 for the heading.
        anchor_id: as written; matched with the file name without suffix.
        grade: as written, "" where the cell is empty.
        file_name: as written, "" where the table does not say.
    """

    line: int
    anchor_id: str
    grade: str
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorTable:
    """The anchor table.

    Attributes:
        source_path: relative to the assets folder, with `/`.
        file: as it was read, or None where it could not be.
        rows: without empty ones, or None where they could not be read, which a finding tells.
    """

    source_path: str
    file: SourceFile | None
    rows: tuple[AnchorTableRow, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that was found in the folder, and what was already seen to be wrong with it.

    Attributes:
        instructions: None where there is no such file; likewise `prompt` and `anchor_table`.
        prompt: the task that the students were given.
        anchor_table: where the grades stand.
        anchors: files of the anchors' folder.
        students: files of the students' folder.
        findings: of the folder and of each file.
        notes: facts that are no findings.
    """

    instructions: ScannedFile | None
    prompt: ScannedFile | None
    anchor_table: AnchorTable | None
    anchors: tuple[ScannedFile, ...]
    students: tuple[ScannedFile, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
