"""What a run would do, cost and be worth, before anything is sent.

- `candidates`: which models could judge, and how long the prompts are.
- `pricing`: tokens, USD and time of the comparisons with a model, each as an interval, and a bound on the cost.
- `pace`: how long they take on an embedded stack.
- `precision`: the standard errors, reliability and grades that the comparisons buy, and what other targets need.
- `pilot`, `measured`: what an earlier run measured, which replaces assumptions.
- `plan`: all of it together.

Example: a plan of a run on the embedded services.

    candidates = find_candidates(spec, inputs, lengths=lengths, known=list(known_models(os.environ)))
    plan = make_plan(spec, inputs, lengths=lengths, cached={}, candidates=candidates)
    plan.comparisons, plan.judge.usd, plan.precision[0].reliability
"""
