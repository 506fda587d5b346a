"""Check everything that `execute` needs, and send nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from eng5_runner.app.assemble import assumed_addresses, build_spec
from eng5_runner.app.embedded import embedded_stack
from eng5_runner.app.environment import cache_folder, kafka_password, trace_of
from eng5_runner.app.judge.trial import trial_checks
from eng5_runner.app.local_checks import local_checks, login_check
from eng5_runner.app.logs import unlogged
from eng5_runner.app.loop import run_loop
from eng5_runner.app.session import Emit
from eng5_runner.app.settings import Settings
from eng5_runner.app.tokens import Token, admin_token
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.core.study_size import comparisons_wanted
from eng5_runner.effects.clock import new_run_id
from eng5_runner.errors import RunnerError
from eng5_runner.phrases import counted
from eng5_runner.run.connect import open_ports
from eng5_runner.run.ports import Check, Findings, Notice, WorkLeft
from eng5_runner.run.preflight.stage import CheckResult, examine
from eng5_runner.transport.stack_secret import StackSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class _Study:
    """What the checks are about, and those of this machine."""

    spec: RunSpec
    inputs: Inputs
    texts: Mapping[str, bytes]
    local_checks: tuple[tuple[str, Check], ...]
    secret: StackSecret | None


def check_all(settings: Settings, inputs: Inputs, *, texts: Mapping[str, bytes], emit: Emit) -> list[CheckResult]:
    """Check the assets, this machine and every service.

    Args:
        settings: of the run that would be executed.
        inputs: its inputs.
        texts: SHA-256 → text in UTF-8.
        emit: gets remarks for people.

    Raises:
        RunnerError: the settings contradict each other.
    """
    spec = build_spec(settings, inputs, run_id=new_run_id(), label="preflight")
    fact = f"{counted(len(inputs.students), 'student')}, {counted(len(inputs.anchors), 'anchor')}"
    assumed = assumed_addresses(settings)
    comparisons, _ = comparisons_wanted(spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    left = WorkLeft(texts=len(inputs.students) + len(inputs.anchors), comparisons=comparisons)
    ours = tuple(local_checks(spec, folder=settings.output_dir, left=left))
    study = _Study(spec=spec, inputs=inputs, texts=texts, local_checks=ours, secret=StackSecret.of(os.environ))
    with unlogged():
        about_addresses = [CheckResult(about="addresses", warnings=assumed)] if assumed else []
        assets = CheckResult(about="assets", facts=(fact,))
        return [assets, *about_addresses, *run_loop(_services(study, emit))]


async def _services(study: _Study, emit: Emit) -> list[CheckResult]:
    spec = study.spec
    if spec.target.stack == "remote":
        try:
            token = await _token(spec, emit)
        except RunnerError as error:
            refused = replace(study, local_checks=(*study.local_checks, ("login", partial(_refuse, error))))
            return await _check(refused, target=spec.target, token=None)
        study = replace(study, local_checks=(*study.local_checks, *login_check(spec, token)))
        return await _check(study, target=spec.target, token=None if token is None else token.value)
    with tempfile.TemporaryDirectory(prefix="eng5-preflight-") as folder:
        try:
            async with embedded_stack(Path(folder), client_id=spec.target.kafka_client_id) as child:
                return await _check(replace(study, secret=child.secret), target=child.target, token=child.token)
        except RunnerError as error:
            return [CheckResult(about="embedded stack", error=error)]


async def _refuse(error: RunnerError) -> Findings:
    raise error


async def _token(spec: RunSpec, emit: Emit) -> Token | None:
    if spec.study.assignment_id is None:
        return None
    return await admin_token(os.environ, announce=lambda text: emit(Notice(kind="remark", text=text)))


async def _check(study: _Study, *, target: Target, token: str | None) -> list[CheckResult]:
    """All checks; those of the other services even if Kafka cannot be reached."""
    try:
        return await _check_at(study, target=target, token=token)
    except RunnerError as error:
        without = target.model_copy(update={"kafka_bootstrap": None})
        return [CheckResult(about="Kafka", error=error), *await _check_at(study, target=without, token=token)]


async def _check_at(study: _Study, *, target: Target, token: str | None) -> list[CheckResult]:
    opening = open_ports(
        study.spec,
        target=target,
        cache_folder=cache_folder(),
        token=token,
        kafka_password=kafka_password() if target.kafka_bootstrap else None,
        trace=trace_of(os.environ).headers,
        secret=study.secret,
    )
    async with opening as ports:
        last = tuple(trial_checks(study.spec, study.inputs, texts=study.texts))
        with_ours = replace(ports, local_checks=study.local_checks, last_checks=last)
        return await examine(study.spec, inputs=study.inputs, texts=study.texts, ports=with_ours)
