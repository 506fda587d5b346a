"""The projection equals a plain transcription of the model, recovers grades in simulation, and refuses when it must."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import log_ndtr, ndtr, softmax, stdtrit

from eng5_runner.measure.grading.anchor_model import Positions, calibrate
from eng5_runner.measure.grading.calibration import Calibration
from eng5_runner.measure.grading.grades import (
    AnchorCheck,
    Projection,
    Refusal,
    Scale,
    leave_one_anchor_out,
    linked_anchors,
    project,
)
from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
from eng5_runner.measure.quality.inversions import wilson
from tests.support.studies import balanced_rounds, judged

NINE = Scale(prior=(1.0,) * 9, has_below_lowest=False)
ANCHOR_GRADES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 4, 7)
STEP, EXPERT_NOISE, JUDGE_NOISE, SPREAD = 0.75, 0.4, 0.5, 1.8


def graded_by_experts(quality, generator):
    seen = quality + generator.normal(0.0, EXPERT_NOISE, quality.shape)
    return np.clip(np.floor(seen / STEP + 4.5), 0, 8).astype(int)


def study(seed, *, students=50, rounds=20):
    """The method study's simulation: 12 anchors over 9 grades; judge and experts each have noise of their own."""
    generator = np.random.default_rng(seed)
    pool = generator.normal(0.0, SPREAD, 4000)
    pool_grades = graded_by_experts(pool, generator)
    picked = [np.flatnonzero(pool_grades == grade)[nth] for nth, grade in enumerate(ANCHOR_GRADES)]
    quality = generator.normal(0.0, SPREAD, students)
    anchors = {f"anchor-{nth:02}": grade for nth, grade in enumerate(ANCHOR_GRADES)}
    items = [*anchors, *(f"student-{nth:02}" for nth in range(students))]
    position = np.concatenate([pool[picked], quality]) + generator.normal(0.0, JUDGE_NOISE, len(items))
    truth = dict(zip(items, position.tolist(), strict=True))
    pairs = [(pair.first, pair.second) for pairs in balanced_rounds(items, rounds=rounds, seed=seed) for pair in pairs]
    fitted = fit(comparisons_from(items, judged(pairs, truth=truth, seed=seed, advantage=0.2)))
    return fitted, anchors, graded_by_experts(quality, generator)


