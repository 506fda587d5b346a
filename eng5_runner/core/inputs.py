"""What a run is about: its documents, anchors and students, and what is wrong with them.

`Inputs` is saved as `inputs.json` in the run directory and read back; its digest ties a ledger to it. It holds no
essay's text: texts travel beside it, keyed by `text_sha256`.
"""

from __future__ import annotations

import unicodedata
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from eng5_runner.canonical import canonical_json, sha256_hex

FileFormat = Literal["txt", "md", "docx", "pdf", "csv", "xlsx"]

MissingKind = Literal[
    "missing_instructions",
    "missing_prompt",
    "missing_file",  # named in eng5.toml, and not there
    "no_anchors",
    "no_students",
]
InvalidKind = Literal[
    # the folder
    "invalid_settings",
    "outside_folder",
    "not_a_regular_file",
    "undecodable_name",
    "unreadable_file",
    "unsupported_format",
    "ignored_folder",
    # the contents of one file
    "too_large",
    "unknown_encoding",
    "control_characters",
    "damaged_document",
    "encrypted_document",
    "scanned_document",
    "forbidden_xml",
    "external_content",
    "extraction_stopped",
    "empty_text",
    "short_anchor",
    # the anchor table
    "unreadable_table",
    "table_without_grades",
    "duplicate_row",
    "row_without_file",
    "file_without_row",
    # all together
    "id_collision",
    "reserved_id",
    "anchor_without_grade",
    "unknown_grade",
    "grade_disagrees",
    "identical_text",
    "too_few_students",
    "too_few_anchors",
]
FindingKind = MissingKind | InvalidKind

_MISSING: frozenset[str] = frozenset(get_args(MissingKind))


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Value):
    """One thing about the assets that a person should know before anything is sent.

    Attributes:
        severity: an `error` stops the run, a `warning` does not.
        kind: what is wrong, for programs.
        file: the file or folder, relative to the assets folder, safe to show.
        message: what is wrong, in one sentence.
        remedy: what to do about it.
    """

    severity: Literal["error", "warning"]
    kind: FindingKind
    file: str
    message: str
    remedy: str

    @property
    def is_missing(self) -> bool:
        """Whether something is not there (exit 66); otherwise something is unusable (exit 65)."""
        return self.kind in _MISSING


class SourceFile(_Value):
    """A file of the assets folder as it was read.

    Attributes:
        source_path: relative to the assets folder, with `/`, in composed Unicode on every machine.
        file_name: its last part.
        sha256: of the file's bytes, 64 hexadecimal digits.
        size: of the file, in bytes.
        encoding: how plain text was decoded: `utf-8`, `utf-8-sig`, `utf-16-le` …, or `cp1252 given` where a
            person named it; None for docx, pdf and xlsx.
        format: the kind of file, from its suffix.
    """

    source_path: str
    file_name: str
    sha256: str
    size: int
    encoding: str | None
    format: FileFormat

    @classmethod
    def of(cls, data: bytes, *, source_path: str, encoding: str | None, file_format: FileFormat) -> SourceFile:
        """Describe a file by its bytes; the other parameters are the attributes of that name."""
        path = unicodedata.normalize("NFC", source_path)
        return cls(
            source_path=path,
            file_name=path.rpartition("/")[2],
            sha256=sha256_hex(data),
            size=len(data),
            encoding=encoding,
            format=file_format,
        )


class Document(_Value):
    """Instructions or prompt, with the text.

    Attributes:
        file: where it came from.
        text: normalised (NFC, line ends as LF, no trailing white space).
        text_sha256: of the text's UTF-8 bytes.
        word_count: words as separated by white space.
    """

    file: SourceFile
    text: str
    text_sha256: str
    word_count: int


class Student(_Value):
    """A student's essay; the text is kept elsewhere under `text_sha256`."""

    essay_id: str
    file: SourceFile
    text_sha256: str
    word_count: int


class Anchor(_Value):
    """An essay of known grade; the text is kept elsewhere under `text_sha256`.

    Attributes:
        anchor_id: our id, starts with `anchor`.
        file: where it came from.
        grade: a grade of the run's scale.
        text_sha256: of the extracted text's UTF-8 bytes.
        word_count: words as separated by white space.
        label: the file name without its suffix, in composed Unicode, by which the CJ service registers it.
    """

    anchor_id: str
    file: SourceFile
    grade: str
    text_sha256: str
    word_count: int
    label: str


class Inputs(_Value):
    """Everything that a run takes from its assets folder, free of errors.

    Attributes:
        grade_scale: the scale's id, a key of `GRADE_SCALES`.
        instructions: what the judges go by.
        prompt: the task that the students were given.
        anchor_table: where the grades came from, or None where file names carry them.
        anchors: at least one, sorted by id.
        students: at least two, sorted by id; none where the anchors are compared alone.
        notes: facts about the reading that are no findings, such as the number of junk files passed over.
    """

    grade_scale: str
    instructions: Document
    prompt: Document
    anchor_table: SourceFile | None
    anchors: tuple[Anchor, ...]
    students: tuple[Student, ...]
    notes: tuple[str, ...]

    def digest(self) -> str:
        """The SHA-256 of the canonical JSON without the notes, 64 hexadecimal digits.

        A stray `.DS_Store` changes the notes; it must not part a run from its inputs.
        """
        return sha256_hex(canonical_json(self.model_dump(mode="json", exclude={"notes"})))


def shown(name: str) -> str:
    """The name with everything escaped that could move a cursor, break a line or not be encoded."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in name)
