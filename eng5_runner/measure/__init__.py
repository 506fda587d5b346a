"""The statistics of comparative judgement as pure functions of arrays. Nothing here knows files, Kafka or runs.

- `model`: comparisons as arrays, the Bradley-Terry fit, standard errors, ties.
- `quality`: how good a measurement is: reliability, misfit, consistency, agreement with experts.
- `grading`: from positions to grades, with anchors of known grade.
- `design`: which pairs to compare, how many, and when to stop.

Positions and standard errors are in logits: an item 1 logit above another wins 73 of 100 judgements against it.

    >>> from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
    >>> from eng5_runner.measure.quality.reliability import empirical_bayes
    >>> shown = [("ada", "bo", 1.0), ("bo", "ada", 0.0), ("bo", "ada", 1.0), ("cy", "ada", 0.0), ("ada", "cy", 1.0)]
    >>> shown += [("bo", "cy", 1.0), ("cy", "bo", 0.0), ("cy", "bo", 1.0)]
    >>> fitted = fit(comparisons_from(["ada", "bo", "cy"], shown))
    >>> dict(zip(fitted.items, (fitted.theta.round(2) + 0.0).tolist()))
    {'ada': 1.01, 'bo': 0.0, 'cy': -1.01}
    >>> round(empirical_bayes(fitted), 2)
    0.71
"""
