"""Plain text: exact, or refused."""

from __future__ import annotations

import codecs
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.text import plain_text
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
    assert plain_text(data, given=given_encoding) == (TEXT, encoding)


def test_a_stated_encoding_is_used_where_utf8_is_not(folder: Folder) -> None:
    folder.put("student_essays/old.txt", "Åsa “quoted”".encode("cp1252"))
    finding = folder.only_finding()
    assert finding.kind == "unknown_encoding"
    assert 'encoding = "cp1252"' in finding.remedy
    assets = folder.read(encoding="cp1252")
    assert assets.findings == ()
    assert "Åsa “quoted”".encode() in assets.texts.values()


@pytest.mark.parametrize("data", [b"a\x00b", b"\x1b[31mred", b"a\x0cb", b"\x7f"])
def test_control_characters_are_refused(data: bytes) -> None:
    """No essay has them; they are a sign of another encoding or another kind of file."""
    with pytest.raises(Unreadable) as caught:
        plain_text(data, given=None)
    assert caught.value.kind == "control_characters"


@pytest.mark.parametrize("data", [codecs.BOM_UTF16_LE + b"a", codecs.BOM_UTF16_LE + b"\x00\xd8", b"caf\xe9"])
def test_half_characters_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        plain_text(data, given=None)
    assert caught.value.kind == "unknown_encoding"


def test_text_is_normalised() -> None:
    """Composed letters, line feeds, nothing after the last letter; inner and leading space stays."""
    raw = "  Cafe\u0301\r\n\r\nb \rc\t \n\n"
    assert plain_text(raw.encode(), given=None)[0] == "  Café\n\nb \nc"


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, "cp1252", "utf-16-le", "shift_jis"]))
def test_any_bytes_are_text_or_refused(data: bytes, given_encoding: str | None) -> None:
    """Whatever the bytes: normal text, or a refusal with a remedy."""
    try:
        text, _ = plain_text(data, given=given_encoding)
    except Unreadable as refusal:
        assert refusal.finding("x").remedy  # noqa: PT017 - to be text is right as well
    else:
        assert text == unicodedata.normalize("NFC", text).rstrip()
        assert "\r" not in text
        assert text.encode().decode() == text
