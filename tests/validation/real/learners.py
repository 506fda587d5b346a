"""Essays of learners of English with people's ratings: how far does the offline baseline agree?"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from scipy.stats import spearmanr

from eng5_runner.judges.catalogue import BASELINE_MODEL
from eng5_runner.stack.llm.baseline.prose import PROPERTIES, Text
from tests.validation.checks import Row, Table

if TYPE_CHECKING:
    from pathlib import Path

_GOAL = 0.55


def table(path: Path) -> Table:
    """Rank correlation of the baseline's score, and of each of its properties, with the ratings."""
    with path.open(encoding="utf-8", newline="") as file:
        essays = [(float(row["overall"]), Text.of(row["text"])) for row in csv.DictReader(file)]
    ratings = [rating for rating, _ in essays]
    scores = {each.better: [each.score(text) for _, text in essays] for each in PROPERTIES}
    total = spearmanr([sum(each) for each in zip(*scores.values(), strict=True)], ratings).statistic
    rows = [Row(f"`{BASELINE_MODEL}`", (f"{total:.2f}",), ((f"at least {_GOAL}", bool(total >= _GOAL)),))]
    for better, values in scores.items():
        found = spearmanr(values, ratings).statistic
        rows.append(Row(f"of this, {better}", (f"{found:.2f}",), (("points the right way", bool(found > 0.0)),)))
    title = f"The offline baseline: {len(essays):,} essays of learners of English (ELLIPSE)"
    return Table(title=title, columns=("rank correlation with people's ratings",), rows=tuple(rows))
