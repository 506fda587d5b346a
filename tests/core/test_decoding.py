"""Text from bytes: what tells UTF-16 without a mark from UTF-8."""

from __future__ import annotations

import pytest

from eng5_runner.core.decoding import decode


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("abcdefghij", "utf-16"),
        ("abcdefgh\u0161\u0161", "utf-16"),  # eight of ten characters are of Western Europe
        ("abcdefg\u0161\u0161\u0161", "utf-8"),  # seven are not more than seven tenths
    ],
)
@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_without_a_mark_has_a_zero_in_more_than_seven_of_ten_characters(text, encoding, order):
    data = text.encode(f"utf-16-{order}")
    expected = (text, f"utf-16-{order}") if encoding == "utf-16" else (data.decode(), "utf-8")
    assert decode(data, given=None) == expected


def test_zeros_in_both_bytes_of_a_character_are_no_utf_16():
    data = "abcdefghi".encode("utf-16-le") + bytes(2)
    assert decode(data, given=None) == (data.decode(), "utf-8")


def test_an_odd_number_of_bytes_is_no_utf_16():
    data = "abcde".encode("utf-16-le") + b"x"
    assert decode(data, given=None) == (data.decode(), "utf-8")
