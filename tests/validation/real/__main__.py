"""`python -m tests.validation.real DIR`: holds the program against real data and writes docs/validation.md's section.

DIR has `cj-human/*.csv` (`judge,candidate_chosen,candidate_not_chosen`) with `published.csv`, `rave_half.csv` and
`ellipse_half.csv`. No text of them is written, only figures. Ends with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.validation.__main__ import DOCUMENT, markdown
from tests.validation.real import human, learners, rave, study

BEGIN, END = "<!-- written by python -m tests.validation.real: begin -->", "<!-- end of real data -->"
_NEEDED = ("cj-human/published.csv", "rave_half.csv", "ellipse_half.csv")


def main() -> int:
    """Compute all figures, print them, and write them down."""
    parser = argparse.ArgumentParser(prog="python -m tests.validation.real", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the data")
    folder: Path = parser.parse_args().folder
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        sys.stderr.write(f"{folder} lacks {', '.join(missing)}: nothing was computed.\n")
        return 66
    began = time.monotonic()
    sets, forms = human.read(folder / "cj-human")
    tables = [
        human.forms_table(forms),
        human.table(sets),
        human.one_by_one(sets),
        rave.table(folder / "rave_half.csv"),
        learners.table(folder / "ellipse_half.csv"),
        study.table(folder / "ellipse_half.csv"),
        study.redrawn(folder / "ellipse_half.csv"),
    ]
    took = time.monotonic() - began
    head = f"Written on {datetime.now(UTC):%Y-%m-%d} in {took / 60:.1f} minutes; {len(sets)} sets have a reliability."
    text = "\n\n".join([BEGIN, head, *(markdown(table) for table in tables), END])
    sys.stdout.write(f"{text}\n")
    before, rest = DOCUMENT.read_text("utf-8").split(BEGIN)
    DOCUMENT.write_text(before + text + rest.split(END)[1], "utf-8")
    return int(any(not holds for table in tables for row in table.rows for _, holds in row.claims))


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
