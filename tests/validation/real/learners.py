"""Essays of learners of English with people's ratings: how far does the offline baseline agree?"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from scipy.stats import spearmanr

from eng5_runner.judges.catalogue import BASELINE_MODEL, SPELLING_MODEL
from eng5_runner.stack.llm.baseline.prose import PROPERTIES, Text
from eng5_runner.stack.llm.baseline.word_lists import with_word_lists
from tests.validation.checks import Row, Table

if TYPE_CHECKING:
    from pathlib import Path

_GOAL, _GOAL_WITH_LISTS = 0.55, 0.59


def table(path: Path) -> Table:
    """Rank correlation of the baseline's score, and of each of its properties, with the ratings."""
    with path.open(encoding="utf-8", newline="") as file:
        essays = [(float(row["overall"]), Text.of(row["text"])) for row in csv.DictReader(file)]
    ratings = [rating for rating, _ in essays]
    scores = {each.better: [each.score(text) for _, text in essays] for each in with_word_lists()}
    rows = []
    for name, properties, goal in ((BASELINE_MODEL, len(PROPERTIES), _GOAL), (SPELLING_MODEL, None, _GOAL_WITH_LISTS)):
        counted = [*scores.values()][:properties]
        total = spearmanr([sum(each) for each in zip(*counted, strict=True)], ratings).statistic
        rows.append(Row(f"`{name}`", (f"{total:.2f}",), ((f"at least {goal}", bool(total >= goal)),)))
    for better, values in scores.items():
        found = spearmanr(values, ratings).statistic
        rows.append(Row(f"of this, {better}", (f"{found:.2f}",), (("points the right way", bool(found > 0.0)),)))
    title = f"The offline baseline: {len(essays):,} essays of learners of English (ELLIPSE)"
    return Table(title=title, columns=("rank correlation with people's ratings",), rows=tuple(rows))
