"""What a scan of an assets folder gives, before it is decided whether a run can be made of it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.inputs import FileFormat, Finding, SourceFile
from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.essay_ids import stem_of
from eng5_runner.inventory.known_files import FileRecord
from eng5_runner.inventory.plausibility import Doubt, content_words, doubts
from eng5_runner.inventory.text import word_count
from eng5_runner.judges.prompts import EssayLength

if TYPE_CHECKING:
    from eng5_runner.inventory.quick_look import QuickLook


def record_of(
    data: bytes,
    document: DocumentText,
    *,
    file_format: FileFormat,
    encoding: str | None,
    language: str | None,
    look: QuickLook | None = None,
) -> FileRecord:
    """Hash, count and examine the text of a file.

    Args:
        data: the file.
        document: its normalised text.
        file_format: as which it was read.
        encoding: how plain text was decoded.
        language: of the essay; None for a text that is no essay.
        look: what was seen of the text already.
    """
    text = document.text
    encoded, sha256 = text.encode(), sha256_hex(data)
    if look is None:
        words, count = content_words(text), word_count(text)
        words_sha256 = sha256_hex(" ".join(words).encode()) if words else ""
        found = doubts(text, language=language, words=words) if language and text else []
    else:
        count, words_sha256, is_clear = look
        found = doubts(text, language=language) if language and text and not is_clear else []
    return FileRecord(
        file_format,
        sha256,
        encoding,
        sha256 if encoded == data else sha256_hex(encoded),
        count,
        len(text),
        EssayLength.of(text),
        words_sha256,
        [(doubt.kind, dict(doubt.facts)) for doubt in found] if found else [],
        [(remark.kind, dict(remark.facts)) for remark in document.remarks] if document.remarks else [],
        len(data),
    )


class ScannedFile(NamedTuple):
    """A file that exists.

    Attributes:
        source_path: under which it is shown: relative to the assets folder, with `/`.
        own_name: the name that it has, without its folder. It may be private, and is never shown.
        record: what was found in it, now or earlier, or None if it could not be read, which a finding explains.
        text: normalised; None if the file was not read now.
    """

    source_path: str
    own_name: str
    record: FileRecord | None
    text: str | None

    @property
    def doubts(self) -> list[Doubt]:
        """What the text shows that no essay has; of an essay only."""
        return [Doubt(kind, facts) for kind, facts in self.record.doubts] if self.record and self.record.doubts else []

    def source(self) -> dict[str, str | int | None]:
        """The fields of its `SourceFile`; to make all of them in one call takes a third of the time."""
        assert self.record is not None
        path = unicodedata.normalize("NFC", self.source_path)
        return {
            "source_path": path,
            "file_name": path.rpartition("/")[2],
            "sha256": self.record.sha256,
            "size": self.record.size,
            "encoding": self.record.encoding,
            "format": self.record.file_format,
        }

    @property
    def stem(self) -> str:
        """The name under which it is shown, without its suffix."""
        return stem_of(self.source_path)

    @property
    def own_stem(self) -> str:
        """Its own name without its suffix. It may be private, and is never shown."""
        return stem_of(self.own_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorTableRow:
    """A row of the anchor table.

    Attributes:
        line: its number in the table, 1 for the first line.
        anchor_id: as written; matched with the file name without suffix.
        grade: as written, "" where the cell is empty.
        file_name: as written, "" where the table has none.
        is_private: whether what is written must not be shown.
    """

    line: int
    anchor_id: str
    grade: str
    file_name: str
    is_private: bool = False

    def shown(self, cell: str) -> str:
        """A cell for a finding."""
        return "not shown" if self.is_private else cell


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorTable:
    """The anchor table.

    Attributes:
        source_path: relative to the assets folder, with `/`.
        file: as it was read, or None if it could not be.
        rows: without empty ones, or None if they could not be read, which a finding explains.
    """

    source_path: str
    file: SourceFile | None
    rows: tuple[AnchorTableRow, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedAssets:
    """Everything in the folder, and what is already known to be wrong with it.

    Attributes:
        instructions: None if there is no such file; likewise `prompt` and `anchor_table`.
        prompt: the task that the students were given.
        anchor_table: gives the anchors' grades.
        anchors: files of the anchor folder.
        students: files of the student folder.
        findings: about the folder and about each file.
        notes: facts that are no findings.
    """

    instructions: ScannedFile | None
    prompt: ScannedFile | None
    anchor_table: AnchorTable | None
    anchors: tuple[ScannedFile, ...]
    students: tuple[ScannedFile, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[ScannedFile, ...]:
        """All files but the anchor table."""
        documents = (file for file in (self.instructions, self.prompt) if file is not None)
        return (*documents, *self.anchors, *self.students)
