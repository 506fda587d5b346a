"""Halves of the judges that are fitted without shrinkage, and what is left of a bias after what halves add."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eng5_runner.app.fit import fit
from eng5_runner.measure.model.bradley_terry import fit as fit_positions
from eng5_runner.measure.model.comparisons import comparisons_counted
from tests.validation.real.halves import Mean, alike, by_itself, gain_by_weighing, spearman_brown, unshrunk
from tests.validation.real.human import Judged, one_by_one, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

ITEMS = ["ada", "bo", "cy", "di"]
SET = Judged(
    name="Ada2026",
    items=60,
    each=20.0,
    reliability=0.9,
    of_these=0.92,
    alike=0.89,
    gain_by_weighing=0.005,
    separation=0.9,
    published_separation=0.9,
    halves=0.86,
    halves_again=0.861,
    of_halves=Mean(0.02, 0.003),
    own_halves=0.871,
    of_own=Mean(0.01, 0.004),
    order=0.99,
    seconds=1.0,
)


def _judge(won: Mapping[str, tuple[int, int]]) -> Comparisons:
    """Ada against others, with how often she won of how many; as no other pair was asked, each fit is exact."""
    rows = [
        ("ada", other, outcome, n) for other, (wins, lost) in won.items() for outcome, n in ((1.0, wins), (0.0, lost))
    ]
    return comparisons_counted(ITEMS, rows)


def _below_ada(wins: int, lost: int, *, of_ada: int) -> float:
    """The other's position below hers, with the scores of both moved by .3 towards the middle."""
    asked = wins + lost
    moved = (0.3 / asked + 0.3 / of_ada) / 2.0
    chance = moved + (1.0 - 2.0 * moved) * wins / asked
    return math.log(chance / (1.0 - chance))


def test_halves_are_as_likely_as_can_be_over_the_items_that_both_judged() -> None:
    judges = [_judge({"bo": (2, 0), "cy": (1, 3)}), _judge({"bo": (4, 0), "cy": (2, 2), "di": (0, 4)})]
    first = [0.0, -_below_ada(2, 0, of_ada=6), -_below_ada(1, 3, of_ada=6)]
    second = [0.0, -_below_ada(4, 0, of_ada=12), -_below_ada(2, 2, of_ada=12)]
    r = np.corrcoef(first, second)[0, 1]
    assert unshrunk(fit_positions(judges[0], prior_sd=1.0), judges) == pytest.approx(2.0 * r / (1.0 + r), abs=1e-4)


def test_simulated_judges_answer_the_questions_of_the_set() -> None:
    rows = [
        {"judge": judge, "item_a": one, "item_b": other, "winner": "a"}
        for judge in ("eva", "finn")
        for one, other in (("ada", "bo"), ("bo", "cy"), ("cy", "ada"), ("ada", "di"), ("di", "bo"))
    ]
    judges, asked = [*fit(rows).table.judges.values()], []

    def way(_: Fit, answers: Sequence[Comparisons]) -> float:
        asked.append([(one.first.tolist(), one.second.tolist(), one.weight.tolist()) for one in answers])
        return float(len(asked))

    [mean] = by_itself(alike(judges, position_effect=False), judges, [way], times=3)
    assert asked == [[(one.first.tolist(), one.second.tolist(), one.weight.tolist()) for one in judges]] * 3
    assert -3.0 < mean.value < -1.0


def test_halves_gain_where_they_weigh_judges_who_toss_a_coin() -> None:
    generator, rows = np.random.default_rng(1), []
    for number in range(800):
        high, low = sorted(generator.choice(20, size=2, replace=False).tolist())
        judge = number % 20
        won = "ab"[int(generator.random() < (0.5 if judge < 12 else 0.1))]
        rows.append({"judge": f"{judge}", "item_a": f"{high:02}", "item_b": f"{low:02}", "winner": won})
    assert gain_by_weighing(fit(rows).table, splits=1) > 0.05


def test_a_mean_has_its_standard_error_and_leaves_out_what_is_not_known() -> None:
    assert Mean.of([0.1, math.nan, 0.3]).in_words == "+0.200 ± 0.100"
    assert Mean.of([math.nan]).in_words == "–"


def test_what_is_left_is_what_neither_halves_nor_the_weighing_of_judges_add() -> None:
    worse = replace(SET, name="Bo2026", halves=0.83)
    adaptive, few = replace(SET, separation=0.96), replace(SET, each=9.0)
    unknown = replace(SET, of_halves=Mean.of([]))
    found = one_by_one([SET, adaptive, few, unknown, worse])
    assert [row.case for row in found.rows] == ["Bo2026", "Ada2026", "mean of the 2 ± its standard error"]
    assert found.rows[0].figures == (
        *("+0.070", "+0.020", "+0.050", "+0.010", "+0.005", "+0.040"),
        *("+0.029", "+0.010", "+0.019", "+0.009", "+0.031"),
    )
    assert found.rows[2].figures[:6] == (
        *("+0.055 ± 0.015", "+0.020 ± 0.000", "+0.035 ± 0.015"),
        *("+0.010 ± 0.000", "+0.005 ± 0.000", "+0.025 ± 0.015"),
    )
    assert [holds for _, holds in found.rows[2].claims] == [False, False]
    assert all(holds for _, holds in one_by_one([replace(SET, reliability=0.885)]).rows[1].claims)


def test_the_halving_s_part_is_said_where_most_sets_have_it() -> None:
    unknown = replace(SET, each=9.0, of_halves=Mean.of([]))
    whole, large, plain = table([SET, unknown, unknown]).rows
    assert (whole.figures[2], large.figures[2], plain.figures[2]) == ("–", "+0.020 ± 0.003", "+0.020 ± 0.003")
    assert spearman_brown(0.5) == pytest.approx(2.0 / 3.0)
