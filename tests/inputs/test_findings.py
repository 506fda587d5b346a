"""The table of findings: every kind has words, and the words take whatever facts they are given."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from eng5_runner.core.inputs import DoubtKind, InvalidKind, MissingKind
from eng5_runner.inventory.findings import WORDS, Unreadable, finding


def test_every_kind_has_words() -> None:
    assert set(WORDS) == {*get_args(MissingKind), *get_args(InvalidKind), *get_args(DoubtKind)}


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_hostile_facts_stay_harmless(kind: str) -> None:
    """Names and grades are foreign text: they can neither break a line nor be taken for a placeholder."""
    words = WORDS[kind]
    names = re.findall(r"\{(\w+)\}", words.message + words.remedy)
    made = finding(kind, "a\nb", **dict.fromkeys(names, "{severity}\x1b[2J"))
    assert made.file == "a\\nb"
    for text in (made.message, made.remedy):
        assert text.isprintable()
        assert not re.search(r"\{(?!severity\})", text)
    assert (made.kind, made.severity) == (kind, words.severity)


def test_an_unreadable_file_is_always_an_error() -> None:
    refusal = Unreadable("damaged_document", how="it is not a zip file").finding("essays/x.docx")
    assert (refusal.kind, refusal.severity, refusal.file) == ("damaged_document", "error", "essays/x.docx")
    assert refusal.message == "The document is damaged: it is not a zip file."
