"""plan, dry-run and execute: one way through, which goes as far as the mode says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import structlog
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.app.assemble import build_spec
from eng5_runner.app.candidates import candidates_of
from eng5_runner.app.environment import cache_folder
from eng5_runner.app.judge_check import check_judge
from eng5_runner.app.logs import run_log
from eng5_runner.app.prepared import Prepared
from eng5_runner.app.settings import Resolved, Settings
from eng5_runner.canonical import canonical_json
from eng5_runner.cli.narrate import inventory_progress, people, write_json
from eng5_runner.core.inputs import Finding, Inputs
from eng5_runner.core.spec import Mode, RunSpec
from eng5_runner.effects.clock import SystemClock, new_run_id
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME, create_run_directory, point_latest, write_atomically
from eng5_runner.effects.upload_cache import UploadCache
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.read import Assets, read_assets
from eng5_runner.planning.plan import make_plan
from eng5_runner.reports.terminal_plan import plan_facts, price_in_words, show_plan

_UNFIT_FOR_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def run(resolved: Resolved) -> int:
    """Plan, dry-run or execute.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what stood in the way.
    """
    settings = resolved.settings
    console = people()
    assets = inventory(resolved, console)
    inputs = require_usable(assets, console, json_lines=settings.json_lines)
    run_id = new_run_id()
    label = settings.batch_id or settings.assets.resolve().name or "run"
    spec = build_spec(settings, inputs, run_id=run_id, label=label)
    _tell_judge(spec, console, json_lines=settings.json_lines)
    if spec.mode.anchors_only and settings.assignment_id is not None and not settings.json_lines:
        console.print("the assignment is left out: anchors are compared as a guest run", style="yellow")
    candidates = candidates_of(spec, inputs, texts=assets.texts, settings=settings)
    directory = _directory(resolved, spec)
    prepared = Prepared(
        spec=spec,
        inputs=inputs,
        texts=assets.texts,
        plan=make_plan(spec, inputs, texts=assets.texts, cached=_cached(spec), candidates=candidates),
        directory=directory,
    )
    write_atomically(directory / CONFIG_NAME, resolved.to_toml())
    write_atomically(directory / INPUTS_NAME, canonical_json(inputs.model_dump(mode="json")))
    if settings.json_lines:
        write_json({"event": "Plan", "run_directory": str(directory)} | plan_facts(prepared.plan))
    else:
        show_plan(console, prepared.plan, inputs=inputs, spec=spec)
    if spec.mode is Mode.PLAN:
        return _plan_only(prepared, assets.findings, resolved)
    _confirm(prepared, settings=settings)
    point_latest(directory.parent, directory.name)
    # Loaded only now: plan shall not pay for statistics, Kafka and HTTP.
    from eng5_runner.cli.commands.execute import execute

    return execute(prepared, settings=settings, console=console)


def _tell_judge(spec: RunSpec, console: Console, *, json_lines: bool) -> None:
    """Say what is to be said of the judge.

    Raises:
        ConfigurationError: it cannot be asked.
    """
    for warning in check_judge(spec, os.environ):
        if json_lines:
            write_json({"event": "Warning", "about": "judge", "message": warning})
        else:
            console.print(warning, style="yellow", markup=False)


def inventory(resolved: Resolved, console: Console) -> Assets:
    """Read the assets folder, with a bar where there is a terminal."""
    settings = resolved.settings
    progress, on_progress = inventory_progress(console)
    with progress or nullcontext():
        return read_assets(
            settings.assets,
            grade_scale=settings.grade_scale,
            encoding=settings.encoding,
            anchors_only=settings.mode.anchors_only,
            on_progress=on_progress,
        )


def require_usable(assets: Assets, console: Console, *, json_lines: bool) -> Inputs:
    """Show every finding; stop if one is an error.

    Raises:
        InputsMissing: all errors are about things that are not there.
        InputsInvalid: something is unusable.
    """
    for finding in assets.findings if json_lines else ():
        write_json({"event": "Finding"} | finding.model_dump())
    if assets.findings and not json_lines:
        console.print(_findings(assets.findings))
    errors = [finding for finding in assets.findings if finding.severity == "error"]
    if assets.inputs is not None and not errors:
        return assets.inputs
    kind = InputsMissing if all(finding.is_missing for finding in errors) else InputsInvalid
    raise kind(
        f"The assets cannot be used: {len(errors)} error{'s'[: len(errors) != 1]} (listed above).",
        remedy="Correct them; nothing was sent.",
    )


def _findings(findings: tuple[Finding, ...]) -> Table:
    table = Table("", "file", "what", "remedy", title="Findings", box=SIMPLE)
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        table.add_row(
            finding.severity, escape(finding.file), escape(finding.message), escape(finding.remedy), style=style
        )
    return table


def _cached(spec: RunSpec) -> Mapping[str, str]:
    """What the cache says of the service that the run would upload to; an embedded one is always new."""
    url = spec.target.content_service_url
    if spec.target.stack == "embedded" or url is None:
        return {}
    return UploadCache(cache_folder(), service_url=url.rstrip("/")).entries()


def _directory(resolved: Resolved, spec: RunSpec) -> Path:
    stamp = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
    label = _UNFIT_FOR_A_NAME.sub("-", spec.label).strip("-.")[:40] or "run"
    return create_run_directory(resolved.settings.output_dir, f"{stamp}-{label}-{str(spec.run_id)[:8]}")


def _confirm(prepared: Prepared, *, settings: Settings) -> None:
    """Before money may be spent a person at a terminal is asked; scripts have said so by running."""
    spec, judge = prepared.spec, prepared.plan.judge
    free = judge is not None and judge.pricing.offline
    asks = spec.send and not (free and prepared.plan.own_prompt) and not settings.yes and not settings.json_lines
    question = f"Send this request: {price_in_words(prepared.plan)}?"
    if asks and people().is_terminal and not typer.confirm(question, err=True):
        raise typer.Exit(0)


def _plan_only(prepared: Prepared, findings: tuple[Finding, ...], resolved: Resolved) -> int:
    with run_log(prepared.directory, spec=prepared.spec, verbose=resolved.settings.verbose):
        structlog.get_logger().info(
            "runner_validation_state",
            **plan_facts(prepared.plan),
            warnings=len(findings),
            inputs_sha256=prepared.inputs.digest(),
        )
    return 0
