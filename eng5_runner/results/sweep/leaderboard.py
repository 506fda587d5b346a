"""The judges of a sweep in the order of their agreement with the experts, and which differences are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from eng5_runner.core.rounding import ends_if_any, ranks_of, rounded, usd
from eng5_runner.measure.quality.exchange import exchange_p_value, holm
from eng5_runner.measure.quality.paired import LEVEL
from eng5_runner.measure.quality.resampling import bootstrap_interval, kendall_tau_b_of_each
from eng5_runner.results.artefact.part import AtLeastOne, Count, Nullable, Part, Share, Text
from eng5_runner.results.compare import DRAWS, SEED
from eng5_runner.results.paired_verdicts import paired_verdicts
from eng5_runner.results.sweep.figures import RunFigures, SweptFigure, SweptFigures, SweptRun

METHOD = (
    "Two judges are compared by Kendall's τ-b of the same anchors with their grades, on average over the same seeds: "
    "a two-sided test that exchanges anchors between the two judges (Deutsch, Dror and Roth 2021), corrected for the "
    "number of differences by Holm's method; real is what has a corrected p of at most 0.1. Intervals of a difference "
    "are by bootstrap of the anchors, both judges together, and not corrected."
)
_FEWEST = 3
_FALLBACK = 2.0  # below every τ-b


class LeaderboardRow(SweptFigures):
    """A judge with a design. Each figure is the mean over its runs, and so is each end of an interval.

    Runs of several seeds share anchors and kept judgements, so their errors are not independent and the interval of the
    mean is not made narrower.
    """

    name: Text
    """The judge's, with the design's where the sweep has several."""
    judge: Text
    """The judge's name in the sweep."""
    design: Text
    """The design's name in the sweep."""
    model: Nullable[str]
    """Provider and model; None where nothing was judged."""
    runs: Count
    """Runs with results."""
    complete: Count
    """How many of them are complete."""
    judged: Count
    """Comparisons with a winner, in all runs."""
    failed: Count
    """Comparisons without."""
    usd: float
    """What all its runs cost."""
    seconds: float
    """Time of its runs, one after the other."""
    unpriced: AtLeastOne | None = None
    """Calls whose price is not known: `usd` lacks them; absent where all prices are known."""


class JudgeDifference(Part):
    """Two rows of the leaderboard; the first is the one that stands higher."""

    higher: Text
    """The name of the one that stands higher."""
    lower: Text
    """The name of the other one."""
    anchors: Count
    """Anchors that both placed."""
    runs: Count
    """Seeds of both."""
    tau_b: SweptFigure
    """How much more τ-b the first one has."""
    p_value: Nullable[Share]
    """Of the test by exchange of anchors, two-sided; None where a τ-b is undefined."""
    p_corrected: Nullable[Share]
    """The same, corrected for the number of differences by Holm's method."""
    real: bool
    """Whether `p_corrected` is at most 0.1."""
    pairs: Nullable[Count]
    """Pairs of anchors of different grades that both decided; None where there are none."""
    only_higher_right: Nullable[Count]
    """How many of them only the first decided as the experts did."""
    only_lower_right: Nullable[Count]
    """How many of them only the other one decided as the experts did."""


