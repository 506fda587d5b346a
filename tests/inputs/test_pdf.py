"""A .pdf gives the text that its reader sees, in paragraphs; what cannot be read or seen is named."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.pdf.document import pdf_text
from eng5_runner.inventory.pdf.layout import Glyph, Line, pieces, reading_order
from eng5_runner.inventory.pdf.paragraphs import paragraphs
from tests.inputs import odd_pdfs as odd
from tests.inputs.folders import Folder, difference
from tests.support.needs import cannot_be_had

ESSAY = "\n".join(odd.ESSAY)


def read(kind: str) -> DocumentText:
    return pdf_text(odd.ODD[kind]())


def messages(document: DocumentText) -> list[str]:
    return [remark.finding("x.pdf").message for remark in document.remarks]


@pytest.mark.parametrize(
    "kind", ["plain", "white on dark", "turned", *(f"encrypted with {name}" for name in odd.ALGORITHMS)]
)
def test_paragraphs_are_as_the_writer_typed_them(kind: str) -> None:
    """However the file keeps them, and without a password where none is needed to open it."""
    assert read(kind) == DocumentText(ESSAY)


def test_columns_are_read_one_after_the_other() -> None:
    """Also where the file has their lines side by side; a title above them comes first."""
    title, *essay = read("two columns").text.split("\n")
    assert title.startswith("BREAD AND PATIENCE")
    assert " ".join(essay).split() == odd.WORDS


def test_a_paragraph_goes_on_over_the_end_of_a_page() -> None:
    """Page numbers are left out, and a running head does not divide it."""
    head = "Nora, class 9B"
    assert read("over pages").text == "\n".join([head, odd.ESSAY[0], head, odd.ESSAY[1], head, odd.ESSAY[2]])


def test_hyphens_at_line_ends() -> None:
    assert read("hyphens").text == odd.HYPHENS_JOINED


def test_what_was_typed_on_the_page_is_read_and_comments_are_not() -> None:
    document = read("form")
    assert document.text == f"Write your essay into the field below.\nTyped on the page\n{odd.FORM}"
    assert messages(document) == ["It has a hidden passage of 3 words (a hidden field or note), which is left out."]


@pytest.mark.parametrize("reason", odd.HIDING)
def test_text_that_nobody_sees_is_left_out_and_named(reason: str) -> None:
    document = read(f"hidden, {reason}")
    assert document.text == ESSAY
    assert messages(document) == [f"It has a hidden passage of 3 words ({reason}), which is left out."]


@pytest.mark.parametrize("spoken", [" ".join(odd.ESSAY), "ffi", "-"])
def test_a_text_in_the_place_of_what_is_shown_is_no_finding_if_it_says_the_same(spoken: str) -> None:
    document = pdf_text(odd.pdf(odd.Page(content=odd.spoken_as(spoken, odd.typeset(odd.ESSAY)))))
    assert document.remarks == ()
    assert document.text == ESSAY or len(spoken) <= len("ffi")


def test_white_letters_upon_black_ones_do_not_hide_behind_them() -> None:
    document = read("white over visible text")
    assert document.text == ESSAY
    assert "3 words (in the colour of the page)" in messages(document)[0]


def test_recognised_text_of_a_scan_is_read_with_a_warning() -> None:
    """It is invisible too, but it lies on the picture of the same words."""
    document = read("recognised")
    assert document.text == ESSAY
    assert messages(document)[0].startswith("Page 1 is pictures with text recognised by a program")


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("cover and scans", "Pages 2 to 4 are"),
        ("cover and one scan", "Page 2 is"),
        ("scans with a footer", "Pages 1 to 3 are"),
        ("drawn letters", "Page 1 is"),
    ],
)
def test_a_document_that_is_mostly_pictures_is_refused(kind: str, pages: str) -> None:
    """A cover sheet or a footer is no essay."""
    with pytest.raises(Unreadable) as caught:
        read(kind)
    assert (caught.value.kind, caught.value.facts["pages"]) == ("scanned_document", pages)


def test_a_page_that_is_a_picture_is_named() -> None:
    assert messages(read("essay and a photograph")) == [
        "Page 3 is pictures with little or no text; what they show is not read."
    ]
    assert messages(read("small picture")) == []


@pytest.mark.parametrize("algorithm", odd.ALGORITHMS)
def test_a_password_that_is_needed_is_named(algorithm: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(f"with a password, {algorithm}")
    assert "needs a password" in caught.value.finding("x.pdf").message


def test_a_file_without_its_end_is_damaged() -> None:
    """PDFium would read what is there."""
    with pytest.raises(Unreadable) as caught:
        pdf_text(odd.plain().removesuffix(b"%%EOF\n"))
    assert caught.value.facts == {"how": "its end is missing"}


def test_a_form_that_only_adobe_shows_is_refused() -> None:
    """Its page says "Please wait" to all other readers."""
    with pytest.raises(Unreadable) as caught:
        read("dynamic form")
    assert caught.value.kind == "unsupported_format"


def test_a_character_without_meaning_is_shown_and_counted() -> None:
    document = read("unknown bullet")
    assert document.text == "□ A bullet and an essay."
    assert [remark.kind for remark in document.remarks] == ["unknown_symbols"]


@pytest.mark.parametrize("kind", ["plain", "two columns", "white on dark", "turned", "form", "encrypted with RC4-128"])
def test_the_words_are_those_of_an_independent_reader(kind: str, tmp_path: Path) -> None:
    """At most 1 % of the words differ from pdftotext's."""
    if shutil.which("pdftotext") is None:
        cannot_be_had("pdftotext (poppler-utils) is not installed")
    (tmp_path / "odd.pdf").write_bytes(odd.ODD[kind]())
    other = subprocess.run(["pdftotext", tmp_path / "odd.pdf", "-"], capture_output=True, text=True, check=True).stdout
    assert difference(other.split(), read(kind).text.split()) <= 0.01


