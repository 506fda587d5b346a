"""What can be known of grades from a study's anchors: the posterior of one who knows all but the study's own luck.

It knows which judges and classes there are, each as likely as another: r of .6, .7, .8, .9 and .964 with students as
spread as usual, and of .8, .9 and .964 with a narrow class. It knows the steps, the noises, that no anchor is
misgraded, and how quality varies within a grade. Of the study it has what the program has: positions with their errors,
and the anchors' grades. From these it weighs the judges, the classes, and where on the logit scale the middle is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri, softmax

from eng5_runner.measure.grading.anchor_model import Positions
from tests.validation.simulated import EXPERT_NOISE, GRADES, JUDGE_NOISE, NARROW, SPREAD, STEP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.validation.simulated import Graded

_JUDGES = (0.6, 0.7, 0.8, 0.9, 0.964)
WORLDS = (*((r, SPREAD) for r in _JUDGES), *((r, NARROW * SPREAD) for r in _JUDGES[2:]))
_MIDDLES = np.linspace(-2.2, 2.2, 45)
_PARTS = 24  # of a grade, each as likely
_BOUNDS = STEP * (np.arange(1, GRADES) - GRADES / 2.0)


def noise_of(correlation: float) -> float:
    """The judge's noise in logits of quality, by its correlation with the quality of all essays."""
    return SPREAD * math.sqrt(correlation**-2 - 1.0)


def probabilities(one: Graded) -> NDArray[np.float64]:
    """The probability of each grade for each student, shape (students, GRADES)."""
    index = {item: place for place, item in enumerate(one.fitted.items)}
    places = {index[item]: grade for item, grade in one.anchors.items()}
    positions = Positions.of(one.fitted, places)
    students = [place for place in range(len(index)) if place not in places]
    qualities = _within_grades()[list(places.values())]
    from_middle = positions.theta[students] - _MIDDLES[:, None]
    evidence, below = [], []
    for correlation, spread in WORLDS:
        noise = noise_of(correlation)
        unit = math.hypot(SPREAD, JUDGE_NOISE) / math.hypot(SPREAD, noise)
        width = np.sqrt((unit * noise) ** 2 + positions.errors.variances)[:, None]
        apart = (positions.theta[list(places)][:, None] - _MIDDLES[:, None, None] - unit * qualities) / width
        of_anchors = logsumexp(-np.square(apart) / 2.0, axis=2) - np.log(width[:, 0])
        varied = spread**2 + noise**2 + positions.variance[students] / unit**2
        of_students = np.square(from_middle / unit) / varied + np.log(varied * unit**2)
        evidence.append(of_anchors.sum(axis=1) - of_students.sum(axis=1) / 2.0)
        kept = spread**2 / varied
        doubt = np.sqrt(spread**2 * (1.0 - kept) + EXPERT_NOISE**2)
        below.append(ndtr((_BOUNDS - (kept * from_middle / unit)[:, :, None]) / doubt[:, None]))
    weight = softmax(np.array(evidence))
    return np.diff(np.tensordot(weight, np.array(below), axes=2), axis=1, prepend=0.0, append=1.0)


def _within_grades() -> NDArray[np.float64]:
    """Qualities within each grade, as likely as each other, shape (GRADES, parts)."""
    edges = np.concatenate([[0.0], ndtr(_BOUNDS / SPREAD), [1.0]])
    shares = (np.arange(_PARTS) + 0.5) / _PARTS
    return np.asarray(SPREAD * ndtri(edges[:-1, None] + np.diff(edges)[:, None] * shares))
