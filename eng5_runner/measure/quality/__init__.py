"""How good a measurement is: reliability, misfit, consistency, and agreement with experts.

- `reliability`, `split_half`: how much of the differences between positions is real.
- `misfit`, `triads`, `lapse`, `length`: whether a judge behaves as the model expects.
- `inversions`, `alignment`, `resampling`: agreement with experts' grades, with intervals.
- `claims`: whether claimed probabilities hold. `clustered`: standard errors if judgements depend on each other.

Three essays share two grades, and the order of their positions agrees with the grades as far as ties allow:

    >>> from eng5_runner.measure.quality.alignment import kendall_tau_b
    >>> round(kendall_tau_b([2.0, 0.5, -1.0], [3, 1, 1]), 3)
    0.816
"""
