"""What holds for the whole process of the program."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from eng5_runner.effects.process import prepare
prepare()
class Loop:
    def __del__(self):
        print("looked for")
loop = Loop()
loop.itself = loop
print("ends")
"""


def test_no_look_for_cycles_is_taken_at_the_end():
    """It took as long as the fits and tables of a small run."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["ends"]
