"""The use cases without a command line and without printing; the public Python API is a part of them.

Each of these modules is one use case: `plan`, `execute`, `resume`, `preflight`, `inspect` (open, verify, compare,
hydrate, report, status) and `fit`. A use case takes settings or a run's directory and returns a typed result. What
happens on the way goes as updates (events, notices) to an `emit` callback; the command line shows them, a program may
ignore them.

    planned = plan_run(resolved, read_study(resolved.settings))
    directory = save_plan(planned)
    finished = start_run(planned, directory, watch=Watch(emit=print))
    finished.hydrated.state.judged  # the number of comparisons with a winner

`session` does the work that `execute` and `resume` share: lock, ledger, embedded stack, clients, outputs. It starts the
event loop in `loop`, the only place that does. The other modules serve these.
"""
