"""One of a thing is never written as several: the smallest study, and all that commands say of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.runner import newest, run
from tests.support.small_study import build_study

_THINGS = (
    *("anchors", "answers", "assets folders", "bytes", "calls", "choices", "comparisons", "duplicates", "errors"),
    *("essays", "files", "findings", "flips", "grades", "items", "judgements", "judges", "messages", "models", "pairs"),
    *("people", "records", "requests", "rounds", "rows", "runs", "sessions", "students", "texts", "ties", "times"),
    *("warnings", "waves", "words"),
)
_WRONG = re.compile(rf"(?<![\w.,:/-])(?<!to )1 (?:(?!of )[a-z]+ ){{0,2}}(?:{'|'.join(_THINGS)})\b")


def _said(study: Path, folder: Path) -> Iterator[str]:
    """What the commands say, and what they write."""
    asked = ("--mode", "execute", "--assets", study, "--max-comparisons", 1, "--seed", 1)
    for command in (("--mode", "plan", *asked[2:]), asked):
        yield (ran := run(*command, cwd=folder)).err
        assert ran.code == 0, ran.err
    made = newest(folder)
    known = folder / "teachers.csv"
    known.write_text("judge,item_a,item_b,winner\nada,essay_01,essay_02,a\n", encoding="utf-8")
    grades = folder / "known.csv"
    grades.write_text("essay,grade\nessay_01,B\n", encoding="utf-8")
    for command in (
        ("hydrate", made, "--human-judgements", known, "--check-grades", grades),
        *(("status", made), ("verify", made), ("compare", made, made, "--out", folder / "compared.html")),
        ("fit", made / "tables" / "comparisons.csv"),
        *(("runs", folder / "runs"), ("report", made, "--figures", folder / "figures")),
        *(("cache", "list"), ("resume", made)),
    ):
        ran = run(*command, cwd=folder)
        assert ran.code == 0, (command, ran.err)
        yield ran.out + ran.err
    for page in (*made.rglob("*.html"), *made.rglob("*.md"), *folder.glob("*.html")):
        yield page.read_text(encoding="utf-8")


def test_one_of_a_thing_is_never_several(tmp_path: Path) -> None:
    study = build_study(tmp_path / "study", anchors=("A1",), students=(1, 2))
    wrong = {match[0] for text in _said(study, tmp_path) for match in _WRONG.finditer(" ".join(text.split()))}
    assert not wrong
