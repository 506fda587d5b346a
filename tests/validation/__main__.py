"""`make validate`: reruns the simulations and writes their figures into docs/validation.md.

Ends with 1 if a claim does not hold. `--runs N` takes N studies a case instead of the usual number; the document is
then left alone. `--only NAME` reruns one check and replaces its table; it can be given more than once.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.validation import checks, designs, soft
from tests.validation.simulated import ADVANTAGE, EXPERT_NOISE, JUDGE_NOISE, SEED, SPREAD, STEP

if TYPE_CHECKING:
    from tests.validation.checks import Table

DOCUMENT = Path(__file__).parents[2] / "docs" / "validation.md"
BEGIN, END = "<!-- written by make validate: begin -->", "<!-- end -->"
RUNS = {
    checks.teachers: 200,
    checks.grades: 300,
    checks.positions: 40,
    checks.dependence: 20,
    checks.intervals: 40,
    checks.coin_toss: 8,
    soft.judgements: 20,
    designs.adaptive: 60,
}


def markdown(table: Table) -> str:
    """A table with a column of what is claimed; what does not hold is in capitals."""
    lines = [f"### {table.title}", "", f"| case | {' | '.join(table.columns)} | claimed |"]
    lines.append("|---" * (len(table.columns) + 2) + "|")
    for row in table.rows:
        claims = "; ".join(f"{claim}: {'yes' if holds else 'NO'}" for claim, holds in row.claims)
        lines.append(f"| {row.case} | {' | '.join(row.figures)} | {claims} |")
    return "\n".join(lines)


def written(tables: list[Table], *, took: float) -> str:
    """The part of the document that the simulations fill."""
    head = (
        f"Written on {datetime.now(UTC):%Y-%m-%d} by `make validate` in {took / 60:.1f} minutes; seed {SEED}; "
        f"{', '.join(f'{count} studies a case for {check.__name__}' for check, count in RUNS.items())}. "
        f"Essays are {checks.ESSAYS} unless said; the judge's advantage of the first place is {ADVANTAGE} logits. "
        f"Grades: steps of {STEP} logits, spread {SPREAD}, noise of the judge {JUDGE_NOISE}, "
        f"of the experts {EXPERT_NOISE}, of the panel that graded the anchors none unless said."
    )
    return "\n\n".join([BEGIN, head, *(markdown(table) for table in tables), END])


def _replaced(text: str, tables: list[Table]) -> str:
    """The text with these tables in place of those with the same titles; a new one comes last."""
    begin, *old = text.removesuffix(END).split("### ")
    of_title = {table.split("\n", 1)[0]: f"### {table}" for table in old}
    of_title |= {table.title: f"{markdown(table)}\n\n" for table in tables}
    return f"{begin}{''.join(of_title.values())}{END}"


def main() -> int:
    """Run everything, print it, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.validation", description=__doc__)
    parser.add_argument("--runs", type=int, help="studies a case")
    parser.add_argument("--processes", type=int, help="how many at a time; without it, as many as there are cores")
    parser.add_argument("--only", action="append", choices=[check.__name__ for check in RUNS], help="one check")
    arguments = parser.parse_args()
    runs, only = arguments.runs, arguments.only
    wanted = {check: count for check, count in RUNS.items() if not only or check.__name__ in only}
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the processes that are started below read it
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(check, runs or count) for check, count in wanted.items()]
        tables = [job.result() for job in jobs]
    text = written(tables, took=time.monotonic() - began)
    sys.stdout.write(f"{text}\n")
    if runs is None:
        document = DOCUMENT.read_text("utf-8")
        before, rest = document.split(BEGIN)
        old, after = rest.split(END)
        text = _replaced(f"{BEGIN}{old}{END}", tables) if only else text
        DOCUMENT.write_text(before + text + after, "utf-8")
    broken = [claim for table in tables for row in table.rows for claim, holds in row.claims if not holds]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