def never_falling(means, weights):
    """Pool adjacent violators, as in the textbooks."""
    blocks = []
    for mean, weight in zip(means, weights, strict=True):
        blocks.append([mean, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (m1, w1, n1), (m2, w2, n2) = blocks[-2:]
            blocks[-2:] = [[(m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2]]
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


def transcribed(fitted, anchors, scale):
    """The formulae of the model one by one, with explicit inverses; points of little weight are not left out."""
    shrunk = 1.0 / np.maximum(1.0 - np.diag(fitted.covariance) / fitted.prior_sd**2, 0.3)
    wider = fitted.errors_at_mean / np.sqrt(np.diag(fitted.covariance))
    f = np.sqrt(shrunk) * wider
    theta, sigma = fitted.posterior_mean * shrunk, fitted.covariance * np.outer(f, f)
    at = [fitted.items.index(item) for item in anchors]
    errors = sigma[np.ix_(at, at)]
    sd = np.sqrt(np.mean(np.diag(errors) * fitted.counts[at]) / fitted.counts[at])
    errors = errors * np.outer(sd / np.sqrt(np.diag(errors)), sd / np.sqrt(np.diag(errors)))
    students = [index for index in range(len(theta)) if index not in at]
    below, count, many = int(scale.has_below_lowest), len(scale.prior), len(at)
    x = np.arange(-below, count) - (count - 1) / 2
    pi = np.r_[[scale.prior[0] / 2] * below, scale.prior]
    pi = pi / pi.sum()
    centre, typical = pi @ x, np.sqrt(pi @ (x - pi @ x) ** 2)
    grade = np.array(list(anchors.values()))
    s = (x + np.r_[-0.25, np.zeros(len(x) - 2), 0.25])[grade + below]
    (slope, _), cov = np.polyfit(grade, theta[at], 1, cov=True)
    error, passing = np.sqrt(cov[0, 0]), stdtrit(many - 2, 0.95)
    mean, seen, noise = theta[students].mean(), theta[students].var(ddof=1), np.diag(sigma)[students]
    teachers = 0.22 * 0.87 * typical
    spreads = np.array([0.3, 0.42, 0.55, 0.75, 0.9, 1.1, 1.35, 1.65, 2.0, 2.4, 2.9, 3.5, 4.5, 6.0, 8.0])
    steps = slope + np.linspace(-3, 3, 9) * max(error, 0.06 * slope)
    z = np.eye(len(x))[grade + below]
    halve = (np.eye(len(x))[1:] + np.eye(len(x))[:-1]) / 2
    bounds_and_rises = np.vstack([halve, np.diff(np.eye(len(x)), axis=0)])
    logs, outcomes, accused, turned = [], [], [], []
    wide_apart = zip(spreads, np.gradient(np.log(spreads)), strict=True)
    for (tau, width), b in itertools.product(wide_apart, steps[steps > slope / 6]):
        prior = 100.0 + (0.25 * b) ** 2 * np.eye(len(x))
        guesses, means, covs = [], [], []
        for wrong in [None, *range(many)]:
            further = np.zeros((many, many)) if wrong is None else (4 * b) ** 2 * np.outer(*[np.eye(many)[wrong]] * 2)
            v = z @ prior @ z.T + errors + b**2 * (tau**2 + 1 / 12) * np.eye(many) + further
            inverse, off = np.linalg.inv(v), theta[at] - b * s
            chance = np.log(0.75 if wrong is None else 0.25 / many)
            guesses.append(chance - off @ inverse @ off / 2 - np.linalg.slogdet(v)[1] / 2)
            means.append(bounds_and_rises @ (b * x + prior @ z.T @ inverse @ off))
            covs.append(np.diag(bounds_and_rises @ (prior - prior @ z.T @ inverse @ z @ prior) @ bounds_and_rises.T))
        blame = softmax(guesses)
        doubts = blame @ covs + blame @ (np.array(means) - blame @ means) ** 2
        (bounds, risen), (doubt, unsure) = np.split(blame @ means, 2), np.split(doubts, 2)
        origin = bounds.mean() - b * (halve @ x).mean()
        spread_of_slope = np.sqrt(
            (b**2 * (tau**2 + 1 / 12 + 0.25**2 / 2) + np.diag(errors).mean()) / ((grade - grade.mean()) ** 2).sum()
        )
        passed = (b / spread_of_slope - passing) / np.sqrt(1 + passing**2 / (2 * (many - 2)))
        anchors_say = np.logaddexp.reduce(guesses) - max(log_ndtr(passed), -7.0)
        anchors_say += np.log(width) - 0.4 * np.log(tau) - np.log(b)
        off, wide = mean - origin - b * centre, (0.8 * b) ** 2 + seen / len(students) + doubt.mean()
        bounds = never_falling(bounds, 1 / doubt) + doubt.mean() / wide * off
        doubt = np.maximum(doubt - doubt.mean() ** 2 / wide, 0)
        for node in (-2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25):
            real = (b * 0.7 * typical * np.exp(0.45 * node)) ** 2
            whole = real + (b * tau) ** 2 + noise.mean()
            class_says = -(len(students) - 1) / 2 * (np.log(whole) + seen / whole) - (off**2 / wide + np.log(wide)) / 2
            logs.append(anchors_say + class_says - node**2 / 2)
            accused.append(blame[1:])
            turned.append(ndtr(-risen / np.sqrt(unsure)))
            kept = real / (real + (b * tau) ** 2 + noise)
            at_mean = mean + kept * (theta[students] - mean)
            sd2 = real * (1 - kept) + (1 - kept) ** 2 * seen / len(students) + (b * teachers) ** 2
            under = ndtr((bounds - at_mean[:, None]) / np.sqrt(sd2[:, None] + doubt))
            outcomes.append(np.diff(np.c_[0 * kept, np.maximum.accumulate(under, axis=1), 0 * kept + 1], axis=1))
    weight = softmax(logs)
    return np.tensordot(weight, np.array(outcomes), axes=1), weight @ accused, weight @ turned


@pytest.mark.parametrize(
    "scale",
    [NINE, Scale(prior=(1, 2, 3, 4, 5, 4, 3, 2, 1), has_below_lowest=True)],
    ids=["uniform", "own prior and below-lowest"],
)
@pytest.mark.parametrize(
    "anchors",
    [
        {f"anchor-{nth:02}": grade for nth, grade in enumerate(ANCHOR_GRADES)},
        {"anchor-00": 0, "anchor-09": 1, "anchor-03": 3, "anchor-07": 7, "anchor-08": 8},
        {"anchor-00": 1, "anchor-01": 0, "anchor-03": 4, "anchor-04": 3, "anchor-06": 6, "anchor-08": 7},
    ],
    ids=["all grades", "with gaps", "misgraded"],
)
def test_the_probabilities_are_the_models(scale, anchors):
    fitted, _, _ = study(11, students=12, rounds=12)
    projection = project(fitted, anchors=anchors, scale=scale)
    assert isinstance(projection, Projection)
    probabilities, misgraded, inverted = transcribed(fitted, anchors, scale)
    assert_allclose([student.probabilities for student in projection.students], probabilities, atol=1e-3)
    assert_allclose(projection.inversions, inverted, atol=1e-3)
    named = {doubtful.item: doubtful.probability for doubtful in projection.doubtful}
    expected = {item: chance for item, chance in zip(anchors, misgraded, strict=True) if chance > 0.5}
    assert named == pytest.approx(expected, abs=1e-3)


def test_simulated_students_get_their_grades_and_no_more_is_claimed_than_holds():
    near, exact, claimed, high = [], [], [], []
    for seed in range(12):
        fitted, anchors, expert = study(seed)
        projection = project(fitted, anchors=anchors, scale=NINE)
        assert isinstance(projection, Projection)
        off = np.abs(np.array([student.median for student in projection.students]) - expert)
        near.append(np.mean(off <= 1))
        exact.append(np.mean(off == 0))
        claimed.append(np.mean([student.within_one for student in projection.students]))
        high.append(np.mean([student.label == "HIGH" for student in projection.students]))
    assert np.mean(near) >= 0.75
    assert np.mean(exact) >= 0.28
    assert np.mean(claimed) == pytest.approx(np.mean(near), abs=0.1)
    assert np.mean(high) < 0.1


def test_anchors_graded_by_the_others_come_near_their_own_grade():
    fitted, anchors, _ = study(3)
    table = leave_one_anchor_out(fitted, anchors=anchors, scale=NINE)
    assert [left.item for left in table] == list(anchors)
    assert [left.expert for left in table] == list(ANCHOR_GRADES)
    assert np.mean([abs(left.projected.median - left.expert) <= 1 for left in table]) >= 0.7


def test_an_anchor_left_out_is_graded_without_a_look_at_its_own_grade():
    fitted, anchors, _ = study(3, students=8)
    out = "anchor-04"
    first, second = (
        next(left for left in leave_one_anchor_out(fitted, anchors=some, scale=NINE) if left.item == out)
        for some in (anchors, anchors | {out: 8})
    )
    assert (first.expert, second.expert) == (4, 8)
    assert first.projected == second.projected


def test_what_is_reported_of_each_student_hangs_together():
    fitted, anchors, _ = study(0)
    scale = Scale(prior=(1.0,) * 9, has_below_lowest=True)
    projection = project(fitted, anchors=anchors, scale=scale)
    assert [student.item for student in projection.students] == [it for it in fitted.items if it not in anchors]
    assert len(projection.centres) == len(projection.centre_ses) == len(projection.inversions) + 1 == 10
    assert list(projection.centres) == sorted(projection.centres)
    for student in projection.students:
        p = np.array(student.probabilities)
        assert p.sum() == pytest.approx(1.0)
        assert (p > 0).all()
        assert p[: student.median].sum() < 0.5 <= p[: student.median + 1].sum() + 1e-9
        assert p[student.mode] == p.max()
        assert student.surely_within_one <= student.within_one
        assert student.within_one <= p[max(0, student.median - 1) : student.median + 2].sum() + 1e-9
        claim = "HIGH" if student.within_one >= 0.9 and p[student.median] >= 0.5 else "LOW"
        claim = "MID" if claim == "LOW" and student.within_one >= 0.75 else claim
        ranks = ("LOW", "MID", "HIGH")
        claim = min(claim, projection.highest_label, key=ranks.index)
        assert ranks.index(student.label) <= ranks.index("LOW" if student.extrapolated else claim)


def test_a_label_holds_where_judge_and_teachers_agree_as_little_as_the_anchors_leave_possible():
    fitted, anchors, _ = study(0)
    projection = project(fitted, anchors=anchors, scale=NINE)
    places = {fitted.items.index(item): grade for item, grade in anchors.items()}
    positions = Positions.of(fitted, sorted(places))
    students = [index for index in range(len(fitted.items)) if index not in places]
    learnt = calibrate(positions, anchors=dict(sorted(places.items())), students=students, scale=NINE)
    assert isinstance(projection, Projection) and isinstance(learnt, Calibration)
    medians = np.array([student.median for student in projection.students])
    theta, variance = positions.theta[students], positions.variance[students]
    shares = np.full((len(students), 3), (0.05, 0.5, 0.95))
    low, middle, high = learnt.within_one(theta, variance, medians=medians, shares=shares, group=None).T
    claimed = np.array([student.within_one for student in projection.students])
    assert_allclose([student.surely_within_one for student in projection.students], low)
    assert (low < claimed).all() and (claimed < high).all() and (low < middle).all()
    sound = np.array([not student.extrapolated for student in projection.students])
    labelled = np.array([student.label != "LOW" for student in projection.students])
    assert (labelled == (sound & (low >= 0.75))).all()
    assert 0 < labelled.sum() < (sound & (claimed >= 0.75)).sum()
    assert any(student.extrapolated for student in projection.students)


def test_far_from_the_middle_of_the_class_less_is_claimed_than_is_probable():
    """Half of what is possible is below the claim at one standard deviation of the class, a tenth at two."""
    fitted, anchors, _ = study(0)
    projection = project(fitted, anchors=anchors, scale=NINE)
    places = {fitted.items.index(item): grade for item, grade in anchors.items()}
    positions = Positions.of(fitted, sorted(places))
    students = [index for index in range(len(fitted.items)) if index not in places]
    learnt = calibrate(positions, anchors=dict(sorted(places.items())), students=students, scale=NINE)
    assert isinstance(projection, Projection) and isinstance(learnt, Calibration)
    theta, variance = positions.theta[students], positions.variance[students]
    expected = learnt.weight @ (learnt.step**2 * (learnt.group.spread**2 + learnt.scatter**2))
    far = np.abs(theta - theta.mean()) / np.sqrt(expected + variance)
    medians = np.array([student.median for student in projection.students])
    probable = np.array(
        [sum(one.probabilities[max(0, one.median - 1) :][: 2 + (one.median > 0)]) for one in projection.students]
    )
    share = 0.5 - 0.4 * np.clip(far - 1, 0, 1)
    possible = learnt.within_one(theta, variance, medians=medians, shares=share[:, None], group=None)[:, 0]
    claimed = np.array([student.within_one for student in projection.students])
    assert_allclose(claimed, np.minimum(probable, possible))
    assert (claimed[far > 1.5] < probable[far > 1.5] - 0.01).all() and (far > 2).any()
    assert_allclose(claimed[far < 1], probable[far < 1], atol=0.01)


def test_essays_are_graded_as_members_of_the_group_that_they_are_said_to_belong_to():
    fitted, anchors, _ = study(0, students=12)
    places = {fitted.items.index(item): grade for item, grade in anchors.items()}
    positions = Positions.of(fitted, places)
    students = [index for index in range(len(fitted.items)) if index not in places]
    learnt = calibrate(positions, anchors=places, students=students, scale=NINE)
    assert isinstance(learnt, Calibration)
    known = positions.theta[list(places)], positions.variance[list(places)]
    as_anchors = learnt.probabilities(*known, group=learnt.of_anchors)
    assert_allclose(as_anchors, replace(learnt, group=learnt.of_anchors).probabilities(*known))
    assert_allclose(learnt.probabilities(*known), learnt.probabilities(*known, group=learnt.group))
    assert np.abs(as_anchors - learnt.probabilities(*known)).max() > 0.01


def test_how_sure_an_anchors_position_is_follows_from_its_judgements_alone():
    """Not from where its error moved it: the farther out, the flatter the likelihood."""
    fitted, anchors, _ = study(0, students=12)
    places = {fitted.items.index(item): grade for item, grade in anchors.items()}
    alike = Positions.of(fitted, places)
    assert np.ptp(fitted.counts[list(places)]) == 0 and np.ptp(alike.variance[list(places)]) > 0.1
    assert_allclose(alike.errors.variances, np.mean(alike.variance[list(places)]))
    twice = fit(comparisons_from(fitted.items, [*rows_of(fitted.comparisons), *rows_with("anchor-04", fitted)]))
    errors = Positions.of(twice, places).errors.variances
    assert errors[4] == pytest.approx(errors[0] * twice.counts[0] / twice.counts[4]) and errors[4] < 0.7 * errors[0]


def rows_with(item, fitted):
    return [row for row in rows_of(fitted.comparisons) if item in row[:2]]


def test_one_misgraded_anchor_is_named_and_hardly_moves_the_others():
    fitted, anchors, expert = study(5)
    right = project(fitted, anchors=anchors, scale=NINE)
    wrong = project(fitted, anchors=anchors | {"anchor-08": 1}, scale=NINE)
    assert right.doubtful == ()
    (named,) = wrong.doubtful
    assert (named.item, named.expert) == ("anchor-08", 1)
    assert named.by_others >= 6 and named.probability > 0.5
    near = [
        np.mean([abs(one.median - grade) <= 1 for one, grade in zip(some.students, expert, strict=True)])
        for some in (right, wrong)
    ]
    assert near[1] > near[0] - 0.08


def test_the_labels_go_no_further_than_the_anchors_support():
    fitted, anchors, _ = study(5)
    check = project(fitted, anchors=anchors, scale=NINE).check
    table = leave_one_anchor_out(fitted, anchors=anchors, scale=NINE)
    near = sum(abs(left.projected.median - left.expert) <= 1 for left in table)
    assert (check.anchors, check.within_one) == (12, near)
    # Wilson's interval, written out.
    p, z2 = near / 12, 1.6448536269514722**2
    middle, half = p + z2 / 24, np.sqrt(z2 * p * (1 - p) / 12 + z2**2 / 576)
    assert check.interval == pytest.approx(((middle - half) / (1 + z2 / 12), (middle + half) / (1 + z2 / 12)))
    supports = {n: AnchorCheck(anchors=12, within_one=n, interval=wilson(n, 12)).highest_label for n in range(13)}
    assert [n for n, label in supports.items() if label == "MID"] == [11]
    assert [n for n, label in supports.items() if label == "HIGH"] == [12]
    scattered = {item: (grade * 5 + 3) % 9 if item[-1] in "258" else grade for item, grade in anchors.items()}
    low = project(fitted, anchors=scattered, scale=NINE)
    assert isinstance(low, Refusal) or {student.label for student in low.students} == {"LOW"}


def test_the_agreement_with_teachers_is_that_of_judge_and_grades():
    """r of the judge's position with the experts' grades is .92 here; one study knows it to within its interval."""
    estimates, held = [], []
    for seed in range(8):
        fitted, anchors, _ = study(seed)
        agreement = project(fitted, anchors=anchors, scale=NINE).agreement
        assert agreement.among == "students"
        estimates.append(agreement.correlation)
        held.append(agreement.interval[0] <= 0.92 <= agreement.interval[1])
    assert np.mean(estimates) == pytest.approx(0.92, abs=0.04)
    assert np.mean(held) >= 0.75
    few, anchors, _ = study(3, students=4)
    assert project(few, anchors=anchors, scale=NINE).agreement.among == "anchors"


def test_the_agreement_is_with_one_teachers_grades():
    """By integrals: grades are in steps and end at both ends, and nobody knows how much noise a teacher has."""
    fitted, anchors, _ = study(3)
    places = dict(sorted((fitted.items.index(item), grade) for item, grade in anchors.items()))
    students = [index for index in range(len(fitted.items)) if index not in places]
    learnt = calibrate(Positions.of(fitted, places), anchors=places, students=students, scale=NINE)
    projection = project(fitted, anchors=anchors, scale=NINE)
    assert isinstance(learnt, Calibration) and isinstance(projection, Projection)
    noise, real = 0.22 * 0.87 * np.sqrt(60 / 9), np.square(learnt.group.spread)
    bounds = (learnt.bounds - learnt.group.mean[:, None]) / learnt.step[:, None]
    nodes = np.linspace(-6, 6, 1201)
    density = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    r = []
    for seen in (np.sqrt(real + (share * noise) ** 2) for share in (0, 0.5, 1, 1.5)):
        graded = (seen[:, None, None] * nodes > bounds[:, :, None]).sum(axis=1)
        varied = graded**2 @ density - (graded @ density) ** 2
        r += (real / np.sqrt(real + learnt.scatter**2) / seen * ((graded * nodes) @ density) / np.sqrt(varied)).tolist()
    r = np.array(r)
    order = np.argsort(r)

    def quantiles(weight, shares):
        each = np.tile(weight / weight.sum() / 4, 4)[order]
        return np.interp(shares, np.cumsum(each) - each / 2, r[order])

    # The lower end's prior of τ/β has no power, and its classes differ by a log-sd of .6 for .45.
    apart = np.log(learnt.group.spread / NINE.class_spread)
    wary = learnt.weight * learnt.scatter**0.4 * np.exp(apart**2 * (1 / 0.45**2 - 1 / 0.6**2) / 2)
    low, high = projection.agreement.interval
    assert [projection.agreement.correlation, high] == pytest.approx(quantiles(learnt.weight, [0.5, 0.95]), abs=1e-3)
    assert low == pytest.approx(quantiles(wary, 0.05), abs=1e-3)
    rounded = real / np.sqrt((real + learnt.scatter**2) * (real + noise**2 + 1 / 12))
    assert projection.agreement.correlation < learnt.weight @ rounded - 0.003


def test_the_agreement_is_that_among_students_who_are_more_alike_than_the_anchors():
    """r is .72 in a class half as wide as usual, and .9 among anchors, which are spread over all grades."""
    found = [agreement_in_a_narrow_class(seed) for seed in range(6)]
    assert sum(low <= 0.72 <= high for _, low, high in found) >= 5
    assert np.mean([r for r, _, _ in found]) == pytest.approx(0.72, abs=0.08)


def agreement_in_a_narrow_class(seed):
    generator = np.random.default_rng(seed)
    grades = np.r_[np.arange(9), np.arange(9), np.clip(np.rint(generator.normal(4.0, 1.25, 60)), 0, 8)]
    items = [f"item-{place:02}" for place in range(grades.size)]
    seen = 0.8 * (grades + generator.normal(0.0, 1.2, grades.size))
    pairs = [(pair.first, pair.second) for pairs in balanced_rounds(items, rounds=20, seed=seed) for pair in pairs]
    truth = dict(zip(items, seen.tolist(), strict=True))
    fitted = fit(comparisons_from(items, judged(pairs, truth=truth, seed=seed, advantage=0.2)))
    anchors = {item: int(grade) for item, grade in zip(items[:18], grades, strict=False)}
    agreement = project(fitted, anchors=anchors, scale=NINE).agreement
    return agreement.correlation, *agreement.interval


def test_the_order_in_which_anchors_are_named_leaves_no_trace():
    fitted, anchors, _ = study(6, students=8)
    backwards = dict(reversed(anchors.items()))
    assert project(fitted, anchors=anchors, scale=NINE) == project(fitted, anchors=backwards, scale=NINE)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.floats(0.1, 20.0))
def test_only_the_proportions_of_the_prior_count(factor):
    fitted, anchors, _ = study(6, students=4, rounds=8)
    prior = (1.0, 2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0, 1.0)
    one, other = (
        project(fitted, anchors=anchors, scale=Scale(prior=tuple(some), has_below_lowest=True))
        for some in (prior, [share * factor for share in prior])
    )
    for student, same in zip(one.students, other.students, strict=True):
        assert_allclose(student.probabilities, same.probabilities, atol=1e-12)


def test_a_student_whom_nothing_links_with_the_anchors_is_at_most_low():
    fitted, anchors, _ = study(7, students=6)
    alone = comparisons_from(
        [*fitted.items, "x", "y"],
        [*rows_of(fitted.comparisons), *([("x", "y", 1.0), ("y", "x", 1.0)] * 10)],
    )
    students = {it.item: it for it in project(fit(alone), anchors=anchors, scale=NINE).students}
    assert not students["x"].connected
    assert students["x"].label == "LOW"
    assert students["student-00"].connected


def rows_of(comparisons):
    return [
        (comparisons.items[a], comparisons.items[b], y)
        for a, b, y, times in zip(
            comparisons.first, comparisons.second, comparisons.outcome, comparisons.weight, strict=True
        )
        for _ in range(int(times))
    ]


@pytest.mark.parametrize(
    "anchors",
    [{}, {"anchor-00": 0, "anchor-08": 8}, {"anchor-00": 4, "anchor-01": 4, "anchor-08": 4}],
    ids=["none", "two", "one grade"],
)
def test_too_few_anchors_are_refused(anchors):
    fitted, _, _ = study(9, students=4, rounds=8)
    refusal = project(fitted, anchors=anchors, scale=NINE)
    assert isinstance(refusal, Refusal)
    assert "needed" in refusal.reason


def test_anchors_that_nothing_links_are_refused():
    """Each pair of essays is a part of its own: the positions of two parts say nothing of each other."""
    names = [f"{kind}-{number}" for number in range(6) for kind in ("anchor", "student")]
    pairs = list(zip(names[::2], names[1::2], strict=True))
    apart = fit(
        comparisons_from(
            names,
            [(anchor, student, 1.0) for anchor, student in pairs[:3]]
            + [(student, anchor, 1.0) for anchor, student in pairs[3:]],
        )
    )
    anchors = dict(zip(names[::2], (8, 7, 6, 2, 1, 0), strict=True))
    refusal = project(apart, anchors=anchors, scale=NINE)
    assert isinstance(refusal, Refusal) and "6 parts" in refusal.reason
    assert all(isinstance(one.projected, Refusal) for one in leave_one_anchor_out(apart, anchors=anchors, scale=NINE))


def two_classes(*, seed, low=(0, 1, 2, 3, 4), high=(4, 5, 6, 7, 8), students=12):
    """A weak class with anchors of low grades and a strong one with high ones, which no comparison links."""
    generator = np.random.default_rng(seed)
    rows, truth, anchors = [], {}, {}
    for name, grades in (("low", low), ("high", high)):
        own = {f"{name}-{grade}-{copy}": grade for grade in grades for copy in "ab"}
        middle = (min(grades) + max(grades)) / 2
        class_of = {f"{name}-student-{n:02}": middle + step for n, step in enumerate(np.linspace(-1.5, 1.5, students))}
        here = {item: 1.2 * (place + generator.normal(0.0, 0.2)) for item, place in {**own, **class_of}.items()}
        pairs = [
            (pair.first, pair.second) for round_ in balanced_rounds(list(here), rounds=12, seed=seed) for pair in round_
        ]
        rows += judged(pairs, truth=here, seed=seed)
        truth, anchors = truth | class_of, anchors | own
    return fit(comparisons_from([*anchors, *truth], rows)), anchors, truth


def test_each_class_that_nothing_links_is_graded_by_its_own_anchors():
    """All positions of a class lie around 0, so that the other's anchors would move each grade by two steps."""
    fitted, anchors, truth = two_classes(seed=3)
    found = project(fitted, anchors=anchors, scale=NINE)
    off = {student.item: student.median - truth[student.item] for student in found.students}
    for name in ("low", "high"):
        assert abs(np.mean([error for item, error in off.items() if item.startswith(name)])) < 0.6
    assert all(student.connected for student in found.students)
    within = [abs(one.projected.median - one.expert) <= 1 for one in found.left_out]
    assert sum(within) >= len(anchors) - 3
    alone = {item: grade for item, grade in anchors.items() if item.startswith("low")}
    by_own = {student.item: student for student in project(fitted, anchors=alone, scale=NINE).students}
    for student in found.students:
        if student.item.startswith("low"):
            assert student.median == by_own[student.item].median


@pytest.mark.parametrize("few", [(8,), (7, 8)], ids=["of one grade", "of two"])
def test_anchors_of_a_part_that_has_too_few_move_no_grade_of_another(few):
    fitted, anchors, truth = two_classes(seed=3, high=few)
    enough = {item: grade for item, grade in anchors.items() if item.startswith("low")}
    some = enough | {item: 8 for item in list(anchors) if item.endswith(f"{few[0]}-a")}
    with_few, without = (project(fitted, anchors=these, scale=NINE) for these in (some, enough))
    grades = {student.item: student.probabilities for student in without.students}
    by_item = {student.item: student for student in with_few.students}
    for item in truth:
        if item.startswith("low"):
            assert_allclose(by_item[item].probabilities, grades[item], atol=0.02)
        else:
            assert not by_item[item].connected and by_item[item].label == "LOW"
    (unlinked,) = [one for one in with_few.left_out if one.item not in enough]
    assert isinstance(unlinked.projected, Refusal) and not unlinked.is_linked
    assert with_few.check == without.check, "that it cannot be told is no miss"
    assert linked_anchors(fitted, anchors=some) == enough


def test_three_anchors_are_enough_but_none_can_be_left_out():
    """Three in a line; with one degree of freedom, three that stray from it are refused."""
    fitted, _, _ = study(3, students=4)
    anchors = {"anchor-00": 0, "anchor-04": 4, "anchor-08": 8}
    assert isinstance(project(fitted, anchors=anchors, scale=NINE), Projection)
    table = leave_one_anchor_out(fitted, anchors=anchors, scale=NINE)
    assert all(isinstance(left.projected, Refusal) for left in table)


def test_anchors_that_do_not_order_are_refused():
    fitted, anchors, _ = study(10, students=4)
    turned = {item: 8 - grade for item, grade in anchors.items()}
    mixed = dict(zip(anchors, (4, 0, 8, 1, 7, 4, 2, 6, 3, 5, 4, 4), strict=True))
    for wrong in (turned, mixed):
        refusal = project(fitted, anchors=wrong, scale=NINE)
        assert isinstance(refusal, Refusal)
        assert "do not clearly rise" in refusal.reason


def test_anchors_without_any_judgement_are_refused():
    items = [*(f"anchor-{nth}" for nth in range(4)), "a", "b"]
    fitted = fit(comparisons_from(items, [("a", "b", 1.0)] * 3))
    refusal = project(fitted, anchors={f"anchor-{nth}": nth for nth in range(4)}, scale=NINE)
    assert isinstance(refusal, Refusal)


@pytest.mark.parametrize("anchors", [{"nobody": 1}, {"anchor-00": 9}, {"anchor-00": -1}])
def test_anchors_that_are_unknown_or_off_the_scale_are_errors(anchors):
    fitted, _, _ = study(9, students=4, rounds=8)
    for call in (project, leave_one_anchor_out):
        with pytest.raises(ValueError):
            call(fitted, anchors=anchors, scale=NINE)


@pytest.mark.parametrize("prior", [(), (1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("inf"))])
def test_a_senseless_scale_is_an_error(prior):
    with pytest.raises(ValueError):
        Scale(prior=prior, has_below_lowest=False)


def test_two_grades_are_a_scale():
    rows = [(f"a{hi}", f"a{lo}", 1.0) for hi in (3, 4, 5) for lo in (0, 1, 2)] * 3
    rows += [("s", "a0", 1.0), ("s", "a1", 1.0), ("a4", "s", 1.0), ("s", "a2", 1.0), ("a5", "s", 1.0)] * 2
    fitted = fit(comparisons_from([*(f"a{nth}" for nth in range(6)), "s"], rows))
    scale = Scale(prior=(0.5, 0.5), has_below_lowest=False)
    projection = project(fitted, anchors={f"a{nth}": nth // 3 for nth in range(6)}, scale=scale)
    assert isinstance(projection, Projection)
    assert len(projection.students[0].probabilities) == 2


def judged_so_often(times):
    """A student in the middle of three well separated grades, judged so many times; the others dozens of times."""
    anchors = {f"{grade}{number}": grade for grade in range(3) for number in range(4)}
    rows = [(a, b, float(anchors[a] > anchors[b])) for a in anchors for b in anchors if anchors[a] != anchors[b]] * 6
    rows += [(a, b, won) for a in anchors for b in anchors if a != b and anchors[a] == anchors[b] for won in (0.0, 1.0)]
    course = [("s", "00", 1.0), ("20", "s", 1.0), ("s", "10", 1.0), ("s", "11", 0.0)]
    fitted = fit(comparisons_from([*anchors, "s"], rows + [course[number % 4] for number in range(times)]))
    projection = project(fitted, anchors=anchors, scale=Scale(prior=(1.0,) * 3, has_below_lowest=False))
    assert isinstance(projection, Projection)
    (student,) = projection.students
    return student


def test_fewer_than_eight_judgements_are_at_most_low():
    """However sharp the probabilities."""
    seldom, often = judged_so_often(7), judged_so_often(8)
    assert min(seldom.within_one, often.within_one) > 0.9 and max(seldom.probabilities) > 0.5
    assert (seldom.label, often.label) == ("LOW", "HIGH")
