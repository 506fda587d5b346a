"""Bytes for the time of a computation."""

from __future__ import annotations

import os
import random
import subprocess
import sys

from eng5_runner.effects.scratch import Scratch
from tests.support.processes import unmeasured

FULL = """
import resource, signal
from eng5_runner.effects.scratch import Scratch
from eng5_runner.errors import DiskError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    scratch = Scratch()
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


def test_a_full_folder_for_temporary_files_is_a_plain_error() -> None:
    command, environment = [sys.executable, "-c", FULL], unmeasured(os.environ)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "temporary file" in ended.stdout and "TMPDIR" in ended.stdout and not ended.stderr
