"""What other people wrote cannot act on a terminal."""

from __future__ import annotations

import json

import orjson
import pytest

from eng5_runner.core.harmless import harmless, harmless_json, json_line

HOSTILE = "m\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202ecba\u2066\u2028\r\x7f"


@pytest.mark.parametrize("text", ["plain", "Björn Åkesson", "two\nlines\tand a tab", "1\u00a0000\u202f€", "😀 é 漢字"])
def test_what_people_write_stays(text: str) -> None:
    assert harmless(text) == text


def test_what_acts_on_a_terminal_is_written_out() -> None:
    assert harmless(HOSTILE) == (r"m\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202ecba\u2066\u2028\r\x7f")


def test_json_says_the_same_and_has_no_such_character() -> None:
    line = harmless_json(orjson.dumps({"model": HOSTILE}).decode())
    assert line.isprintable()
    assert json.loads(line) == {"model": HOSTILE}


def test_a_name_that_is_no_utf8_can_be_said_in_json() -> None:
    assert json.loads(json_line({"run": "r\udcef"})) == {"run": "r\udcef"}
    assert json_line({"run": "é\x7f"}) == '{"run":"é\\u007f"}'
