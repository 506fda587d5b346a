"""The run as pure functions and values: no clock, no randomness, no input or output.

The ledger's events (`events`) are facts. `state.fold` adds them up to the state of the run, and `next_step` reads from
the state what to do next. `spec` says what the run has to do, `inputs` what it assesses; `request` builds the message
that it sends, and `classify` decides what an arriving message means.

A dry run that has just started:

    >>> from datetime import UTC, datetime
    >>> from uuid import UUID
    >>> from eng5_runner.core.events import RunStarted
    >>> from eng5_runner.core.spec import Mode, RunSpec, Target, Versions
    >>> from eng5_runner.core.state import fold
    >>> target = Target(stack="embedded")
    >>> spec = RunSpec(run_id=UUID(int=1), label="demo", mode=Mode.DRY_RUN, send=False, assets=".", target=target)
    >>> versions = Versions(runner="0.2.0", git_sha="", python="3.11", os="Linux")
    >>> started = RunStarted(at=datetime(2027, 3, 2, tzinfo=UTC), spec=spec, inputs_sha256="0" * 64, versions=versions)
    >>> fold([started]).stage
    'started'
"""