class Leaderboard(Part):
    """What a sweep says of its judges."""

    name: Text
    """Of the sweep."""
    mode: str
    """Of its runs: `execute` or `anchor-align`."""
    anchors: Count
    """Anchors of the study."""
    students: Count
    """Students of the study."""
    expected_runs: Count
    """Runs that the sweep has."""
    limit_usd: Nullable[float]
    """Cost limit of all runs together; None without one."""
    usd: float
    """What all runs cost, those that the sweep's file no longer names included."""
    unpriced: AtLeastOne | None = None
    """Calls whose price is not known: `usd` lacks them; absent where all prices are known."""
    rows: tuple[LeaderboardRow, ...]
    """The judge that agrees most with the experts first."""
    differences: tuple[JudgeDifference, ...]
    """Between every two rows that can be compared."""
    runs: tuple[SweptRun, ...]
    """Each run."""
    method: Text = METHOD
    """How differences are tested, in words."""

    @property
    def against_best(self) -> tuple[JudgeDifference, ...]:
        """The differences between the first row and each other one."""
        return tuple(each for each in self.differences if each.higher == self.rows[0].name)

    @property
    def ranks(self) -> list[int]:
        """The rank of each row by its τ-b; equal ones share theirs, and so do those without."""
        return ranks_of([_or_below(row.tau_b.value) for row in self.rows])

    @property
    def verdict(self) -> str:
        """Which judge is best, and how sure that is, in words."""
        placed = [row for row in self.rows if row.tau_b.value is not None]
        if not placed:
            return "Nothing can be said of the judges' agreement with the experts yet."
        best = placed[0]
        told = f"{best.name} agrees most with the experts' grades"
        if len(placed) == 1:
            return f"{told}: no other can be compared with it."
        surely = {each.lower for each in self.against_best if each.real}
        equals = [row for row in placed[1:] if row.name not in surely]
        if not equals:
            return f"{told}, surely more than {_all(len(placed) - 1)}."
        told = f"{told}, but it cannot be told from {_listed([row.name for row in equals])}"
        prices = {row.name: row.usd_a_judgement for row in (best, *equals)}
        known = {name: price for name, price in prices.items() if price is not None}
        cheapest = min(known, key=known.__getitem__) if len(known) == len(prices) else best.name
        return f"{told}." if cheapest == best.name else f"{told}. Of these, {cheapest} costs least."


def make_leaderboard(
    figures: Sequence[RunFigures],
    *,
    name: str,
    expected_runs: int,
    limit_usd: float | None = None,
    other_usd: float = 0.0,
    other_unpriced: int = 0,
) -> Leaderboard:
    """Put the runs of each judge and design together, in the order of their agreement with the experts.

    Args:
        figures: of the runs that have results, in the order of the sweep's file.
        name: of the sweep.
        expected_runs: how many runs the sweep has.
        limit_usd: of all runs together.
        other_usd: what runs cost that are not shown.
        other_unpriced: how many of their calls have no known price.
    """
    groups: dict[tuple[str, str], list[RunFigures]] = {}
    for each in figures:
        groups.setdefault((each.run.judge, each.run.design), []).append(each)
    several = len({design for _, design in groups}) > 1
    rows = [
        (_row([each.run for each in group], name=f"{judge} ({design})" if several else judge), group)
        for (judge, design), group in groups.items()
    ]
    ranked = sorted(rows, key=_by_agreement)
    differences = _corrected([_difference(*pair) for pair in combinations(ranked, 2)])
    first = figures[0] if figures else None
    return Leaderboard(
        name=name,
        mode=first.mode if first else "",
        anchors=len(first.grades) if first else 0,
        students=first.students if first else 0,
        expected_runs=expected_runs,
        limit_usd=limit_usd,
        usd=usd(sum(each.run.usd for each in figures) + other_usd),
        unpriced=sum(each.run.unpriced or 0 for each in figures) + other_unpriced or None,
        rows=tuple(row for row, _ in ranked),
        differences=tuple(differences),
        runs=tuple(each.run for each in figures),
    )


_Ranked = tuple[LeaderboardRow, list[RunFigures]]


def _by_agreement(ranked: _Ranked) -> tuple[float, bool, bool, float]:
    row, _ = ranked
    return (
        -_or_below(row.tau_b.value),
        not row.judged,
        bool(row.unpriced),
        row.usd,
    )


def _or_below(tau_b: float | None) -> float:
    return -_FALLBACK if tau_b is None else tau_b


def _row(runs: Sequence[SweptRun], *, name: str) -> LeaderboardRow:
    first = runs[0]
    return LeaderboardRow(
        name=name,
        judge=first.judge,
        design=first.design,
        model=", ".join(dict.fromkeys(run.model for run in runs if run.model)) or None,
        runs=len(runs),
        complete=sum(run.outcome == "complete" for run in runs),
        judged=sum(run.judged for run in runs),
        failed=sum(run.failed for run in runs),
        tau_b=_mean_of(runs, lambda run: run.tau_b),
        grade_error=_mean_of(runs, lambda run: run.grade_error),
        first_shown=_mean_of(runs, lambda run: run.first_shown),
        length=_mean_of(runs, lambda run: run.length),
        swap=_mean_of(runs, lambda run: run.swap),
        reliability=_mean(run.reliability for run in runs),
        usd=usd(sum(run.usd for run in runs)),
        unpriced=sum(run.unpriced or 0 for run in runs) or None,
        usd_a_judgement=_mean((run.usd_a_judgement for run in runs), places=usd),
        seconds_an_answer=_mean(run.seconds_an_answer for run in runs),
        seconds=rounded(sum(run.seconds for run in runs)),
    )


