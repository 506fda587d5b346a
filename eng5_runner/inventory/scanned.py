"""What a scan of an assets folder gives, before it is decided whether a run can be made of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.inputs import Document, Finding, SourceFile
from eng5_runner.inventory.document_text import Remark
from eng5_runner.inventory.essay_ids import stem_of
from eng5_runner.inventory.known_files import FileRecord
from eng5_runner.inventory.plausibility import Doubt, content_words, doubts
from eng5_runner.inventory.text import word_count
from eng5_runner.judges.prompts import EssayLength

if TYPE_CHECKING:
    from eng5_runner.inventory.quick_look import QuickLook


class ScannedText(NamedTuple):
    """The text of a file that could be read.

    Attributes:
        file: where it comes from.
        text: normalised; None if the file is known from an earlier reading and was not read.
        characters: of the text.
        length: as it is stored, and shown to a judge.
        text_sha256: of the text's UTF-8 bytes, 64 hexadecimal digits.
        word_count: words as separated by white space.
        words_sha256: of its `content_words`; "" if it has none.
        doubts: what the text shows that no essay has; of an essay only.
    """

    file: SourceFile
    text: str | None
    characters: int
    length: EssayLength
    text_sha256: str
    word_count: int
    words_sha256: str
    doubts: tuple[Doubt, ...]

    @classmethod
    def of(
        cls,
        file: SourceFile,
        text: str,
        *,
        language: str | None,
        data: bytes | None = None,
        look: QuickLook | None = None,
    ) -> ScannedText:
        """Hash, count and examine a normalised text.

        Args:
            file: where it comes from.
            text: normalised.
            language: of the essay; None for a text that is no essay.
            data: of the file, which is not hashed again if it is the text itself.
            look: what was seen of the text already.
        """
        encoded = text.encode()
        if look is None:
            words, count = content_words(text), word_count(text)
            words_sha256 = sha256_hex(" ".join(words).encode()) if words else ""
            found = doubts(text, language=language, words=words) if language and text else []
        else:
            count, words_sha256, is_clear = look
            found = doubts(text, language=language) if language and text and not is_clear else []
        return cls(
            file=file,
            text=text,
            characters=len(text),
            length=EssayLength.of(text),
            text_sha256=file.sha256 if encoded == data else sha256_hex(encoded),
            word_count=count,
            words_sha256=words_sha256,
            doubts=tuple(found),
        )

    def record(self, remarks: Iterable[Remark]) -> FileRecord:
        """What to keep of the file for later readings."""
        return FileRecord(
            file_format=self.file.format,
            sha256=self.file.sha256,
            encoding=self.file.encoding,
            text_sha256=self.text_sha256,
            word_count=self.word_count,
            characters=self.characters,
            length=self.length,
            words_sha256=self.words_sha256,
            doubts=[(doubt.kind, dict(doubt.facts)) for doubt in self.doubts],
            remarks=[(remark.kind, dict(remark.facts)) for remark in remarks],
            size=self.file.size,
        )

    def document(self) -> Document:
        """The same as instructions or prompt, which keep their text and are always read."""
        assert self.text is not None
        return Document(file=self.file, text=self.text, text_sha256=self.text_sha256, word_count=self.word_count)


@cache
def _source_files() -> TypeAdapter[list[SourceFile]]:
    return TypeAdapter(list[SourceFile])


def known_texts(records: Mapping[str, FileRecord]) -> list[ScannedText]:
    """The texts of files that are as they were, by source path. Made together they take half the time."""
    paths = [unicodedata.normalize("NFC", path) for path in records]
    files = _source_files().validate_python(
        {
            "source_path": path,
            "file_name": path.rpartition("/")[2],
            "sha256": record.sha256,
            "size": record.size,
            "encoding": record.encoding,
            "format": record.file_format,
        }
        for path, record in zip(paths, records.values(), strict=True)
    )
    return [
        ScannedText(
            file,
            None,
            record.characters,
            record.length,
            record.text_sha256,
            record.word_count,
            record.words_sha256,
            tuple([Doubt(kind, facts) for kind, facts in record.doubts]) if record.doubts else (),
        )
        for file, record in zip(files, records.values(), strict=True)
    ]


class ScannedFile(NamedTuple):
    """A file that exists.

    Attributes:
        source_path: under which it is shown: relative to the assets folder, with `/`.
        own_name: the name that it has, without its folder. It may be private, and is never shown.
        content: its text, or None if it could not be read, which a finding explains.
    """

    source_path: str
    own_name: str
    content: ScannedText | None

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
