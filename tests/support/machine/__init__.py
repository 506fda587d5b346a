"""A machine that fails at a chosen call and whose wall clock leaps: a library that the system loads before all others.

    env = Faults(tmp_path / "run", log=tmp_path / "calls", number=7, error=errno.ENOSPC).environment()
    run("--mode", "execute", ..., cwd=tmp_path / "run", env=env)      # its 7th call that changes a file there fails

So Python, SQLite and the tool meet the error where the system reports it, and nothing of them is replaced.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.needs import cannot_be_had

_SOURCE = Path(__file__).with_name("machine.c")


@cache
def library() -> str:
    """The compiled library; without a C compiler and Linux the test is skipped."""
    compiler = shutil.which("cc") or cannot_be_had("no C compiler")
    folder = Path(tempfile.mkdtemp(prefix="machine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    built = folder / "machine.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(_SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        cannot_be_had(f"the C compiler refused: {done.stderr[-300:]}")
    return str(built)


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What fails.

    Attributes:
        under: only calls on files under this folder count.
        log: gets a line for each of them.
        number: of the call that fails, from 1; 0 for none.
        error: the system's number of the error.
        onwards: whether all later calls fail, too.
        in_stack: whether that is in the embedded stack, else in the runner.
    """

    under: Path
    log: Path
    number: int = 0
    error: int = 0
    onwards: bool = False
    in_stack: bool = False

    def environment(self) -> dict[str, str]:
        """The variables of the run. Its embedded stack has them too; the secret tells it apart."""
        return {
            "LD_PRELOAD": library(),
            "FAULT_UNDER": f"{self.under}/",
            "FAULT_LOG": str(self.log),
            "FAULT_NUMBER": str(self.number),
            "FAULT_ERRNO": str(self.error),
            **({"FAULT_ONWARDS": "1"} if self.onwards else {}),
            **({"FAULT_IF": "ENG5_STACK_SECRET"} if self.in_stack else {}),
        }

    def calls(self) -> list[str]:
        """The counted calls, such as `write runs/a/ledger.jsonl`; the one that failed ends with FAILED."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" ")[2] for line in lines]


def leaping(ahead: Path) -> dict[str, str]:
    """The variables of a process whose wall clock is ahead by as many seconds as the file says at each moment."""
    return {"LD_PRELOAD": library(), "CLOCK_AHEAD": str(ahead)}
