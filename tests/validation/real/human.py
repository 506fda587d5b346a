"""Sets of people's comparative judgements: does the reliability foretell how well halves of the judges agree?"""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import choix
import numpy as np

from eng5_runner.app.fit import fit
from eng5_runner.errors import RunnerError
from tests.validation.checks import Row, Table
from tests.validation.real.halves import (
    Mean,
    alike,
    by_itself,
    for_other_judges,
    gain_by_weighing,
    shrunk,
    spearman_brown,
    unshrunk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eng5_runner.results.fit import FitReliability, FitResult

_SIMULATED, _OFTEN = 8, 64  # times each set, and each that the goals are about
_MANY, _ITEMS = 10, 30
_MOST_SETS = 0.8
_UP_TO = 400  # items, for what takes many fits or another program
# By so much the separation reliability is above the program's own where pairs were chosen by earlier outcomes.
_INFLATED = 0.03
_BIAS, _RMSE, _SAME_ORDER = 0.01, 0.05, 0.9
_CLAIMED = ("left", "left of own halves")
_COLUMNS = {"winner": "candidate_chosen", "loser": "candidate_not_chosen", "judge": "judge"}
_SAME_RELIABILITY = 0.02


@dataclass(frozen=True)
class Judged:
    """A set: its size, what the program says, and what halves of its judges say.

    Attributes:
        name: of the set.
        items: in it.
        each: judgements an item.
        reliability: as the program states it for other judges like these, or where it cannot, for these.
        of_these: as it states it for these judges.
        alike: as `reliability`, of a fit in which all judgements count alike, as they do in halves; NaN for large sets.
        gain_by_weighing: by how much halves that weigh their own judges agree better; NaN where that is not done.
        separation: the field's SSR by the program.
        published_separation: the same as published.
        halves: the reliability by Spearman-Brown from the published correlation of halves of the judges.
        halves_again: the same computed here in the same way; NaN where that is not done.
        of_halves: reliability − such halves where judges without tastes answer the same questions, likewise.
        own_halves: the same as `halves` from the program's own halves; NaN for large sets.
        of_own: the same as `of_halves` for these.
        order: correlation of the positions with a maximum-likelihood fit of another program (choix), likewise.
        seconds: that the fit took.
    """

    name: str
    items: int
    each: float
    reliability: float
    of_these: float
    alike: float
    gain_by_weighing: float
    separation: float
    published_separation: float
    halves: float
    halves_again: float
    of_halves: Mean
    own_halves: float
    of_own: Mean
    order: float
    seconds: float

    @property
    def is_large(self) -> bool:
        """Whether it has the judgements and items that the goals are about."""
        return self.each >= _MANY and self.items >= _ITEMS

    @property
    def is_adaptive(self) -> bool:
        """Whether its pairs look chosen by earlier outcomes, which inflates SSR and published halves alike."""
        return self.separation - self.of_these > _INFLATED

    @property
    def parts(self) -> dict[str, float]:
        """What its differences from halves consist of, by the names of their columns."""
        weighing = self.reliability - self.alike
        left = self.reliability - self.halves - self.of_halves.value
        own_left = self.reliability - self.own_halves - self.of_own.value
        return {
            "reliability − published halves": self.reliability - self.halves,
            "of this, by the halving itself": self.of_halves.value,
            "left": left,
            "of this, by weighing judges": weighing,
            "what weighing gives halves": self.gain_by_weighing,
            "left after both": left - weighing,
            "reliability − own halves": self.reliability - self.own_halves,
            "of this, by this halving itself": self.of_own.value,
            "left of own halves": own_left,
            "left of own halves after both": own_left - weighing,
            "published halves computed here − published": self.halves_again - self.halves,
        }


@dataclass(frozen=True)
class AsItIs:
    """What became of a file that was given as it is.

    Attributes:
        name: of the set.
        error: why it was refused; None if it was not.
        has_right_columns: whether winner, loser and judge were taken for what they are.
        apart: by how much the reliability differs from that of a fit without position effect; None where both are not
            defined, infinite where one is.
        winner_first_apart: the same of the file rewritten as item_a, item_b, winner, with the winner always first.
    """

    name: str
    error: str | None = None
    has_right_columns: bool = False
    apart: float | None = None
    winner_first_apart: float | None = None


def read(folder: Path) -> tuple[list[Judged], list[AsItIs]]:
    """Fit every set as it is, with what was published of it; the first list has those with a reliability."""
    with (folder / "published.csv").open(encoding="utf-8", newline="") as file:
        published = {row["judging_session"]: row for row in csv.DictReader(file)}
    found, forms = [], []
    for path in sorted(folder.glob("*.csv")):
        if path.stem == "published":
            continue
        began = time.perf_counter()
        try:
            result = fit(path)
        except RunnerError as error:
            forms.append(AsItIs(name=path.stem, error=str(error)))
            continue
        seconds = time.perf_counter() - began
        forms.append(_as_it_is(path, result))
        if result.reliability.eb is not None:
            found.append(_judged(result, published.get(path.stem, {}), name=path.stem, seconds=seconds))
    return found, forms


def _as_it_is(path: Path, result: FitResult) -> AsItIs:
    without = fit(path, position_effect=False).reliability.eb
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            {"item_a": row["candidate_chosen"], "item_b": row["candidate_not_chosen"], "winner": "a"}
            | {"judge": row["judge"]}
            for row in csv.DictReader(file)
        ]
    columns = result.table.columns
    return AsItIs(
        name=path.stem,
        has_right_columns={role: getattr(columns, role) for role in _COLUMNS} == _COLUMNS,
        apart=_apart(result.reliability.eb, without),
        winner_first_apart=_apart(fit(rows).reliability.eb, without),
    )


