"""What a run assesses: its documents, anchors and students, and the findings about them.

`Inputs` is saved as `inputs.json` in the run directory. The ledger records its digest, so that a ledger cannot be used
with other inputs. `Inputs` holds no essay text: texts are kept separately, by `text_sha256`.
"""

from __future__ import annotations

import operator
import unicodedata
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from eng5_runner.canonical import canonical_json, sha256_hex

FileFormat = Literal["txt", "md", "docx", "pdf", "csv", "xlsx"]

MissingKind = Literal[
    "missing_instructions",
    "missing_prompt",
    "missing_file",  # eng5.toml names it, and it does not exist
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
    "unused_file",
    # the contents of one file
    "too_large",
    "other_format",
    "unknown_encoding",
    "not_text",
    "control_characters",
    "damaged_document",
    "encrypted_document",
    "scanned_document",
    "picture_pages",
    "recognised_text",
    "hidden_text",
    "unknown_symbols",
    "forbidden_xml",
    "external_content",
    "embedded_content",
    "extraction_stopped",
    "empty_text",
    "short_anchor",
    # the anchor table
    "unreadable_table",
    "formula_without_value",
    "table_without_grades",
    "duplicate_row",
    "row_without_file",
    "file_without_row",
    # the inputs as a whole
    "id_collision",
    "reserved_id",
    "anchor_without_grade",
    "unknown_grade",
    "grade_disagrees",
    "identical_text",
    "too_few_students",
    "too_few_anchors",
]
DoubtKind = Literal[  # what a text shows that an essay has not
    "no_letters",
    "only_placeholder",
    "placeholder",
    "short_text",
    "unusual_length",
    "markup",
    "replacement_characters",
    "mojibake",
    "invisible_characters",
    "other_language",
    "repeated_text",
    "instructs_judge",
]
FindingKind = MissingKind | InvalidKind | DoubtKind
# What may sway a judge beside the essay itself.
FlagKind = Literal["hidden_text", "instructs_judge", "invisible_characters"]

_MISSING: frozenset[str] = frozenset(get_args(MissingKind))


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Finding(_Value):
    """A problem of the assets folder that a person should know before anything is sent.

    Attributes:
        severity: an `error` stops the run, a `warning` does not.
        kind: the kind of problem, for programs.
        file: the file or folder, relative to the assets folder, with unprintable characters escaped.
        message: the problem in one sentence.
        remedy: what the person can do about it.
    """

    severity: Literal["error", "warning"]
    kind: FindingKind
    file: str
    message: str
    remedy: str

    @property
    def is_missing(self) -> bool:
        """Whether something is missing (exit 66); otherwise something cannot be used (exit 65)."""
        return self.kind in _MISSING


class SourceFile(_Value):
    """A file of the assets folder as it was read.

    Attributes:
        source_path: relative to the assets folder, with `/`, in composed Unicode (NFC) on every machine.
        file_name: the last part of the path.
        sha256: of the file's bytes, 64 hexadecimal digits.
        size: of the file, in bytes.
        encoding: how plain text was decoded: `utf-8`, `utf-8-sig`, `utf-16-le` …, or `cp1252 given` if the user
            named it; None for docx, pdf and xlsx.
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
        """Describe a file by its bytes; the other parameters become the attributes of the same name."""
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
    """The instructions or the prompt, with the text.

    Attributes:
        file: the file that was read.
        text: normalised (NFC, line ends as LF, no trailing white space).
        text_sha256: of the text's UTF-8 bytes.
        word_count: number of words separated by white space.
    """

    file: SourceFile
    text: str
    text_sha256: str
    word_count: int


class Student(_Value):
    """A student's essay; its text is kept elsewhere, by `text_sha256`."""

    essay_id: str
    file: SourceFile
    text_sha256: str
    word_count: int


class Anchor(_Value):
    """An essay with a known grade; its text is kept elsewhere, by `text_sha256`.

    Attributes:
        anchor_id: our id; begins with `anchor`.
        file: the file that was read.
        grade: a grade of the run's scale.
        text_sha256: of the extracted text's UTF-8 bytes.
        word_count: number of words separated by white space.
        label: the file name without its suffix, in composed Unicode; the CJ service registers the anchor by it.
    """

    anchor_id: str
    file: SourceFile
    grade: str
    text_sha256: str
    word_count: int
    label: str


class EssayFlag(_Value):
    """An essay that holds what readers do not see, or speaks to the judge.

    Attributes:
        essay_id: of a student or an anchor.
        kinds: of the findings about it, sorted.
        twin: the id of an essay without a flag that is the same but for one passage, if there is one.
    """

    essay_id: str
    kinds: tuple[FlagKind, ...]
    twin: Annotated[str | None, Field(exclude_if=operator.not_)] = None


class Inputs(_Value):
    """Everything that a run takes from its assets folder, without errors.

    Attributes:
        grade_scale: the scale's id, a key of `GRADE_SCALES`.
        instructions: the criteria by which the judges compare; None if the folder has none, and then the service's own
            apply.
        prompt: the task that the students were given.
        anchor_table: the table with the anchors' grades, or None if file names state them.
        anchors: at least one, sorted by id.
        students: at least two, sorted by id; empty if only the anchors are compared.
        notes: facts about the reading that are no findings, such as the number of junk files that were skipped.
        flags: the essays that may sway a judge, sorted by id. Inputs of older versions have none.
    """

    grade_scale: str
    instructions: Document | None
    prompt: Document
    anchor_table: SourceFile | None
    anchors: tuple[Anchor, ...]
    students: tuple[Student, ...]
    notes: tuple[str, ...]
    flags: Annotated[tuple[EssayFlag, ...], Field(exclude_if=operator.not_)] = ()

    def digest(self) -> str:
        """The SHA-256 of the canonical JSON without the notes and flags, 64 hexadecimal digits.

        A stray `.DS_Store` changes the notes, and a newer version can flag more of the same texts. A run must still
        accept its inputs then.
        """
        return sha256_hex(canonical_json(self.model_dump(mode="json", exclude={"notes", "flags"})))


def shown(name: str) -> str:
    """Escape every character of a name that could move a cursor, break a line or fail to be encoded."""
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in name)
