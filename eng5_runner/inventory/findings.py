"""Everything that can be wrong with an assets folder: one table from the kind of a finding to its words.

    finding("short_anchor", "anchor_essays/B1.txt", characters=40, least=100)
    # a warning: "The anchor has 40 characters; the CJ service does not register fewer than 100."

Code that reads one file raises `Unreadable` with the kind and the facts; its caller, which knows the file's place,
makes the finding of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from eng5_runner.core.inputs import Finding, FindingKind, shown

Severity = Literal["error", "warning"]

_SAVE_AGAIN = "Open it in a word processor and save it again, or save its text as .txt."
_PUT_TEXT = "Put the essay's text into the file, or remove the file."
_PUT_THERE = 'Put it at {usual} in the assets folder, or name its place in eng5.toml: [assets] {setting} = "…".'

_FILL = 'Put them into {usual} in the assets folder, or name their folder in eng5.toml: [assets] {setting} = "…".'


class _Words(NamedTuple):
    """What a finding of one kind says; the names in braces are its facts."""

    message: str
    remedy: str
    severity: Severity = "error"


WORDS: Mapping[FindingKind, _Words] = MappingProxyType({
    # not there
    "missing_instructions": _Words(
        "There are no instructions for the judge: without --rubric, the service's own criteria apply.",
        _PUT_THERE,
        "warning",
    ),
    "missing_prompt": _Words("There is no prompt, the task that the students were given.", _PUT_THERE),
    "missing_file": _Words(
        "[assets] {setting} in eng5.toml names a file or folder that does not exist.",
        "Correct the name, or put it there.",
    ),
    "no_anchors": _Words("There are no anchors; a run needs at least one.", _FILL),
    "no_students": _Words("There are no student essays; a run needs at least two.", _FILL),
    # the folder
    "invalid_settings": _Words("The settings cannot be used: {problem}.", "{correction}"),
    "outside_folder": _Words(
        "The path leads out of the assets folder, so it is not read.", "Copy the file into the assets folder."
    ),
    "not_a_regular_file": _Words(
        "This is not a file but a folder, a pipe, a device or a socket.", "Put a file in its place."
    ),
    "undecodable_name": _Words("The file's name is not valid UTF-8.", "Rename the file."),
    "unreadable_file": _Words(
        "It cannot be read: {reason}.", "Make it a readable file or folder that nothing else changes, then try again."
    ),
    "unsupported_format": _Words("This kind of file cannot be used here.", "Save it as one of {formats}."),
    "ignored_folder": _Words(
        "Folders inside an essay folder are not read.", "Move the essays up into the essay folder.", "warning"
    ),
    "unused_file": _Words(
        "It is not used; its name is only like {usual}.",
        "If it belongs to the study, rename it to {usual} or name it in eng5.toml; if not, move it to another folder.",
        "warning",
    ),
    # the contents of one file
    "too_large": _Words(
        "It is too large: {size}.", "Check that it is the right file; if it is, save its text alone as .txt."
    ),
    "unknown_encoding": _Words(
        "The text is not valid {encoding}, and the runner does not guess encodings.",
        'Save it as UTF-8, or state its encoding in eng5.toml: [assets] encoding = "cp1252".',
    ),
    "other_format": _Words(
        "Its content is {content}, not what the ending of its name says.",
        "Give it the ending of its format, or open it and save it again as .docx or .txt.",
    ),
    "not_text": _Words(
        "It is no text: a great part of it is control characters.",
        "Save it as UTF-8 text; if it is UTF-16 without a byte-order mark, state that in eng5.toml: "
        '[assets] encoding = "utf-16-le".',
    ),
    "control_characters": _Words(
        "Its text has control characters, which the judge sees as □; places: {count}, the first in line {line}.",
        "Look at these places in the file; if letters are missing there, type them again.",
        "warning",
    ),
    "damaged_document": _Words("The document is damaged: {how}.", _SAVE_AGAIN),
    "encrypted_document": _Words("The document is {how}.", "Save it without a password in a current format."),
    "scanned_document": _Words(
        "Most of the PDF is pictures: {pages} pictures with little or no text.",
        "Run text recognition and check the text, or save the text as .txt.",
    ),
    "picture_pages": _Words(
        "{pages} pictures with little or no text; what they show is not read.",
        "If it belongs to the essay, save the whole text as .txt.",
        "warning",
    ),
    "recognised_text": _Words(
        "{pages} pictures with text recognised by a program, which may differ from what the pages show.",
        "Compare the text with the pages; if they differ, save the right text as .txt.",
        "warning",
    ),
    "hidden_text": _Words(
        "It has {passages}, which is left out.",
        "Ask the writer. If it belongs to the essay, make it visible in a word processor and save it again.",
        "warning",
    ),
    "unknown_symbols": _Words(
        "It has {count} symbols of a font with codes of its own; each is shown to the judge as □.",
        "Replace them by usual characters, unless they are unimportant.",
        "warning",
    ),
    "forbidden_xml": _Words(
        "The document declares a DOCTYPE or entities, which no word processor writes.", _SAVE_AGAIN
    ),
    "external_content": _Words(
        "The document shows content from another file ({what}), which is not read.",
        "Open it in a word processor, copy the other content into it, and save it again.",
    ),
    "embedded_content": _Words(
        "The document has another file inside ({what}); {treated}.",
        "Open it in a word processor and save it again, and check that the text is whole.",
        "warning",
    ),
    "extraction_stopped": _Words(
        "The document {how}.",
        "Save it again, or save its text as .txt.",
    ),
    "empty_text": _Words("The file has no text.", "Put the text into the file, or remove the file."),
    "short_anchor": _Words(
        "The anchor has {characters} characters; the CJ service does not register fewer than {least}.",
        "Check that the file holds the whole essay.",
        "warning",
    ),
    # the text of an essay
    "no_letters": _Words("The text has no letter or digit that can be seen.", _PUT_TEXT),
    "only_placeholder": _Words("The text is a template's placeholder and nothing else.", _PUT_TEXT),
    "placeholder": _Words(
        "The text has a template's placeholder, such as “Click here to enter text”; places: {count}.",
        "Check that the essay is whole, and remove the placeholder.",
        "warning",
    ),
    "short_text": _Words(
        "The text is very short for an essay; words: {words}.", "Check that the file holds the whole essay.", "warning"
    ),
    "unusual_length": _Words(
        "The text is far {longer_or_shorter} than the others; words: {words}, and {median} or more in half of them.",
        "Check that the file holds one whole essay.",
        "warning",
    ),
    "markup": _Words(
        "The text is {format}, so the judge would read its codes.", "Save the essay's text alone as .txt.", "warning"
    ),
    "replacement_characters": _Words(
        "The text has replacement characters (U+FFFD) for letters that were lost before it was saved; places: {count}.",
        "Get the original, and save it as UTF-8 or .docx.",
        "warning",
    ),
    "mojibake": _Words(
        "The text has letters that were read in a wrong encoding, such as “Ã¥” for “å”; places: {count}.",
        "Get the original, and save it as UTF-8 or .docx.",
        "warning",
    ),
    "invisible_characters": _Words(
        "The text has zero-width, directional or tag characters, which a model reads and nobody sees; places: {count}.",
        "Ask the writer. If they are a mistake, remove them.",
        "warning",
    ),
    "other_language": _Words(
        "The text does not seem to be {language}: {percent} % of its words are usual words of that language.",
        "Check that it is the right file, or set --language.",
        "warning",
    ),
    "repeated_text": _Words("The same text stands in the file twice.", "Remove one of the copies.", "warning"),
    "instructs_judge": _Words(
        "The text seems to instruct the judge, in line {lines}.",
        "Read these lines. If they speak to the judge and not to a reader, decide what to do with the essay.",
        "warning",
    ),
    # the anchor table
    "unreadable_table": _Words(
        "The anchor table cannot be used: {reason}.",
        "Save it as CSV or .xlsx; the first line must name the columns anchor_id (or file_name) and grade.",
    ),
    "formula_without_value": _Words(
        "The anchor table has a formula without a stored value in {cells}.",
        "Open it in a spreadsheet program, which computes it, and save it again.",
    ),
    "table_without_grades": _Words(
        "The anchor table has no column grade, so the grades come from the file names.",
        "To take the grades from the table, add a column grade.",
        "warning",
    ),
    "duplicate_row": _Words(
        "Rows {lines} of the anchor table belong to the same file, {anchor}.", "Keep one row for each anchor."
    ),
    "row_without_file": _Words(
        "Row {line} of the anchor table ({name}) matches no file in the anchor folder, so it is not used.",
        "Correct the row, or put the anchor's file into the folder.",
        "warning",
    ),
    "file_without_row": _Words(
        "The anchor table has no row for this anchor, so its grade {grade} comes from the file name.",
        "To take the grade from the table, add a row.",
        "warning",
    ),
    "grade_disagrees": _Words(
        "Row {line} of the anchor table says {table_grade}, the file name says {name_grade}; the table is used.",
        "Correct the grade that is wrong.",
        "warning",
    ),
    # all together
    "id_collision": _Words(
        "{count} files get the same essay id {essay_id}: {files}.",
        "Rename or remove all but one; names that differ only in case, accents or suffix give the same id.",
    ),
    "reserved_id": _Words(
        "The essay id {essay_id} starts with {prefix}, so the CJ service would count the student as an anchor.",
        "Rename the file.",
    ),
    "anchor_without_grade": _Words(
        "Neither the anchor table nor the file name gives this anchor's grade.",
        "Add a row with anchor_id {stem} and its grade to the anchor table, or end the file name with _ and the "
        "grade (one of {grades}).",
    ),
    "unknown_grade": _Words(
        "The grade {grade} ({where}) is not an anchor grade of {scale}.",
        "{hint}Use one of {grades}, or choose another --grade-scale.",
    ),
    "identical_text": _Words(
        "{count} files have the same text, apart from case and punctuation: {files}.",
        "Remove the copies, unless you want to compare them with one another.",
        "warning",
    ),
    "too_few_students": _Words(
        "There is only one student essay, and the CJ service never answers such a request.",
        "Add at least one more student essay.",
    ),
    "too_few_anchors": _Words(
        "There is only one anchor, and nothing to compare it with.",
        "Add more anchors; with six or more the agreement gets an interval.",
    ),
})  # fmt: skip


def finding(kind: FindingKind, file: str, *, severity: Severity | None = None, **facts: object) -> Finding:
    """A finding with the words of its kind.

    Args:
        kind: what is wrong, a key of `WORDS`.
        file: relative to the assets folder, with `/`.
        severity: in place of the usual one of the kind.
        facts: values for the names in the words; made safe to show here.
    """
    words = WORDS[kind]
    safe = {name: shown(str(value)) for name, value in facts.items()}
    return Finding(
        severity=severity or words.severity,
        kind=kind,
        file=shown(file),
        message=words.message.format_map(safe),
        remedy=words.remedy.format_map(safe),
    )


class Unreadable(Exception):
    """One file cannot be used; the other files still can.

    Attributes:
        kind: what is wrong, a key of `WORDS`.
        facts: values for the names in its words.
    """

    def __init__(self, kind: FindingKind, **facts: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts: Mapping[str, str] = MappingProxyType(facts)

    def finding(self, source_path: str) -> Finding:
        """The error about the file at this place, relative to the assets folder, with `/`."""
        return finding(self.kind, source_path, severity="error", **self.facts)
