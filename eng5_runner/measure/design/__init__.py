"""The design of a study: which pairs to compare, how many, and when to stop.

- `pairing`: balanced rounds. `adaptive`: adaptive rounds. `designs`: repeats in the other order, named pairs.
- `planning`, `grade_planning`: the precision to expect from a study, before it is run.
- `stopping`: whether a study can end. `deciding`: whether a named pair needs no more judgements.

How many comparisons do 20 essays of typical spread need for an expected reliability of .8, and what do they give?

    >>> from eng5_runner.measure.design.planning import comparisons_for_reliability, expected_precision
    >>> comparisons_for_reliability(essays=20, spread=1.8, reliability=0.8)
    116
    >>> round(expected_precision(essays=20, comparisons=116, spread=1.8).reliability, 2)
    0.8
"""
