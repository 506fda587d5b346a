"""Many anchors: the errors of their positions by grade, against all their covariances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eng5_runner.measure.grading.anchor_errors import EACH_UP_TO, ByGrade, EachPair, anchor_errors
from eng5_runner.measure.grading.anchor_model import Positions, calibrate
from eng5_runner.measure.grading.calibration import Calibration
from eng5_runner.measure.grading.grades import Projection, Scale, StudentGrade, leave_one_anchor_out, project
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import comparisons_from

FOUR = Scale(prior=(0.2, 0.3, 0.3, 0.2), has_below_lowest=False)


def study(anchors: int, *, students: int = 12, judgements: int = 16) -> tuple[Fit, dict[str, int]]:
    """So many anchors of four grades and some students, in random pairs."""
    generator = np.random.default_rng(anchors)
    essays = anchors + students
    quality = np.where(np.arange(essays) < anchors, np.arange(essays) % 4, generator.integers(0, 4, essays))
    theta = quality + generator.normal(0.0, 0.4, essays)
    rows = []
    for _ in range(essays * judgements // 2):
        one = int(generator.integers(essays))
        other = (one + int(generator.integers(1, essays))) % essays
        won = generator.random() < 1.0 / (1.0 + np.exp(theta[other] - theta[one]))
        rows.append((f"e{one:04}", f"e{other:04}", float(won)))
    items = [f"e{index:04}" for index in range(essays)]
    return fit(comparisons_from(items, rows)), {items[index]: int(quality[index]) for index in range(anchors)}


def test_errors_that_grades_share_are_solved_as_the_whole_matrix_is():
    generator = np.random.default_rng(2)
    groups = np.array([0, 2, 1, 0, 2, 2, 1, 0, 1])
    shared = np.array([[0.2, 0.05, -0.02], [0.05, 0.1, 0.0], [-0.02, 0.0, 0.3]])
    by_grade = ByGrade(own=generator.uniform(0.1, 0.5, 9), shared=shared, groups=groups)
    whole = EachPair(covariance=np.diag(by_grade.own) + shared[np.ix_(groups, groups)])
    # Four outcomes, of which the lowest has no anchor.
    prior = 100.0 + np.array([0.1, 0.4])[:, None, None] * np.eye(4)
    asked = {"varied": np.array([0.3, 0.7]), "surprise": generator.normal(0.0, 1.0, (2, 9))}
    one, other = (errors.solved(prior, groups + 1, **asked) for errors in (by_grade, whole))
    assert_allclose(by_grade.variances, whole.variances)
    assert_allclose(one.inverse_diagonal, other.inverse_diagonal)
    assert_allclose(one.explained, other.explained)
    assert_allclose(one.log_determinant, other.log_determinant)
    values = generator.normal(0.0, 1.0, (2, 9))
    for power in (1, 2):
        along = np.einsum("pgk,pk->pg", one.paths**power, one.gathered(values, power=power))
        assert_allclose(along, np.einsum("pgm,pm->pg", other.paths**power, values), atol=1e-12)
    assert_allclose((one.paths * one.prior).sum(axis=2), (other.paths * other.prior).sum(axis=2))


def test_errors_of_each_pair_are_solved_as_the_inverse_says():
    generator = np.random.default_rng(3)
    root, outcomes = generator.normal(0.0, 0.3, (7, 7)), np.array([1, 3, 1, 2, 2, 3, 3])
    covariance = root @ root.T
    prior = 100.0 + np.array([0.1, 0.4])[:, None, None] * np.eye(4)
    varied, surprise = np.array([0.3, 0.7]), generator.normal(0.0, 1.0, (2, 7))
    solved = EachPair(covariance=covariance).solved(prior, outcomes, varied=varied, surprise=surprise)
    for point in range(2):
        places = prior[point][:, outcomes]
        whole = places[outcomes] + covariance + varied[point] * np.eye(7)
        inverse = np.linalg.inv(whole)
        assert_allclose(solved.inverse_diagonal[point], np.diag(inverse))
        assert_allclose(solved.explained[point], inverse @ surprise[point])
        assert_allclose(solved.log_determinant[point], np.linalg.slogdet(whole)[1])
        assert_allclose(solved.paths[point], places @ inverse, atol=1e-12)
        assert_allclose(solved.prior[point], places)


def test_anchors_without_shared_errors_of_their_grades_keep_their_variances():
    fitted, grades = study(64)
    anchors = {fitted.items.index(item): grade for item, grade in grades.items()}
    errors = anchor_errors(fitted, anchors)
    known = fitted.covariance_among(list(anchors))
    assert isinstance(errors, ByGrade)
    assert_allclose(errors.variances, np.diag(known), rtol=1e-3)
    # The mean of a grade's anchors is as sure as with all covariances.
    for group in range(4):
        mean = (errors.groups == group) / np.count_nonzero(errors.groups == group)
        whole = np.diag(errors.own) + errors.shared[np.ix_(errors.groups, errors.groups)]
        assert mean @ whole @ mean == pytest.approx(mean @ known @ mean, rel=0.02)
    drawn = errors.drawn(np.random.default_rng(1), 20_000)
    assert_allclose(drawn.var(axis=0), errors.variances, rtol=0.1)


def test_more_anchors_than_sixty_are_projected_from_parts_and_say_so():
    fitted, anchors = study(EACH_UP_TO + 1)
    projection = project(fitted, anchors=anchors, scale=FOUR)
    assert isinstance(projection, Projection)
    assert projection.check.parts == 20
    assert [one.item for one in projection.left_out] == sorted(anchors)
    assert {one.item: one.expert for one in projection.left_out} == anchors


def test_both_forms_of_the_errors_say_about_the_same_of_a_study():
    fitted, grades = study(72)
    anchors = {fitted.items.index(item): grade for item, grade in grades.items()}
    by_grade = Positions.of(fitted, anchors)
    root = np.sqrt(by_grade.variance[list(anchors)] / np.square(fitted.standard_errors[list(anchors)]))
    each = EachPair(covariance=fitted.covariance_among(list(anchors)) * np.outer(root, root))
    given = {"anchors": anchors, "students": range(72, 84), "scale": FOUR}
    one, other = (calibrate(positions, **given) for positions in (by_grade, replace(by_grade, errors=each)))
    assert isinstance(one, Calibration) and isinstance(other, Calibration)
    assert_allclose(one.weight @ one.centres, other.weight @ other.centres, atol=0.15)
    assert_allclose(one.centre_ses(), other.centre_ses(), rtol=0.15)
    assert one.weight @ one.scatter == pytest.approx(other.weight @ other.scatter, rel=0.1)


def test_an_anchor_left_out_with_its_part_does_not_grade_itself():
    fitted, anchors = study(80)
    high = max((item for item, grade in anchors.items() if grade == 3), key=lambda item: fitted.theta[int(item[1:])])
    table = leave_one_anchor_out(fitted, anchors=anchors | {high: 0}, scale=FOUR)
    (own,) = (one for one in table if one.item == high)
    assert own.expert == 0
    assert isinstance(own.projected, StudentGrade) and own.projected.median == 3


def test_sixteen_hundred_anchors_are_projected_in_the_memory_of_their_number():
    fitted, anchors = study(1_600, students=20, judgements=10)
    projection = project(fitted, anchors=anchors, scale=FOUR)
    assert isinstance(projection, Projection)
    assert projection.check.within_one > 1_500
    assert "covariance" not in fitted.__dict__


def test_errors_that_sum_to_zero_are_bounded_by_what_is_an_anchors_own():
    """Where all essays are anchors, their errors are against each other, and a mean of all would be exactly known."""
    fitted, grades = study(64, students=0)
    anchors = {fitted.items.index(item): grade for item, grade in grades.items()}
    errors = anchor_errors(fitted, anchors)
    assert isinstance(errors, ByGrade)
    whole = np.diag(errors.own) + errors.shared[np.ix_(errors.groups, errors.groups)]
    shares = np.linalg.eigvalsh(whole / np.sqrt(np.outer(errors.own, errors.own)))
    assert shares.min() == pytest.approx(0.1)
