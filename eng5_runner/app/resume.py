"""Continue a run where its last session ended."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.app.environment import cache_folder, versions
from eng5_runner.app.execute import ignore
from eng5_runner.app.inspect import Run, open_run
from eng5_runner.app.judge.check import check_judge
from eng5_runner.app.logs import run_log
from eng5_runner.app.session import Finished, SessionWork, Watch, work_on
from eng5_runner.app.trust import require_trust
from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.core.events import BudgetRaised, RunResumed, RunStarted
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import texts_to_store
from eng5_runner.core.next_step import is_at_cost_limit, missing_uploads
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.state import RunState
from eng5_runner.core.study_size import comparisons_wanted
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import LedgerReading, move_torn_tail, require_ledger
from eng5_runner.effects.run_lock import held
from eng5_runner.errors import ConfigurationError, InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.read import Assets, ReadingOptions, read_assets
from eng5_runner.judges.catalogue import known_models
from eng5_runner.judges.compatibility import chosen_model
from eng5_runner.judges.cost_bound import call_at_most_usd
from eng5_runner.judges.manifest import USERS_FILE
from eng5_runner.phrases import counted, listed
from eng5_runner.reports.figures import usd
from eng5_runner.run.hydrate import hydrate, is_written, write
from eng5_runner.run.ports import Update, WorkLeft
from eng5_runner.run.pseudonyms import names_of
from eng5_runner.run.run_directory import saved_run

_ENDED = ("complete", "not-sent", "budget")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftToPay:
    """What a resumed run may still spend money on.

    Attributes:
        comparisons: that are still to come.
        usd_each: what one has cost so far, failed ones included; None before the first one, or where the price of one
            is not known.
        has_price: whether the price of each judge is known, so that a plan shows what they will cost.
        limit_usd: of the whole run; None without a cost limit.
    """

    comparisons: int
    usd_each: float | None
    has_price: bool
    limit_usd: float | None

    def question(self) -> str:
        """The question before it is spent."""
        price = "at a price that a plan shows" if self.has_price else "at a price that is not known"
        if self.usd_each is not None:
            price = f"for about {usd(self.usd_each * self.comparisons)} USD, as those so far"
        limit = "" if self.limit_usd is None else f", within the limit of {self.limit_usd:g} USD"
        left = counted(self.comparisons, "comparison is", plural="comparisons are")
        return f"Go on: {left} left, {price}{limit}?"


def resume(
    run: str | Path | Run,
    *,
    max_cost: float | None = None,
    metrics_port: int | None = None,
    metrics_host: str = LOOPBACK,
    trust_addresses: bool = False,
    emit: Callable[[Update], None] | None = None,
) -> Run:
    """Continue a run under the settings it started with.

    Nobody is asked before money is spent: the call is the agreement, up to the run's cost limit.

    Args:
        run: the run's directory, or the run.
        max_cost: a higher cost limit in USD.
        metrics_port: serves live metrics on this port.
        metrics_host: the address of this machine that serves them.
        trust_addresses: use the services that the run names, also if somebody else began it or the environment names
            others, and the judge where the environment says, also if the run's was elsewhere.
        emit: called in the worker's thread with each event of the run and each notice.

    Returns:
        The run; unchanged if nothing was left to do.

    Raises:
        InputsMissing: it is not a run's directory, or the assets are gone and uploads are left.
        InputsInvalid: the assets have changed.
        UsageError: the cost limit is not higher, or the addresses of services or judge are not known to be wanted.
        RunnerError: what the run could not continue after.
        KeyboardInterrupt: it was interrupted. What was gathered is written.

    Example:
        >>> import eng5_runner as eng5
        >>> run = eng5.resume("runs/latest")  # doctest: +SKIP
    """
    directory = run.path if isinstance(run, Run) else Path(run)
    require_ledger(directory)
    if not trust_addresses:
        require_trust(directory, os.environ)
    watch = Watch(emit=emit or ignore, metrics_port=metrics_port, metrics_host=metrics_host)
    resume_run(directory, max_cost=max_cost, watch=watch)
    return open_run(directory)


def resume_run(run_directory: Path, *, watch: Watch, max_cost: float | None = None, verbose: bool = False) -> Finished:
    """Continue a run, with a higher cost limit where one is given.

    Raises:
        RunnerError: what the run could not continue after.
    """
    with continued(run_directory, max_cost=max_cost, verbose=verbose) as session:
        return session if isinstance(session, Finished) else work_on(session[0], watch=watch, log=session[1])


@contextmanager
def continued(
    run_directory: Path, *, max_cost: float | None = None, verbose: bool = False
) -> Iterator[tuple[SessionWork, ExitStack] | Finished]:
    """The next session of a run, under the run's lock, and the run's log; what there is if nothing is left to do.

    Raises:
        RunnerError: it is no run, it is in use or damaged, its cost limit cannot be raised so, or its judge cannot be
            asked.
    """
    require_ledger(run_directory)
    with held(run_directory):
        saved = saved_run(run_directory)
        state, inputs = saved.state, saved.inputs
        if state.started is not None and state.started.origin is not None:
            raise UsageError(
                f"{run_directory} is the record of a run that took place elsewhere, so it cannot be continued.",
                remedy="Resume the run itself, where it was made, or start a new run.",
            )
        raised = _new_limit(state, max_cost)
        if raised is None and state.closed is not None and state.closed.outcome in _ENDED:
            yield _already_done(run_directory)
            return
        if state.spec.send and state.spec.target.stack == "embedded":
            _check_judges(state.spec)
        now = SystemClock().now()
        work = SessionWork(
            run_directory=run_directory,
            opening=RunResumed(at=now, versions=versions()),
            inputs=inputs,
            texts=_texts(state, inputs),
            left=_left(state, inputs),
            raised=None if raised is None else BudgetRaised(at=now, max_cost_usd=raised),
        )
        with run_log(run_directory, spec=state.spec, verbose=verbose) as log:
            yield work, log


def _check_judges(spec: RunSpec) -> None:
    """Refuse a run whose batch the services would fail, and whose comparisons that wait they would judge all the same.

    Raises:
        ConfigurationError: a judge cannot be asked, or the cost limit cannot be kept.
    """
    check_judge(spec, os.environ, remote=False)
    for judge in spec.judges if spec.budget.max_cost_usd is not None else ():
        overrides = judge or LLMConfigOverrides()
        model = _known(overrides, provider=overrides.provider_override or Provider.MOCK)
        if model is None or call_at_most_usd(model, prompt_bytes=0, overrides=overrides) is None:
            name = model.model_id if model else overrides.model_override
            raise ConfigurationError(
                f"The price of {name} is not known any more, so the cost limit of this run cannot be kept.",
                remedy=f"Set {USERS_FILE} as it was when the run began, or name the price in that file.",
            )


def left_to_pay(run_directory: Path, *, max_cost: float | None = None) -> LeftToPay | None:
    """What `resume` may spend; None if that is nothing.

    Given services that have the request already are asked for no more than the total that a person agreed to before,
    unless the cost limit is raised: a further request asks for what is missing of it.

    Raises:
        RunnerError: the run cannot be read, or its cost limit cannot be raised so.
    """
    require_ledger(run_directory)
    first = next(iter(LedgerReading(run_directory)), None)
    if isinstance(first, RunStarted) and (first.origin is not None or _is_free(first.spec)):
        return None  # without reading the whole ledger
    saved = saved_run(run_directory)
    state, raised = saved.state, _new_limit(saved.state, max_cost)
    is_ended = state.closed is not None and state.closed.outcome in _ENDED
    is_asked = state.spec.target.stack == "remote" and state.request is not None and bool(state.request.published)
    if raised is None and (is_ended or is_asked):
        return None
    return LeftToPay(
        comparisons=_left(state, saved.inputs).comparisons,
        usd_each=state.cost_usd / state.judged if state.judged and not state.unpriced else None,
        has_price=not state.unpriced and all(map(_has_price, state.spec.judges)),
        limit_usd=raised or state.spec.budget.max_cost_usd,
    )


def _is_free(spec: RunSpec) -> bool:
    """Whether it is known that the judges cost nothing."""
    if not spec.send:
        return True
    if spec.target.stack == "remote":
        return False
    return all(_costs_nothing(judge or LLMConfigOverrides()) for judge in spec.judges)


def _costs_nothing(judge: LLMConfigOverrides) -> bool:
    model = _known(judge, provider=judge.provider_override or Provider.MOCK)
    return model is not None and call_at_most_usd(model, prompt_bytes=1, overrides=judge) == 0


def _has_price(judge: LLMConfigOverrides | None) -> bool:
    """Whether it is known what the judge's tokens cost; not that of one that a service chooses."""
    model = None if judge is None else _known(judge, provider=judge.provider_override)
    return model is not None and None not in (model.cost_per_1k_input_tokens, model.cost_per_1k_output_tokens)