def _apart(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return None if one is other else math.inf
    return abs(one - other)


def forms_table(forms: Sequence[AsItIs]) -> Table:
    """Every file as it is: no error, the right columns, and no position effect in place of the items' differences."""
    refused = [one.name for one in forms if one.error is not None]
    wrong = [one.name for one in forms if one.error is None and not one.has_right_columns]
    rows = []
    for case, differences in (
        ("as they are", {one.name: one.apart for one in forms}),
        ("with the winner always first", {one.name: one.winner_first_apart for one in forms}),
    ):
        known = {name: value for name, value in differences.items() if value is not None}
        breaches = [name for name, value in known.items() if value > _SAME_RELIABILITY]
        figures = (str(len(forms)), *(", ".join(names) or "none" for names in (refused, wrong)), str(len(known)))
        held = (
            ("no error", not refused),
            ("right columns", not wrong),
            (f"reliability within {_SAME_RELIABILITY} of that without position effect", not breaches),
        )
        largest = f"{max(known.values(), default=math.nan):.4f}"
        rows.append(Row(case=case, figures=(*figures, largest, ", ".join(breaches) or "none"), claims=held))
    columns = ("sets", "refused", "wrong columns", "have a reliability", "largest difference", "beyond it")
    return Table(title="Files of other studies, given to `fit` as they are", columns=columns, rows=tuple(rows))


def _judged(result: FitResult, published: dict[str, str], *, name: str, seconds: float) -> Judged:
    items, data = len(result.items), result.table.comparisons
    found = Judged(
        name=name,
        items=items,
        each=2.0 * float(data.weight.sum()) / items,
        reliability=_for_other_judges(result.reliability),
        of_these=result.reliability.eb or 0.0,
        alike=math.nan,
        gain_by_weighing=math.nan,
        separation=math.nan if result.reliability.ssr is None else result.reliability.ssr,
        published_separation=_number(published.get("ssr")),
        halves=spearman_brown(_number(published.get("median_split_corr"))),
        halves_again=math.nan,
        of_halves=Mean.of([]),
        own_halves=math.nan,
        of_own=Mean.of([]),
        order=_other_program(result),
        seconds=seconds,
    )
    judges = [*result.table.judges.values()]
    if len(judges) < 2 or items > _UP_TO:
        return found
    fitted = alike(judges, position_effect=result.model.position_effect_se is not None)
    found = replace(found, alike=for_other_judges(fitted, judges), own_halves=shrunk(result.model, judges))
    if not found.is_large or found.is_adaptive:
        [of_own] = by_itself(fitted, judges, [shrunk], times=_SIMULATED)
        return replace(found, of_own=of_own)
    of_own, of_halves = by_itself(fitted, judges, [shrunk, unshrunk], times=_OFTEN)
    return replace(
        found,
        of_own=of_own,
        of_halves=of_halves,
        halves_again=unshrunk(fitted, judges),
        gain_by_weighing=gain_by_weighing(result.table),
    )


def _for_other_judges(stated: FitReliability) -> float:
    return (stated.eb or 0.0) if stated.other_judges is None else stated.other_judges


def _other_program(result: FitResult) -> float:
    data = result.table.comparisons
    if len(data.items) > _UP_TO:
        return math.nan
    wins = [
        (first, second) if outcome > 0 else (second, first)
        for first, second, outcome, weight in zip(
            data.first.tolist(), data.second.tolist(), data.outcome.tolist(), data.weight.tolist(), strict=True
        )
        for _ in range(round(weight))
    ]
    theirs = choix.ilsr_pairwise(len(data.items), wins, alpha=0.01)
    return float(np.corrcoef(theirs, result.model.theta)[0, 1])


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def table(sets: Sequence[Judged]) -> Table:
    """Reliability against halves of the judges, for all sets and for those that the goals are about."""
    large = [one for one in sets if one.is_large]
    plain = [one for one in large if not one.is_adaptive]
    columns = (
        "sets",
        "reliability − published halves: bias",
        "of this, by the halving itself",
        "RMSE",
        "reliability − own halves: bias",
        "of this, by the halving itself",
        "RMSE",
        "SSR − published SSR: median",
        "θ with choix: median r",
        "lowest r",
        "fit, s: median",
        "longest",
    )
    rows = (
        _row("all", sets, claims=False),
        _row(f"≥ {_MANY} judgements an item, ≥ {_ITEMS} items", large, claims=True),
        _row("of these, pairs not chosen by outcomes", plain, claims=True),
    )
    return Table(title="People's judgements: sets of human comparative judgement", columns=columns, rows=rows)


def _row(case: str, sets: Sequence[Judged], *, claims: bool) -> Row:
    bias, rmse = _error([one.reliability - one.halves for one in sets])
    own_bias, own_rmse = _error([one.reliability - one.own_halves for one in sets])
    orders = [one.order for one in sets if not math.isnan(one.order)]
    seconds = [one.seconds for one in sets]
    separation = float(np.nanmedian([one.separation - one.published_separation for one in sets]))
    figures = (
        str(len(sets)),
        f"{bias:+.3f}",
        _over_sets([one.of_halves for one in sets]),
        f"{rmse:.3f}",
        f"{own_bias:+.3f}",
        _over_sets([one.of_own for one in sets]),
        f"{own_rmse:.3f}",
        f"{separation:+.3f}",
        f"{np.median(orders):.3f}",
        f"{min(orders):.3f}",
        f"{np.median(seconds):.1f}",
        f"{max(seconds):.1f}",
    )
    held = (
        (f"bias within ± {_BIAS}", abs(bias) <= _BIAS),
        (f"RMSE ≤ {_RMSE}", rmse <= _RMSE),
        (f"positions as choix, median r ≥ {_SAME_ORDER}", float(np.median(orders)) >= _SAME_ORDER),
    )
    return Row(case=case, figures=figures, claims=held if claims else ())


def _over_sets(means: Sequence[Mean]) -> str:
    """The sets' mean with the simulations' standard error; – where more than a fifth of the sets have none."""
    known = [one for one in means if not math.isnan(one.value)]
    if len(known) < _MOST_SETS * len(means):
        return "–"
    error = float(np.linalg.norm([one.error for one in known])) / len(known)
    return Mean(float(np.mean([one.value for one in known])), error).in_words


def one_by_one(sets: Sequence[Judged]) -> Table:
    """What the differences from halves consist of, for each set that the goals are about, the largest first."""
    chosen = {
        one.name: one.parts
        for one in sets
        if one.is_large and not one.is_adaptive and not math.isnan(one.of_halves.value)
    }
    names = list(next(iter(chosen.values()), {}))
    means = {name: Mean.of([parts[name] for parts in chosen.values()]) for name in names}
    rows = [
        Row(case=name, figures=tuple(f"{value:+.3f}" for value in parts.values()), claims=())
        for name, parts in sorted(chosen.items(), key=lambda one: -one[1]["left"])
    ]
    claims = [
        (f"{name}: within ± {_BIAS}", abs(mean.value) <= _BIAS) for name, mean in means.items() if name in _CLAIMED
    ]
    figures = tuple(mean.in_words for mean in means.values())
    rows.append(Row(case=f"mean of the {len(chosen)} ± its standard error", figures=figures, claims=tuple(claims)))
    title = f"These sets one by one: pairs not chosen by outcomes, up to {_UP_TO} items"
    return Table(title=title, columns=tuple(names), rows=tuple(rows))


def _error(differences: Sequence[float]) -> tuple[float, float]:
    known = np.array([value for value in differences if not math.isnan(value)])
    return float(known.mean()), float(np.sqrt(np.mean(known**2)))
