"""Terminals of any width: the names of essays are never cut."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import struct
import termios
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from eng5_runner.reports.terminal.table import show_named
from tests.support.prefork import Process
from tests.support.runner import clean_environment

RUN = Path(__file__).parents[1] / "guard" / "runs" / "0.1.0-resumed"


def shown_at(columns: int, *arguments: object, cwd: Path) -> str:
    """What a command shows on a terminal with so many columns."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with Path(os.devnull).open() as nothing, (cwd / "out").open("w") as out:
        env = clean_environment(cwd) | {"TERM": "dumb"}
        process = Process(list(map(str, arguments)), cwd=cwd, env=env, streams=(nothing.fileno(), out.fileno(), theirs))
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 1 << 16):
            text += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0, text.decode()
    return text.decode()


@pytest.mark.parametrize("columns", [60, 80])
def test_every_essay_is_named_in_full_at_the_end_of_a_run(columns: int, tmp_path: Path) -> None:
    run = shutil.copytree(RUN, tmp_path / "run")
    text = shown_at(columns, "hydrate", run, cwd=tmp_path)
    (artefact,) = run.glob("assessment_run.*.json")
    for entry in json.loads(artefact.read_bytes())["bt_summary"]:
        assert re.search(rf"(?<!\S){re.escape(entry['essay_id'])}(\.\w+)?(?!\S)", text), entry["essay_id"]
    assert "…" not in text


@pytest.mark.parametrize("columns", [60, 80])
def test_every_item_of_a_table_is_named_in_full(columns: int, tmp_path: Path) -> None:
    names = [f"2017-np-eng5-klass-te17b-nr-{n:03}-a-long-name" for n in range(4)]
    rows = [f"{a},{b},a" for a in names for b in names if a < b]
    (tmp_path / "table.csv").write_text("\n".join(["item_a,item_b,winner", *rows]))
    text = shown_at(columns, "fit", "table.csv", cwd=tmp_path)
    assert all(name in text for name in names) and "…" not in text


def test_a_row_that_does_not_fit_gets_two_lines() -> None:
    def shown(width: int) -> list[str]:
        console = Console(file=StringIO(), width=width)
        rows = [("1", "a-name-of-some-length", "+1.00"), ("12", "b[red]", "-0.50")]
        show_named(console, ("rank", "student", "θ"), rows=rows, title="Students")
        return [line.rstrip() for line in console.file.getvalue().splitlines()]

    assert any(re.fullmatch(r" +1 +a-name-of-some-length +\+1\.00", line) for line in shown(60))
    assert shown(30)[-5:] == [
        "      rank  θ",
        "a-name-of-some-length",
        "      1     +1.00",
        "b[red]",
        "      12    -0.50",
    ]
