"""Start a new run: publish its request and gather the judgements, as far as its mode says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from eng5_runner.app.environment import versions
from eng5_runner.app.inspect import Run, open_run
from eng5_runner.app.judge.people import PeoplesFiles
from eng5_runner.app.logs import run_log
from eng5_runner.app.look_ahead import models_of_service
from eng5_runner.app.plan import PlannedRun, plan_run, read_study, save_plan
from eng5_runner.app.session import Finished, SessionWork, Watch, work_on
from eng5_runner.app.settings import names_settings, settings_from
from eng5_runner.app.trust import remember_run
from eng5_runner.core.events import RunStarted
from eng5_runner.core.needs import texts_to_store
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.outputs import point_latest
from eng5_runner.effects.run_lock import held
from eng5_runner.run.ports import Update, WorkLeft


@names_settings
def execute(
    *,
    mode: str = "execute",
    config: str | Path | None = None,
    emit: Callable[[Update], None] | None = None,
    **settings: object,
) -> Run:
    """Run a study: publish its request, gather the judgements, write the outputs.

    It works in a thread with an event loop of its own, so it can be called from a script and from a notebook.
    Nobody is asked before money is spent: look at `eng5.plan(...)` first, and give `max_cost`.

    Args:
        mode: `execute`, `dry-run` (write the request and send nothing) or `anchor-align` (compare the anchors alone).
        config: a settings file (TOML); keyword arguments go before it.
        emit: called in the worker's thread with each event of the run and each notice, for progress.
        settings: any setting of docs/options.md, such as `assets`,
            `max_comparisons` (a number), `max_cost` (USD), `completion_timeout` (seconds).

    Returns:
        The run. See `.outcome`: a run may be `partial`, or have reached its `budget`; `eng5.resume` continues it.

    Raises:
        RunnerError: what the run could not continue after. The remedy names the resume command.
        KeyboardInterrupt: it was interrupted. What was gathered is written, and `eng5.resume` continues.

    Example:
        >>> import eng5_runner as eng5
        >>> run = eng5.execute(assets="examples/eng5_demo", max_comparisons=60, seed=2017, output_dir=folder)
        >>> run.outcome, len(run.comparisons)
        ('complete', 60)
    """
    resolved = settings_from(environment={}, mode=mode, config=config, **settings)
    planned = plan_run(resolved, read_study(resolved.settings), service=models_of_service(resolved.settings))
    directory = save_plan(planned)
    given = resolved.settings
    watch = Watch(emit=emit or ignore, metrics_port=given.metrics_port, metrics_host=given.metrics_host)
    start_run(planned, directory, watch=watch)
    return open_run(directory)


def ignore(_: Update) -> None:
    """For callers that watch no progress."""


def start_run(planned: PlannedRun, directory: Path, *, watch: Watch) -> Finished:
    """Start a planned run in its directory and work on it until it is closed.

    Raises:
        RunnerError: what the run could not continue after.
    """
    with begun(planned, directory) as (work, log):
        return work_on(work, watch=watch, log=log)


@contextmanager
def begun(planned: PlannedRun, directory: Path) -> Iterator[tuple[SessionWork, ExitStack]]:
    """The first session of a planned run, under the run's lock, and the run's log.

    Raises:
        RunnerError: the directory cannot be locked or written.
    """
    spec, inputs, given = planned.spec, planned.inputs, planned.settings.settings
    files = PeoplesFiles(judgements=given.human_judgements, check_grades=given.check_grades)
    added = files.events(inputs, key_table=given.pseudonyms)
    remember_run(spec, os.environ)
    point_latest(directory.parent, directory.name)
    with held(directory), run_log(directory, spec=spec, verbose=given.verbose) as log:
        texts = texts_to_store(inputs, with_anchors=spec.study.assignment_id is None)
        work = SessionWork(
            run_directory=directory,
            opening=RunStarted(at=SystemClock().now(), spec=spec, inputs_sha256=inputs.digest(), versions=versions()),
            inputs=inputs,
            texts=dict(planned.texts),
            left=WorkLeft(texts=len(texts), comparisons=planned.plan.comparisons),
            added=added,
        )
        yield work, log
