"""The claims of `measure` against simulated truth, each as rows of a table and whether it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtr

from eng5_runner.measure.design.grade_planning import GradeChances, Grading, grade_chances
from eng5_runner.measure.design.planning import expected_precision
from eng5_runner.measure.grading.anchor_model import Positions
from eng5_runner.measure.grading.grades import Refusal, Scale, project
from eng5_runner.measure.quality.alignment import adjacent_agreement, exact_agreement
from eng5_runner.measure.quality.claims import brier, ranked_probability_score
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.reliability import empirical_bayes, reliability_interval, separation
from eng5_runner.measure.quality.resampling import of_one, weighted_kappa_of_each
from tests.validation import oracle
from tests.validation.simulated import (
    EXPERT_NOISE,
    GRADES,
    JUDGE_NOISE,
    NARROW,
    SPREAD,
    STEP,
    TWELVE,
    asked_again,
    by_experts,
    study,
)
from tests.validation.simulated import graded as graded_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tests.validation.simulated import Design, Graded, Study

ESSAYS = 60
_FAIR_JUDGE = 0.7
_ENOUGH_STUDENTS = 100  # of one projected grade, to tell .03 from chance
_TIMES_FOR_LABELS = 5  # as many studies where labels are near their bound
_ENOUGH_LABELS, _SELDOM = 50, 0.025  # students with a label, and the share of all that is few
THREES = tuple(grade for grade in range(GRADES) for _ in range(3))
NINE = Scale(prior=(1.0,) * GRADES, has_below_lowest=False)


@dataclass(frozen=True)
class Row:
    """A line of a table: what was simulated, the figures, and what is claimed of them with whether it holds."""

    case: str
    figures: tuple[str, ...]
    claims: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Table:
    """What one check found."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def positions(runs: int) -> Table:
    """Coverage, reliability and plan in one pass over the same studies."""
    cases: tuple[tuple[float, int, Design], ...] = (
        (1.0, 10, "balanced"),
        (1.0, 20, "balanced"),
        (1.8, 10, "balanced"),
        (1.8, 20, "balanced"),
        (1.8, 30, "balanced"),
        (3.0, 20, "balanced"),
        (1.0, 20, "adaptive"),
        (1.8, 12, "adaptive"),
        (1.8, 20, "adaptive"),
    )
    rows = [_positions(spread, k, design=design, runs=runs) for spread, k, design in cases]
    columns = ("true r²", "reliability", "SSR", "coverage of 90% intervals", "of θ ± 1.645 SE", "r² planned")
    return Table(title="Positions, standard errors, reliability and plan", columns=columns, rows=tuple(rows))


def _positions(spread: float, k: int, *, design: Design, runs: int) -> Row:
    studies = [study(number, n=ESSAYS, k=k, spread=spread, design=design) for number in range(runs)]
    real = float(np.mean([one.realised for one in studies]))
    claimed = float(np.mean([empirical_bayes(one.fitted) for one in studies]))
    apart = float(np.mean([separation(one.fitted) or 0.0 for one in studies]))
    covered = float(np.mean([_covered(one, *one.fitted.intervals(level=0.9)) for one in studies]))
    plain = float(np.mean([_covered(one, *_about_the_mode(one)) for one in studies]))
    planned = expected_precision(
        essays=ESSAYS, comparisons=ESSAYS * k // 2, spread=spread, adaptive=design == "adaptive"
    ).reliability
    claims = [
        ("reliability within .03 of r²", abs(claimed - real) <= 0.03),
        ("coverage 85 to 95%", 0.85 <= covered <= 0.95),
        ("plan within .03", abs(planned - real) <= 0.03),
    ]
    figures = (f"{real:.3f}", f"{claimed:.3f}", f"{apart:.3f}", f"{covered:.3f}", f"{plain:.3f}", f"{planned:.3f}")
    return Row(case=f"spread {spread}, k = {k}, {design}", figures=figures, claims=tuple(claims))


def _about_the_mode(one: Study) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    margin = 1.6448536269514722 * one.fitted.standard_errors
    return one.fitted.theta - margin, one.fitted.theta + margin