def _known(judge: LLMConfigOverrides, *, provider: Provider | None) -> ModelEntry | None:
    offered = (known.entry for known in known_models(os.environ) if known.entry.provider == provider)
    return chosen_model(offered, judge.model_override)


def _new_limit(state: RunState, wanted: float | None) -> float | None:
    """The limit to raise to, in USD; None if the limit stays as it is.

    The present limit may be given again while it is not reached: the command that raised it may have been interrupted.

    Args:
        state: the run.
        wanted: `--max-cost`, if it was given.

    Raises:
        UsageError: it is not above the present limit, or the run has nothing left that it could limit.
    """
    if wanted is None:
        return None
    limit = state.spec.budget.max_cost_usd
    if limit is None:
        raise UsageError("This run has no cost limit.", remedy="Resume it without --max-cost.")
    if state.closed is not None and state.closed.outcome in ("complete", "not-sent"):
        raise UsageError(
            f"This run is {state.closed.outcome}: nothing is left to spend money on.", remedy="Start a new run."
        )
    if wanted == limit and not is_at_cost_limit(state):
        return None
    if not math.isfinite(wanted) or wanted <= limit:
        raise UsageError(
            f"--max-cost {wanted:g} is not above the present limit of {limit:g} USD.",
            remedy=f"{state.cost_usd:.4f} USD are spent; give a higher limit.",
        )
    is_fixed = bool(state.requests) and not state.spec.budget.top_up
    if is_fixed and state.preflight and state.preflight.comparison_at_most_usd is not None:
        raise UsageError(
            "The CJ service of this run supports no cost limit, so the number of comparisons was fixed at the start.",
            remedy="Resume it without --max-cost, or start a new run with a higher limit.",
        )
    return wanted


