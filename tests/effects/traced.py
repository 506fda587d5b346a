"""What a process asks of the kernel, as strace sees it: nothing in the process knows that it is watched."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import cannot_be_had
from tests.support.processes import ROOT

_WATCHED = "write,fsync,fdatasync,ftruncate,rename,renameat,renameat2"
_LINE = re.compile(r"^\d+ +(\w+)\((.*)$")
_OPENED = re.compile(r"^\d+<([^>]*)>")
_NAMED = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class Call:
    """One system call and the file that it is about: the opened one, or the first that it names."""

    name: str
    path: Path


def traced(program: str, *arguments: object, folder: Path) -> dict[str, list[Call]]:
    """Run a Python program and give what it asked of the kernel before each word that it wrote to standard output.

    Only calls about files below `folder` are given. The test is skipped where nobody may be traced.
    """
    strace = shutil.which("strace")
    if strace is None:
        cannot_be_had("seeing system calls takes strace (Debian: strace), which is not installed")
    record = folder / "trace"
    command = [strace, "-f", "-y", "-qq", "-s", "256", "-e", f"trace={_WATCHED}", "-o", record]
    done = subprocess.run(
        [*command, sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr:
        cannot_be_had(f"no process may be traced here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return _by_word(record.read_text().splitlines(), folder=folder)


def _by_word(lines: Sequence[str], *, folder: Path) -> dict[str, list[Call]]:
    parts: dict[str, list[Call]] = {}
    calls: list[Call] = []
    for line in lines:
        found = _LINE.match(line)
        if found is None:  # a call that went on while another thread was at work is counted where it began
            continue
        name, rest = found[1], found[2]
        if name == "write" and rest.startswith("1<"):
            word = _NAMED.search(rest)
            assert word is not None
            parts[word[1]], calls = calls, []
            continue
        about = _OPENED.match(rest) or _NAMED.search(rest)
        if about is not None and Path(about[1]).is_relative_to(folder):
            calls.append(Call(name, Path(about[1])))
    return parts