def test_findings_name_the_file(folder: Folder) -> None:
    """Through the worker process into the findings of the folder."""
    folder.put("student_essays/hidden.pdf", odd.ODD["hidden, invisible text"]())
    folder.put("student_essays/scan.pdf", odd.ODD["cover and scans"]())
    assert [(each.severity, each.kind, each.file) for each in folder.read().findings] == [
        ("error", "scanned_document", "student_essays/scan.pdf"),
        ("warning", "hidden_text", "student_essays/hidden.pdf"),
    ]


# The pure parts.


def lines(*texts: str, indent: float = 0, gaps: Sequence[int] = ()) -> list[Line]:
    """Lines of 10 points below one another; before those of `gaps` an empty line is left."""
    made = []
    top = 0.0
    for index, text in enumerate(texts):
        left = indent * (len(text) - len(text.lstrip()))
        top += 14 * (1 + (index in gaps))
        stripped = text.strip()
        made.append(
            Line(
                text=stripped,
                left=left,
                top=top,
                right=left + 6 * len(stripped),
                bottom=top + 12,
                first=6 * len(stripped.split()[0]),
            )
        )
    return made


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (lines("one two three four", "five six"), "one two three four five six"),
        (lines("one two", "three four five six"), "one two\nthree four five six"),
        (lines("one two three four", "five six seven ok", gaps=[1]), "one two three four five six seven ok"),
        (
            lines("one two three four", "five six seven ok", "eight nine ten and", "so it goes on now", gaps=[2]),
            "one two three four five six seven ok\n\neight nine ten and so it goes on now",
        ),
        (
            lines("one two three four.", "  Five six seven ok", "eight nine ten and 1", indent=6),
            "one two three four.\nFive six seven ok eight nine ten and 1",
        ),
        (
            lines("one two three four", "• five six seven x", "• eight nine ten"),
            "one two three four\n• five six seven x\n• eight nine ten",
        ),
        (
            lines("Roses are red,", "violets blue,", "and this is a long line of a poem here"),
            "Roses are red,\nviolets blue,\nand this is a long line of a poem here",
        ),
    ],
)
def test_which_line_ends_are_the_writers(block: Sequence[Line], expected: str) -> None:
    assert paragraphs([[block]]) == expected


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("it is impor-", "tant", "it is important"),
        ("it is well-", "known", "it is well-known"),
        ("it is long-", "er", "it is longer"),
        ("co-operation with co-", "operation", "co-operation with co-operation"),
        ("goodbye and good-", "bye", "goodbye and goodbye"),
        ("sun and flower, sun-", "flower", "sun and flower, sun-flower"),
        ("soft im\u00ad", "portant", "soft important"),
        ("from Anna-", "Maria x", "from Anna-Maria x"),
        ("NEVER DIS-", "CLAIM it", "NEVER DISCLAIM it"),
        ("the years 1914-", "1918", "the years 1914- 1918"),
    ],
)
def test_words_that_a_line_end_cut_in_two(before: str, after: str, joined: str) -> None:
    assert paragraphs([[lines(before, after)]]) == joined


def test_a_table_of_short_cells_is_no_pair_of_columns() -> None:
    rows = [
        ("Year", "Pupils"),
        *((f"20{n:02}", str(n)) for n in range(10)),
        ("A long heading of this part", "and a long note beside it"),
    ]
    glyphs: list[Glyph | None] = []
    for index, (left, right) in enumerate(rows):
        for x, cell in ((0, left), (300, right)):
            glyphs += [
                Glyph(each, x + 6 * n, 14 * index, x + 6 * n + 6, 14 * index + 12) for n, each in enumerate(cell)
            ]
    (block,) = reading_order(pieces(glyphs))
    assert [line.text for line in block] == [" ".join(row) for row in rows]