def _covered(one: Study, low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    truth = one.truth - one.truth.mean()
    return float(np.mean((low <= truth) & (truth <= high)))


def coin_toss(runs: int) -> Table:
    """A judge without any opinion."""
    rows = []
    cases: tuple[tuple[int, Design], ...] = ((10, "balanced"), (20, "balanced"), (10, "adaptive"), (20, "adaptive"))
    for k, design in cases:
        fits = [study(1000 + number, n=ESSAYS, k=k, spread=0.0, design=design).fitted for number in range(runs)]
        claimed = float(np.mean([empirical_bayes(fitted) for fitted in fits]))
        apart = float(np.mean([separation(fitted) or 0.0 for fitted in fits]))
        rows.append(
            Row(
                case=f"k = {k}, {design}",
                figures=(f"{claimed:.3f}", f"{apart:.3f}"),
                claims=(("reliability under .2", claimed < 0.2),),
            )
        )
    columns = ("reliability", "SSR (inflated when adaptive)")
    return Table(title="A judge who tosses a coin", columns=columns, rows=tuple(rows))


def intervals(runs: int) -> Table:
    """The reliability's own interval: how often it holds the realised r²."""
    rows = []
    for spread, k in ((1.0, 20), (1.8, 20), (3.0, 20)):
        held, below = [], []
        for number in range(runs):
            one = study(2000 + number, n=ESSAYS, k=k, spread=spread, design="balanced")
            low, high = reliability_interval(one.fitted)
            held.append(low <= one.realised <= high)
            below.append(low <= one.realised)
        figures = (f"{np.mean(held):.2f}", f"{np.mean(below):.2f}")
        claims = (
            ("lower end below r² in 85% or more", bool(np.mean(below) >= 0.85)),
            ("interval holds r² in 80% or more", bool(np.mean(held) >= 0.8)),
        )
        rows.append(Row(case=f"spread {spread}, k = {k}, balanced", figures=figures, claims=claims))
    columns = ("90% interval holds r²", "lower end (nominal 95%) below r²")
    return Table(title="The interval of the reliability", columns=columns, rows=tuple(rows))


def dependence(runs: int) -> Table:
    """Pairs that are asked again, by judges whose answers repeat each other more or less."""
    rows = []
    for orders, times, alike in ((2, 1, 0.0), (2, 1, 0.5), (2, 1, 1.0), (1, 3, 0.5), (2, 2, 0.5)):
        studies = [
            asked_again(4000 + number, n=ESSAYS, k=10, orders=orders, times=times, alike=alike)
            for number in range(runs)
        ]
        found = [one.found.swaps or one.found.repeats for one in studies]
        measured = float(np.mean([math.nan if one is None else one.value for one in found]))
        real, claimed, covered = _told([one.study for one in studies])
        _, in_full, _ = _told([one.in_full for one in studies])
        robust = [errors_by_pair(one.study.fitted, one.in_full.fitted.comparisons) for one in studies]
        ratio = [
            errors.mean() / one.study.fitted.standard_errors.mean()
            for errors, one in zip(robust, studies, strict=True)
            if errors is not None
        ]
        below = [reliability_interval(one.study.fitted)[0] <= one.study.realised for one in studies]
        figures = (
            f"{measured:.2f}",
            *(f"{value:.3f}" for value in (real, claimed, in_full, covered)),
            f"{np.mean(ratio):.2f}",
            f"{np.mean(below):.2f}",
        )
        claims = (
            ("correlation within .1", abs(measured - alike) <= 0.1),
            ("reliability within .03 of r²", abs(claimed - real) <= 0.03),
            ("coverage 85 to 95%", 0.85 <= covered <= 0.95),
        )
        asked = f"{'both orders' if orders > 1 else 'one order'}, {times} in each"
        rows.append(
            Row(case=f"10 pairs an essay, {asked}; two answers correlate {alike}", figures=figures, claims=claims)
        )
    columns = (
        *("correlation measured", "true r²", "reliability", "if all counted in full", "coverage of 90% intervals"),
        *("errors by pair ÷ errors", "lower end of the reliability below r²"),
    )
    return Table(title="Judgements that depend on each other", columns=columns, rows=tuple(rows))


def _told(studies: list[Study]) -> tuple[float, float, float]:
    """True r², reliability, and how often the intervals hold the true position."""
    real = float(np.mean([one.realised for one in studies]))
    claimed = float(np.mean([empirical_bayes(one.fitted) for one in studies]))
    return real, claimed, float(np.mean([_covered(one, *one.fitted.intervals(level=0.9)) for one in studies]))


@dataclass(frozen=True)
class _Grading:
    """What one way to grade made of all students of all runs."""

    expert: list[int]
    given: list[int]
    probabilities: list[tuple[float, ...]]
    claimed: list[float]


def grades(runs: int) -> Table:
    """The projection against experts' grades, beside the nearest centre of the anchors' isotonic means."""
    sixes = (0, 0, 2, 2, 4, 4, 5, 5, 7, 7, 8, 8)
    cases = (
        ("12 anchors over 9 grades, k = 10", TWELVE, 10),
        ("12 anchors over 9 grades, k = 20", TWELVE, 20),
        ("12 anchors over 9 grades, k = 30", TWELVE, 30),
        ("9 anchors, one a grade, k = 20", tuple(range(GRADES)), 20),
        ("12 anchors over 6 grades, k = 20", sixes, 20),
        ("27 anchors, three a grade, k = 20", THREES, 20),
        ("12 anchors graded as unsurely as students, k = 20", TWELVE, 20),
    )
    rows = []
    for name, anchors, k in cases:
        noise = EXPERT_NOISE if "unsurely" in name else 0.0
        studies = [graded_study(3000 + n, k=k, anchor_grades=anchors, anchor_noise=noise) for n in range(runs)]
        projected, is_main = _graded(studies, _projected), (anchors, k, noise) == (TWELVE, 20, 0.0)
        known = _graded(studies, _where_all_is_known) if is_main else None
        rows.append(_grade_row(name, projected, known=known, planned=_planned(k, anchors=len(anchors))))
        rows.append(_grade_row(f"{name}: nearest centre", _graded(studies, _nearest)))
        if known is not None:
            rows.append(_grade_row(f"{name}: the places of the grades are known", known))
    columns = (
        *("exact", "adjacent", "QWK", "Brier", "RPS", "adjacent claimed", "P(grade) claimed"),
        *("exact planned", "adjacent planned"),
    )
    return Table(title="Projected grades, 50 students", columns=columns, rows=tuple(rows))


def _planned(k: int, *, anchors: int) -> GradeChances:
    """What `plan` foretells: it knows the spread of the judge's positions, and nothing of these studies."""
    spread = math.hypot(SPREAD, JUDGE_NOISE)
    chances = grade_chances(k, spread=spread, grading=Grading(grades=GRADES, anchors=anchors))
    if chances is None:
        raise ValueError("there are anchors enough to plan grades")
    return chances


def _graded(
    studies: list[Graded], way: Callable[[Graded], Iterator[tuple[int, tuple[float, ...], float]] | None]
) -> _Grading:
    all_of = _Grading([], [], [], [])
    for one in studies:
        found = way(one)
        if found is None:
            continue
        for expert, (grade, probabilities, claimed) in zip(one.expert.tolist(), found, strict=True):
            all_of.expert.append(expert)
            all_of.given.append(grade)
            all_of.probabilities.append(probabilities)
            all_of.claimed.append(claimed)
    return all_of


def _projected(one: Graded) -> Iterator[tuple[int, tuple[float, ...], float]] | None:
    projection = project(one.fitted, anchors=one.anchors, scale=NINE)
    if isinstance(projection, Refusal):
        return None
    return ((student.median, student.probabilities, student.within_one) for student in projection.students)


def _nearest(one: Graded) -> Iterator[tuple[int, tuple[float, ...], float]]:
    by_grade: dict[int, list[float]] = {}
    place = {item: index for index, item in enumerate(one.fitted.items)}
    for item, grade in one.anchors.items():
        by_grade.setdefault(grade, []).append(float(one.fitted.theta[place[item]]))
    known = sorted(by_grade)
    centres = isotonic_regression([np.mean(by_grade[g]) for g in known], weights=[len(by_grade[g]) for g in known]).x
    for item in one.fitted.items:
        if item not in one.anchors:
            grade = known[int(np.argmin(np.abs(centres - one.fitted.theta[place[item]])))]
            yield grade, tuple(float(g == grade) for g in range(GRADES)), float("nan")


def _where_all_is_known(one: Graded) -> Iterator[tuple[int, tuple[float, ...], float]]:
    """What the best projection gives: Bayes' rule with the true places of the grades, noises and spread of students."""
    students = [place for place, item in enumerate(one.fitted.items) if item not in one.anchors]
    positions = Positions.of(one.fitted, {})
    theta = (positions.theta[students] - one.middle) / one.unit
    kept = SPREAD**2 / (SPREAD**2 + JUDGE_NOISE**2 + positions.variance[students] / one.unit**2)
    width = np.sqrt(SPREAD**2 * (1.0 - kept) + EXPERT_NOISE**2)
    bounds = STEP * (np.arange(1, GRADES) - GRADES / 2.0)
    below = ndtr((bounds - (kept * theta)[:, None]) / width[:, None])
    for row in np.diff(below, axis=1, prepend=0.0, append=1.0):
        median = int(np.argmax(np.cumsum(row) >= 0.5))
        yield median, tuple(row.tolist()), float(row[max(0, median - 1) : median + 2].sum())


def _grade_row(
    name: str, found: _Grading, *, known: _Grading | None = None, planned: GradeChances | None = None
) -> Row:
    exact, near = _exact(found), adjacent_agreement(found.expert, found.given)
    kappa = of_one(weighted_kappa_of_each, (found.expert, found.given)) or 0.0
    score, ranked = (
        brier(found.probabilities, found.expert),
        ranked_probability_score(found.probabilities, found.expert),
    )
    claimed = float(np.mean(found.claimed))
    own = float(np.mean([p[grade] for p, grade in zip(found.probabilities, found.given, strict=True)]))
    wanted = (
        ("exact at most .03 below known places", known is not None and exact >= _exact(known) - 0.03),
        ("adjacent ≥ .81", near >= 0.81),
        ("QWK ≥ .84", kappa >= 0.84),
        ("Brier ≤ .75", score <= 0.75),
        ("claims within .03", abs(claimed - near) <= 0.03 and abs(own - exact) <= 0.03),
    )
    words = [f"{value:.3f}" for value in (exact, near, kappa, score, ranked)]
    told = ["–", "–"] if np.isnan(claimed) else [f"{claimed:.3f}", f"{own:.3f}"]
    if planned is None:
        return Row(case=name, figures=(*words, *told, "–", "–"), claims=())
    both = abs(planned.exact - exact) <= 0.03 and abs(planned.within_one - near) <= 0.03
    foretold = (f"{planned.exact:.3f}", f"{planned.within_one:.3f}")
    plan_claim = ("plan within .03", both)
    return Row(case=name, figures=(*words, *told, *foretold), claims=(*(wanted if known else ()), plan_claim))


def _exact(found: _Grading) -> float:
    return exact_agreement(found.expert, found.given)


def teachers(runs: int) -> Table:
    """Grades, labels and the estimated agreement where judge and teachers differ more or less."""
    rows = [_with_teachers(correlation, runs) for correlation in (0.964, 0.9, 0.8, 0.7, 0.6)]
    rows += [_with_teachers(correlation, runs, spread=NARROW * SPREAD) for correlation in (0.964, 0.9, 0.8)]
    rows += [
        _with_teachers(correlation, runs * times, anchors=THREES)
        for correlation, times in ((0.964, 1), (0.9, _TIMES_FOR_LABELS), (0.8, 1))
    ]
    columns = (
        *("r with grades", "r estimated", "90% interval holds r", "±1 held", "±1 claimed", "labelled HIGH or MID"),
        *("of these ±1 held", "said to hold at least"),
        "by projected grade, lowest first: bias in steps / held / claimed ± standard error",
        "an oracle: ±1 held / claimed; claimed − held by projected grade",
    )
    return Table(title="Judges who agree more or less with the teachers", columns=columns, rows=tuple(rows))


@dataclass(frozen=True)
class _Claims:
    """What was claimed of ±1 for the students of all studies, and what held; each of shape (students,)."""

    study: NDArray[np.int64]
    given: NDArray[np.int64]
    expert: NDArray[np.int64]
    claimed: NDArray[np.float64]

    @property
    def near(self) -> NDArray[np.bool_]:
        return np.abs(self.given - self.expert) <= 1

    def among(self, chosen: NDArray[np.bool_]) -> _Claims:
        return _Claims(self.study[chosen], self.given[chosen], self.expert[chosen], self.claimed[chosen])

    def above(self) -> tuple[float, float]:
        """By how much the claim is above what held, and the standard error of that: students share their study."""
        apart = self.claimed - self.near
        sums = np.bincount(self.study, weights=apart - apart.mean())
        return float(apart.mean()), float(np.linalg.norm(sums)) / apart.size

    def in_words(self) -> str:
        bias, held, claimed = (values.mean() for values in (self.given - self.expert, self.near, self.claimed))
        return f"{bias:+.1f}/{held:.2f}/{claimed:.2f}±{self.above()[1]:.2f}"

    def by_grade(self) -> list[_Claims]:
        grades = [self.among(self.given == grade) for grade in range(GRADES)]
        return [one for one in grades if one.given.size]


def _with_teachers(correlation: float, runs: int, *, spread: float = SPREAD, anchors: tuple[int, ...] = TWELVE) -> Row:
    noise = oracle.noise_of(correlation)
    truth = _correlation_with_grades(noise, spread=spread)
    students, surely, agreements, of_oracle = [], [], [], []
    for number in range(runs):
        one = graded_study(5000 + number, k=20, judge_noise=noise, spread=spread, anchor_grades=anchors)
        projection = project(one.fitted, anchors=one.anchors, scale=NINE)
        if isinstance(projection, Refusal):
            continue
        agreements.append(projection.agreement)
        both = list(zip(projection.students, one.expert.tolist(), strict=True))
        students += [(number, student.median, expert, student.within_one) for student, expert in both]
        surely += [student.surely_within_one if student.label != "LOW" else math.nan for student, _ in both]
        known = zip(oracle.probabilities(one), one.expert.tolist(), strict=True)
        of_oracle += [(number, *_median_and_neighbours(row, expert)) for row, expert in known]
    found, best = _claims(students), _claims(of_oracle)
    said = np.array(surely)
    labelled = ~np.isnan(said)
    holds = float(np.mean([one.interval[0] <= truth <= one.interval[1] for one in agreements]))
    of_labels = [float(values[labelled].mean()) if labelled.any() else math.nan for values in (found.near, said)]
    figures = (
        f"{truth:.3f}",
        f"{np.mean([one.correlation for one in agreements]):.3f}",
        f"{holds:.2f}",
        f"{found.near.mean():.3f}",
        f"{found.claimed.mean():.3f}",
        f"{labelled.mean():.3f}",
        *(f"{share:.3f}" for share in of_labels),
        " ".join(one.in_words() for one in found.by_grade()),
        f"{best.near.mean():.3f} / {best.claimed.mean():.3f}; "
        + " ".join(f"{above:+.2f}±{error:.2f}" for above, error in (one.above() for one in best.by_grade())),
    )
    claims = [
        ("±1 claimed within .03", abs(found.above()[0]) <= 0.03),
        ("interval of r holds it in 85%", holds >= 0.85),
    ]
    if correlation >= _FAIR_JUDGE:
        if labelled.sum() >= _ENOUGH_LABELS:
            claims.append(("labels at most .03 above what they hold", of_labels[1] <= of_labels[0] + 0.03))
        else:
            claims.append((f"at most {_SELDOM:.1%} labelled", bool(labelled.mean() <= _SELDOM)))
        above = [one.above()[0] for one in found.by_grade() if one.given.size >= _ENOUGH_STUDENTS]
        claims.append(("no projected grade claims more than .03 above", max(above, default=0.0) <= 0.03))
    other = f"; {len(anchors)} anchors" if anchors != TWELVE else ""
    if spread != SPREAD:
        other = f"; students {spread / SPREAD} as spread"
    return Row(
        case=f"judge sees quality with r = {correlation}{other}; {len(agreements)} of {runs} studies graded",
        figures=figures,
        claims=tuple(claims),
    )


def _claims(students: list[tuple[int, int, int, float]]) -> _Claims:
    study, given, expert, claimed = (np.array(column) for column in zip(*students, strict=True))
    return _Claims(study=study, given=given, expert=expert, claimed=claimed)


def _median_and_neighbours(row: NDArray[np.float64], expert: int) -> tuple[int, int, float]:
    median = int(np.argmax(np.cumsum(row) >= 0.5))
    return median, expert, float(row[max(0, median - 1) : median + 2].sum())


def _correlation_with_grades(judge_noise: float, *, spread: float) -> float:
    """r of the judge's true position with an expert's grade, by numbers enough that chance does not matter."""
    generator = np.random.default_rng(1)
    quality = generator.normal(0.0, spread, 200_000)
    seen = quality + generator.normal(0.0, judge_noise, quality.size)
    return float(np.corrcoef(seen, by_experts(quality, generator, noise=EXPERT_NOISE))[0, 1])
