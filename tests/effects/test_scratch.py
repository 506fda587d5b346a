"""Bytes for the time of a computation."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from eng5_runner.effects.outputs import write_atomically
from eng5_runner.effects.scratch import Scratch, Unlike
from tests.support.processes import unmeasured

FULL = """
import resource, signal, sys
from pathlib import Path
from eng5_runner.effects.scratch import Scratch
from eng5_runner.errors import DiskError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    scratch = Scratch(*map(Path, sys.argv[1:]))
    for _ in range(40):
        scratch.append(bytes(1 << 20))
except DiskError as error:
    print(error.message, error.remedy)
"""


def test_what_is_read_is_what_was_added_in_memory_and_in_the_file() -> None:
    scratch, whole, chance = Scratch(), bytearray(), random.Random(1)
    for _ in range(24):
        piece = chance.randbytes(500_000)
        scratch.append(piece)
        whole += piece
        start = chance.randrange(len(whole))
        assert scratch.read(start, 1000) == whole[start : start + 1000]
    assert b"".join(scratch.chunks()) == whole and scratch.size == len(whole)


def test_many_bytes_get_a_path_without_being_written_again(tmp_path: Path) -> None:
    scratch, data, path = Scratch(tmp_path), random.Random(1).randbytes(9_000_000), tmp_path / "run" / "table.csv"
    scratch.append(data[:1000])
    assert scratch.file() is None
    scratch.append(data[1000:])
    for expected in (can_be_named(tmp_path), False):  # a second time it has a name already
        file = scratch.file()
        assert file is not None
        before = path.stat().st_ino if path.exists() else None
        write_atomically(path, scratch.chunks(), file=file)
        assert (os.fstat(file).st_ino == path.stat().st_ino) == expected and path.stat().st_ino != before
        assert path.read_bytes() == data and b"".join(scratch.chunks()) == data
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(tmp_path.rglob("*")) == [path.parent, path]


def can_be_named(folder: Path) -> bool:
    """Whether the folder's file system has files without a name, as most have on Linux."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        return False
    return True


@pytest.mark.parametrize("there", [b"abcdef", b"abcdeX", b"Xbcdef", b"abcd", b"abcdefg", b"", None])
def test_bytes_beside_a_file_are_the_file_or_are_kept(there: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if there is not None:
        path.write_bytes(there)
    unlike = Unlike(path)
    for piece in (b"abc", b"", b"de", b"f"):
        unlike.append(piece)
    assert unlike.is_the_file() == (there == b"abcdef")
    assert b"".join(unlike.chunks()) == b"abcdef" and unlike.size == 6


def test_many_bytes_that_differ_at_their_end_are_kept_whole(tmp_path: Path) -> None:
    path, data = tmp_path / "file", random.Random(1).randbytes(3_000_000)
    path.write_bytes(data)
    unlike = Unlike(path)
    unlike.append(data[:-1])
    unlike.append(b"xy")
    assert not unlike.is_the_file() and b"".join(unlike.chunks()) == data[:-1] + b"xy"


@pytest.mark.parametrize("is_named", [False, True], ids=["the system's", "a run's"])
def test_a_full_folder_is_named_with_what_to_do(is_named: bool, tmp_path: Path) -> None:
    """Another folder for temporary files helps only where the file is not to become one of the run's."""
    command = [sys.executable, "-c", FULL, *([str(tmp_path)] if is_named else [])]
    ended = subprocess.run(command, env=unmeasured(os.environ), capture_output=True, text=True, check=True)
    assert "temporary file" in ended.stdout and not ended.stderr
    assert (str(tmp_path) in ended.stdout) is is_named is ("TMPDIR" not in ended.stdout)
