"""`python -m tests.faults`: every call on a file fails in turn, in the runner and in the embedded stack. Takes hours.

    python -m tests.faults --every 10 --in runner      a tenth of the calls

The n-th call fails with ENOSPC if n is odd, else with EIO; with `--onwards` all later calls fail, too. Writes a line
for each trial, and the figures at the end, also when it is interrupted. Ends with 1 if a trial went wrong.
"""

from __future__ import annotations

import argparse
import errno
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from tests.faults.trials import Fault, Scene, variables
from tests.support.runner import stack_up
from tests.support.small_study import build_study


def main() -> int:
    """Try them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="place", choices=("runner", "stack"), required=True)
    parser.add_argument("--every", type=int, default=1, help="each so-manyth call")
    parser.add_argument("--first", type=int, default=1, help="the first call")
    parser.add_argument("--onwards", action="store_true", help="all later calls fail, too")
    chosen = parser.parse_args()
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        study = build_study(folder / "study")
        with stack_up(folder / "stack") if chosen.place == "runner" else nullcontext({}) as addresses:
            scene = Scene(folder=folder, study=study, environment=variables(addresses))
            try:
                _try_all(scene, chosen, ends)
            except KeyboardInterrupt:
                say("interrupted")
    say(f"{chosen.place}: {dict(sorted(ends.items()))}")
    return 1 if ends["WRONG"] else 0


def _try_all(scene: Scene, chosen: argparse.Namespace, ends: Counter[str]) -> None:
    calls, expected = scene.undisturbed()
    say(f"{len(calls)} calls")
    for number in range(chosen.first, len(calls) + 1, chosen.every):
        error = errno.ENOSPC if number % 2 else errno.EIO
        fault = Fault(number=number, error=error, onwards=chosen.onwards)
        try:
            ran = scene.trial(str(number), fault, expected=expected)
        except AssertionError as wrong:
            ends["WRONG"] += 1
            say(f"{number} {calls[number - 1]} {errno.errorcode[error]}: {wrong}")
        else:
            ends[f"exit {ran.code}"] += 1
            say(f"{number} {calls[number - 1].split('/')[-1]}: exit {ran.code}")


def say(line: str) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
