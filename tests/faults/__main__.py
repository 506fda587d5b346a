"""`python -m tests.faults`: every call on a file fails in turn, in the runner or in the embedded stack.

    python -m tests.faults --in runner                       all of its calls, in ten minutes; the stack's take an hour
    python -m tests.faults --in stack --every 10 --onwards   a tenth of the stack's

The calls fail with ENOSPC, EIO and EDQUOT by turns; with `--onwards` all later calls fail, too. Writes a line for each
trial, and the figures at the end, also when it is interrupted. Ends with 1 if a trial went wrong, or was not made.
"""

from __future__ import annotations

import argparse
import errno
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from tests.faults.trials import ERRORS, Fault, Scene, smallest_study, variables
from tests.support.runner import run, stack_up


def main() -> int:
    """Try them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="place", choices=("runner", "stack"), required=True)
    parser.add_argument("--every", type=int, default=1, help="each so-manyth call")
    parser.add_argument("--first", type=int, default=1, help="the first call")
    parser.add_argument("--last", type=int, help="the last call, if it is not that of the run")
    parser.add_argument("--only", type=int, nargs="+", help="these calls")
    parser.add_argument("--onwards", action="store_true", help="all later calls fail, too")
    parser.add_argument("--beside", type=int, default=2, help="trials at the same time")
    chosen = parser.parse_args()
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        study = smallest_study(folder / "study")
        run("--version", cwd=folder)  # loads what all trials are forked from
        with stack_up(folder / "stack") if chosen.place == "runner" else nullcontext({}) as addresses:
            scene = Scene(folder=folder, study=study, environment=variables(addresses))
            calls, expected = scene.undisturbed()
            numbers = chosen.only or range(chosen.first, (chosen.last or len(calls)) + 1, chosen.every)
            say(f"{len(numbers)} of {len(calls)} calls")
            with ThreadPoolExecutor(chosen.beside) as trials:
                try:
                    ends.update(trials.map(partial(_trial, scene, expected, onwards=chosen.onwards), numbers))
                except KeyboardInterrupt:
                    trials.shutdown(cancel_futures=True)
                    ends["interrupted"] += 1
    say(f"{chosen.place}: {dict(sorted(ends.items()))}")
    return 1 if ends["WRONG"] or ends["interrupted"] else 0


def _trial(scene: Scene, expected: object, number: int, *, onwards: bool) -> str:
    """How the trial of a call ended."""
    fault = Fault(number=number, error=ERRORS[number % len(ERRORS)], onwards=onwards)
    try:
        end = f"exit {scene.trial(str(number), fault, expected=expected).code}"
    except (AssertionError, subprocess.TimeoutExpired, OSError) as wrong:  # the others are tried still
        end, words = "WRONG", f"{type(wrong).__name__} {wrong}"
    else:
        words = ""
    failed = [call.removesuffix(" FAILED") for call in scene.faults(str(number)).calls() if call.endswith(" FAILED")]
    if not failed:  # another order of threads made fewer calls this time
        end = f"not reached, {end}"
    call = failed[0] if failed else "-"
    say(f"{number} {call.split('/')[0]}/{call.split('/')[-1]} {errno.errorcode[fault.error]}: {end} {words}")
    if not words:
        for made in scene.folder.glob(f"{number}*"):
            if made.name in (str(number), f"{number}-new"):
                shutil.rmtree(made)
    return end


def say(line: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
