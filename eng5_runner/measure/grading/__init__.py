"""From positions to grades, with anchors of known grade.

`grades.project` gives each student's grade as probabilities; `anchor_model` learns from the anchors where the grades
are on the logit scale.

With one anchor no grade can be projected, and the refusal says why:

    >>> from eng5_runner.measure.grading.grades import Scale, project
    >>> from eng5_runner.measure.model.bradley_terry import comparisons_from, fit
    >>> fitted = fit(comparisons_from(["anchor", "ada"], [("anchor", "ada", 1.0), ("ada", "anchor", 1.0)]))
    >>> project(fitted, anchors={"anchor": 1}, scale=Scale(prior=(0.5, 0.5), has_below_lowest=False)).reason
    'too few anchors: 1, and 3 are needed'
"""
