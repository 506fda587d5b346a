"""Measurements with ratios taken in one run: `make bench`, or `python -m bench NAME … [options of its own]`.

Times of a busy machine mean little; what one thing costs against another in the same run means more. At the end comes a
table of all figures that have a goal.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from itertools import takewhile

import bench
from bench.goals import Measured, print_goals


def main() -> None:
    """Run the named benchmarks, or all."""
    named = takewhile(lambda word: not word.startswith("-"), sys.argv[1:])
    names = list(named) or sorted(one.name for one in pkgutil.iter_modules(bench.__path__) if one.name != "__main__")
    results: list[Measured] = []
    for name in names:
        module = importlib.import_module(f"bench.{name}")
        if hasattr(module, "main"):
            began = time.monotonic()
            print(f"\n{(module.__doc__ or name).splitlines()[0]}", flush=True)
            results += module.main() or ()
            print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    if results:
        print_goals(results)


main()
