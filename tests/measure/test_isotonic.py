"""The sequence that never falls, beside scipy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from eng5_runner.measure.grading.isotonic import never_falling

_POINT = st.tuples(st.floats(-6.0, 6.0), st.floats(1e-3, 1e3))


@given(st.lists(_POINT, min_size=1, max_size=30))
def test_it_is_the_one_that_scipy_finds(points):
    values, weights = np.array(points).T

    found = never_falling(values, weights=weights)

    assert (np.diff(found) >= 0.0).all()
    np.testing.assert_allclose(found, isotonic_regression(values, weights=weights).x, atol=1e-9)
