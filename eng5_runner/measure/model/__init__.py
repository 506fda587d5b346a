"""The Bradley-Terry model: comparisons as arrays, the fit, its standard errors, and the answer "equal".

`bradley_terry.fit` places items on one scale; `davidson.fit_ties` does so for tables with ties as answers. The other
modules are the parts of the fit: `posterior` finds the mode for one σ, `prior_scale` the most likely σ, `curvature` and
`sketch` the standard errors, `skewness` the posterior means.

    >>> from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
    >>> fitted = fit(comparisons_from(["ada", "bo"], [("ada", "bo", 1.0), ("bo", "ada", 0.0)]))
    >>> fitted.flags
    ('undefeated', 'winless')
    >>> low, high = fitted.intervals(level=0.9)
    >>> bool((low < fitted.theta).all() and (fitted.theta < high).all())
    True
"""
