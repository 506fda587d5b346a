"""Plain text: exact, or refused."""

from __future__ import annotations

import codecs
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.text import normalised, plain_text, word_count
from tests.inputs.folders import Folder

TEXT = "Smörgås – “quoted” 🙂"


@pytest.mark.parametrize(
    ("data", "given_encoding", "encoding"),
    [
        (TEXT.encode(), None, "utf-8"),
        (TEXT.encode("utf-8-sig"), None, "utf-8-sig"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), None, "utf-16-le"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), None, "utf-16-be"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), None, "utf-32-le"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), None, "utf-32-be"),
        (TEXT.encode("utf-16-le"), None, "utf-16-le"),
        (TEXT.encode("utf-16-be"), None, "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le", "utf-16-le given"),
        (TEXT.encode(), "cp1252", "utf-8"),
        (TEXT.encode("utf-8-sig"), "cp1252", "utf-8-sig"),
    ],
)
def test_encodings(data: bytes, given_encoding: str | None, encoding: str) -> None:
    """A mark goes before UTF-8, and UTF-8 before what a person said of the other files."""
    assert plain_text(data, given=given_encoding) == (DocumentText(TEXT), encoding)


def test_a_stated_encoding_is_used_where_utf8_is_not(folder: Folder) -> None:
    folder.put("student_essays/old.txt", "Åsa “quoted”".encode("cp1252"))
    finding = folder.only_finding()
    assert finding.kind == "unknown_encoding"
    assert 'encoding = "cp1252"' in finding.remedy
    assets = folder.read(encoding="cp1252")
    assert [finding.kind for finding in assets.findings] == ["short_text"]
    assert "Åsa “quoted”".encode() in assets.texts.values()


LETTERS = "Some words of an essay. " * 5


@pytest.mark.parametrize(
    ("control", "shown", "count"),
    [
        ("\x0c", "\n", None),
        ("\x0b", "\n", None),
        ("\x07", "□", "1"),
        ("\x1b\x00\x7f", "□□□", "3"),
        ("\ud800", "□", "1"),
    ],
)
def test_control_characters_are_replaced_and_counted(control: str, shown: str, count: str | None) -> None:
    """One of them does not make an essay unreadable; a judge sees where they were."""
    made = normalised(DocumentText(f"one\r\n{LETTERS}{control}b\x1a"))
    assert made.text == f"one\n{LETTERS}{shown}b"
    facts = [remark.facts for remark in made.remarks if remark.kind == "control_characters"]
    assert facts == ([] if count is None else [{"count": count, "line": "2"}])
    assert normalised(made) == made, "a second time changes nothing"


def test_many_control_characters_are_no_text(folder: Folder) -> None:
    """The remedy speaks of the format: a .txt may be UTF-16, a document may not."""
    noise = "\x01\x02\x03\x04" * 5 + "letters"
    folder.put("student_essays/noise.txt", noise)
    finding = folder.only_finding()
    assert (finding.kind, finding.severity) == ("not_text", "error")
    assert "UTF-16" in finding.remedy
    with pytest.raises(Unreadable) as caught:
        normalised(DocumentText(noise))
    assert caught.value.kind == "damaged_document"
    assert "UTF" not in caught.value.finding("x.docx").remedy


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"PK\x03\x04...", ".docx"),
        ("a.md", b"%PDF-1.7 ...", "a PDF"),
        ("a.docx", b"%PDF-1.7 ...", "a PDF"),
        ("a.docx", b"{\\rtf1 text}", "RTF"),
        ("a.pdf", b"PK\x03\x04...", ".docx"),
        ("a.txt", b"\x89PNG\r\n...", "a picture"),
    ],
)
def test_another_format_than_the_ending_says_is_named(folder: Folder, name: str, content: bytes, said: str) -> None:
    folder.put(f"student_essays/{name}", content)
    finding = folder.only_finding()
    assert (finding.kind, finding.severity) == ("other_format", "error")
    assert said in finding.message


@pytest.mark.parametrize("data", [codecs.BOM_UTF16_LE + b"a", codecs.BOM_UTF16_LE + b"\x00\xd8", b"caf\xe9"])
def test_half_characters_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        plain_text(data, given=None)
    assert caught.value.kind == "unknown_encoding"


@given(st.text(" \t\n\r\x0b\x0c\x1c\x1f\x85\u2003abÅ"))
def test_words_are_counted_as_python_splits(text: str) -> None:
    assert word_count(text) == len(text.split())


def test_text_is_normalised() -> None:
    """Composed letters, line feeds, nothing after the last letter; inner and leading space stays."""
    raw = "  Cafe\u0301\r\n\r\nb \rc\t \n\n"
    assert plain_text(raw.encode(), given=None)[0].text == "  Café\n\nb \nc"


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, "cp1252", "utf-16-le", "shift_jis"]))
def test_any_bytes_are_text_or_refused(data: bytes, given_encoding: str | None) -> None:
    """Whatever the bytes: normal text, or a refusal with a remedy."""
    try:
        text = plain_text(data, given=given_encoding)[0].text
    except Unreadable as refusal:
        assert refusal.finding("x").remedy  # noqa: PT017 - to be text is right as well
    else:
        assert text == unicodedata.normalize("NFC", text).rstrip()
        assert "\r" not in text
        assert text.encode().decode() == text