def _already_done(run_directory: Path) -> Finished:
    """Nothing is left to do. If a kill came before the outputs were whole, they are written now."""
    move_torn_tail(run_directory)
    hydrated = hydrate(run_directory)
    if not is_written(run_directory, hydrated):
        write(run_directory, hydrated)
    return Finished(run_directory=run_directory, hydrated=hydrated, was_done=True)


def _left(state: RunState, inputs: Inputs) -> WorkLeft:
    wanted, _ = comparisons_wanted(state.spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    left = (state.asked or wanted) - state.judged - state.failed
    texts = texts_to_store(inputs, with_anchors=state.spec.study.assignment_id is None)
    return WorkLeft(texts=len(texts) - len(state.storage_ids), comparisons=max(left, 0))


def _texts(state: RunState, inputs: Inputs) -> dict[str, bytes]:
    """The essays' texts, read again if some are still to be uploaded.

    Raises:
        InputsMissing: the assets folder is gone.
        InputsInvalid: it was changed since the run began.
    """
    if state.stage not in ("started", "cleared") or not missing_uploads(state, inputs):
        return {}
    folder = Path(state.spec.assets)
    if not folder.is_dir():
        raise InputsMissing(
            f"The assets folder {folder} is not there, and uploads are left.", remedy="Put it back, then resume."
        )
    assets = read_assets(
        folder,
        grade_scale=inputs.grade_scale,
        reading=ReadingOptions(
            encoding=state.spec.encoding, language=state.spec.study.language, cache_folder=cache_folder()
        ),
        anchors_only=state.spec.mode.anchors_only,
        names=names_of(state.spec.pseudonyms),
    )
    if assets.inputs is None or assets.inputs.digest() != inputs.digest():
        raise InputsInvalid(
            f"The assets in {folder} are not those that the run began with: {_changed(inputs, assets)}.",
            remedy="Restore them, or start a new run.",
        )
    return dict(assets.texts)


def _changed(before: Inputs, assets: Assets) -> str:
    now = assets.inputs
    if now is None:
        errors = (finding for finding in assets.findings if finding.severity == "error")
        return listed([f"{error.file} ({error.message.rstrip('.')})" for error in errors], at_most=_MOST_NAMED)
    if now.instructions and now.instructions.text_sha256 == before.prompt.text_sha256:
        return "an earlier version began it, which took the judge's rubric for the students' task"
    old, new = _checksums(before), _checksums(now)
    names = sorted({path for path in old.keys() | new.keys() if old.get(path) != new.get(path)})
    return listed(names, at_most=_MOST_NAMED) or "instructions, prompt or anchor table"


def _checksums(inputs: Inputs) -> dict[str, str]:
    files = [*(student.file for student in inputs.students), *(anchor.file for anchor in inputs.anchors)]
    return {file.source_path: file.sha256 for file in files}