def _mean(values: Iterator[float | None], *, places: Callable[[float], float] = rounded) -> float | None:
    known = [value for value in values if value is not None]
    return places(fmean(known)) if known else None


def _mean_of(runs: Sequence[SweptRun], figure: Callable[[SweptRun], SweptFigure]) -> SweptFigure:
    known = [figure(run) for run in runs if figure(run).value is not None]
    if not known:
        return SweptFigure()
    ends = [each.interval_90 for each in known if each.interval_90 is not None]
    interval = (fmean(low for low, _ in ends), fmean(high for _, high in ends)) if len(ends) == len(known) else None
    return SweptFigure(value=_mean(each.value for each in known), interval_90=ends_if_any(interval))


def _difference(one: _Ranked, other: _Ranked) -> JudgeDifference:
    """On the anchors and seeds that both have; nothing can be told with fewer than three anchors."""
    (row, figures), (lower, others) = one, other
    by_seed = {each.run.seed: each for each in others}
    both = [(each, by_seed[each.run.seed]) for each in figures if each.run.seed in by_seed]
    placed = [set(run.positions) for pair in both for run in pair]
    anchors = sorted(set.intersection(*placed)) if placed else []
    tau_b, p_value = SweptFigure(), None
    if len(anchors) >= _FEWEST:
        grades = [float(both[0][0].grades[anchor]) for anchor in anchors]
        sides = [
            np.array([[run.positions[anchor] for anchor in anchors] for run in side])
            for side in zip(*both, strict=True)
        ]
        tau_b = _tau_b_difference(sides[0], sides[1], grades=grades)
        p_value = exchange_p_value(sides[0], sides[1], grades=grades, seed=SEED)
    counts = [
        paired_verdicts({pair: (a.shares[pair], b.shares[pair]) for pair in a.shares.keys() & b.shares}, a.grades)
        for a, b in both
    ]
    verdicts = [each for each in counts if each is not None]
    return JudgeDifference(
        higher=row.name,
        lower=lower.name,
        anchors=len(anchors),
        runs=len(both),
        tau_b=tau_b,
        p_value=None if p_value is None else rounded(p_value),
        p_corrected=None,
        real=False,
        pairs=sum(each.pairs for each in verdicts) or None,
        only_higher_right=sum(each.only_a_right for each in verdicts) if verdicts else None,
        only_lower_right=sum(each.only_b_right for each in verdicts) if verdicts else None,
    )


def _tau_b_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], *, grades: Sequence[float]
) -> SweptFigure:
    """Mean τ-b of the first less that of the second, with an interval by bootstrap of the anchors."""

    def difference(drawn: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
        places = drawn.astype(np.int64)
        taus = [
            np.mean([kendall_tau_b_of_each(run[places], known) for run in side], axis=0) for side in (first, second)
        ]
        return np.asarray(taus[0] - taus[1])

    places = np.arange(len(grades), dtype=np.float64)
    value = float(difference(places, np.asarray(grades)))
    interval = bootstrap_interval(difference, (places.tolist(), grades), seed=SEED, draws=DRAWS)
    return SweptFigure() if np.isnan(value) else SweptFigure(value=rounded(value), interval_90=ends_if_any(interval))


def _corrected(differences: Sequence[JudgeDifference]) -> Iterator[JudgeDifference]:
    tested = [each.p_value for each in differences if each.p_value is not None]
    corrected = iter(holm(tested))
    for each in differences:
        if each.p_value is None:
            yield each
        else:
            p_value = rounded(next(corrected))
            yield each.model_copy(update={"p_corrected": p_value, "real": p_value <= LEVEL})


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _all(number: int) -> str:
    return "the other one" if number == 1 else f"each of the other {number}"
