"""What a run's judgements say: everything in this package is computed from the inputs and the ledger, and nothing else.

- `judgements`: the ledger's messages as rows, in an order that does not depend on when they came.
- `fitted_study`, `estimates`, `alignment`, `judge_quality`: the fit, and the blocks that follow from it.
- `service_comparison`, `usage`, `stopping`, `runner_status`: the other blocks.
- `artefact`: the types of all blocks; `projection` fills them, `tables` shows them as CSV.
- `compare`: two artefacts side by side. `fit`, `comparison_table`: the same statistics for a table of comparisons.
- `rows`, `run_rows`: lists of rows for notebooks.

Example: from a saved run to the bytes of its artefact.

    state, messages = RunState(), MessageRecord()
    evidence = gather_evidence(inputs, messages.noting(events), state=state)
    blank = project_artefact(inputs, evidence, state=state, messages=messages, manifest=files)
    artefact = sealed(blank, file)
    artefact.bt_model.reliability.empirical_bayes    0.93
"""
