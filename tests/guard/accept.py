"""Accept what `hydrate` writes today: `python -m tests.guard.accept`, then read `git diff tests/guard/expected`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.guard.runs import EXPECTED, NAMES, RUNS, files_of, hydrated


def main() -> None:
    """Write the files that differ from those of version 0.1.0 into `expected/`, and no others."""
    written = {}
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            written[name] = hydrated(name, Path(folder))
    shutil.rmtree(EXPECTED, ignore_errors=True)  # only now: the above takes a while
    for name, now in written.items():
        before = files_of(RUNS / name)
        for path in sorted(now):
            if now[path] != before.get(path):
                file = EXPECTED / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(now[path])
                sys.stdout.write(f"accepted {name}/{path}\n")


if __name__ == "__main__":
    main()
