"""Measurements with ratios taken in one run: `make bench`, or `python -m bench NAME … [options of its own]`.

Times of a busy machine mean little; what one thing costs against another in the same run means more. At the end comes a
table of all figures that have a goal.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
import traceback
from itertools import takewhile

import bench
from bench.goals import Measured, print_goals
from eng5_runner.__main__ import prepare

LONG = """
Not in a run without arguments, because each takes many minutes:
  python -m bench judging --comparisons 2000    (and 10000: hours): ratios and the plan's time of larger studies
  python -m bench stack --long                  50,000 comparisons of the embedded stack, flat from 440 on
  python -m bench large -- 1000000 10000        a million comparisons: reading, hydration, verification, report"""


def main() -> None:
    """Run the named benchmarks, or all."""
    prepare()  # as the command line does, before numpy is loaded: waiting threads would count as CPU time
    named = takewhile(lambda word: not word.startswith("-"), sys.argv[1:])
    few = list(named)
    names = few or sorted(one.name for one in pkgutil.iter_modules(bench.__path__) if one.name != "__main__")
    results: list[Measured] = []
    failed: list[str] = []
    try:
        for name in names:
            module = importlib.import_module(f"bench.{name}")
            if hasattr(module, "main"):
                began = time.monotonic()
                print(f"\n{(module.__doc__ or name).splitlines()[0]}", flush=True)
                try:
                    results += module.main() or ()
                except Exception:  # noqa: BLE001 - one that fails keeps no other from being run
                    traceback.print_exc()
                    failed.append(name)
                print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    finally:  # Ctrl-C loses no figure that was measured
        if results:
            print_goals(results)
        if not few:
            print(LONG)
    if failed:
        sys.exit(f"\nNot measured, because of an error: {', '.join(failed)}")


main()
