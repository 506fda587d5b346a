"""Plan a run: read the assets, decide what is asked of whom, and predict cost and precision. Nothing is sent.

The module loads neither HTTP nor Kafka: most plans need none. `app.look_ahead` asks a given service for its models.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from eng5_runner.app.assemble import assumed_addresses, build_spec, executes_remotely
from eng5_runner.app.environment import cache_folder, log_identity
from eng5_runner.app.judge.check import check_judge
from eng5_runner.app.settings import Resolved, Settings
from eng5_runner.canonical import canonical_json
from eng5_runner.core.inputs import Finding, Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.effects.clock import SystemClock, new_run_id
from eng5_runner.effects.log_file import LOG_NAME, write_line
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME, create_run_directory, write_atomically
from eng5_runner.effects.upload_cache import UploadCache
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.findings import WORDS
from eng5_runner.inventory.read import Assets, OnProgress, ReadingOptions, read_assets
from eng5_runner.judges.catalogue import known_models
from eng5_runner.judges.manifest import with_concurrency
from eng5_runner.phrases import counted
from eng5_runner.planning.candidates import ServiceModels, find_candidates
from eng5_runner.planning.measured import Pilot
from eng5_runner.planning.plan import Plan, make_plan
from eng5_runner.planning.precision import GradeAims
from eng5_runner.reports.terminal.plan import plan_facts, price_in_words
from eng5_runner.run.pseudonyms import names_for, names_of, words_shared

_UNFIT_FOR_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run before its first event.

    Attributes:
        plan: comparisons, what they cost (USD, seconds) and what precision they buy.
        spec: what is asked of the services.
        inputs: the essays, anchors and instructions, by id and checksum.
        findings: warnings about the assets.
        warnings: warnings about the judge and the options.
        settings: every setting, and where it came from.
        texts: SHA-256 → text in UTF-8.
    """

    plan: Plan
    spec: RunSpec
    inputs: Inputs
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    settings: Resolved = field(repr=False)
    texts: Mapping[str, bytes] = field(repr=False)

    def __repr__(self) -> str:
        plan = self.plan
        return (
            f"PlannedRun {self.spec.label}: {counted(plan.students, 'student')}, {counted(plan.anchors, 'anchor')}\n"
            f"  {price_in_words(plan)}\n"
            f"  {counted(len(self.findings), 'finding')}, {counted(len(self.warnings), 'warning')}"
        )


def read_study(settings: Settings, *, on_progress: OnProgress | None = None) -> Assets:
    """Read the assets folder; the findings are in the result, errors included. With --strict warnings are errors.

    Raises:
        InputsMissing: there is no such folder.
    """
    assets = read_assets(
        settings.assets,
        grade_scale=settings.grade_scale,
        reading=ReadingOptions(
            encoding=settings.encoding, language=settings.language.value, cache_folder=cache_folder()
        ),
        anchors_only=settings.mode.anchors_only,
        names=names_for(settings.pseudonyms),
        on_progress=on_progress,
    )
    if not settings.strict:
        return assets
    errors = tuple(finding.model_copy(update={"severity": "error"}) for finding in assets.findings)
    return replace(assets, findings=errors, inputs=None if errors else assets.inputs)


def usable_inputs(assets: Assets, *, are_shown: bool = False) -> Inputs:
    """The inputs, if no finding is an error.

    Args:
        assets: as they were read.
        are_shown: whether the caller has shown the findings; otherwise the error lists them.

    Raises:
        InputsMissing: all errors are about things that are not there.
        InputsInvalid: something is unusable.
    """
    errors = [finding for finding in assets.findings if finding.severity == "error"]
    if assets.inputs is not None and not errors:
        return assets.inputs
    count = counted(len(errors), "error")
    listed = "".join(f"\n  {finding.file}: {finding.message} {finding.remedy}" for finding in errors)
    # With --strict a warning that something is missing is no missing input: the run could do without.
    missing = all(finding.is_missing and WORDS[finding.kind].severity == "error" for finding in errors)
    kind = InputsMissing if missing else InputsInvalid
    raise kind(
        f"The assets cannot be used: {count} (listed above)." if are_shown else f"The assets have {count}:{listed}",
        remedy="Correct them; nothing was sent.",
    )


def plan_run(
    resolved: Resolved, assets: Assets, *, service: ServiceModels | None = None, are_shown: bool = False
) -> PlannedRun:
    """Plan a run of these assets.

    Args:
        resolved: the settings.
        assets: as they were read.
        service: what the given LLM provider service says of its models, if it was asked.
        are_shown: whether the caller has shown the findings.

    Raises:
        RunnerError: the assets cannot be used, the settings contradict each other, or the judge cannot be asked.
    """
    settings, inputs = resolved.settings, usable_inputs(assets, are_shown=are_shown)
    label = settings.batch_id or _name_of(settings.assets if settings.pseudonyms is None else None)
    spec = build_spec(settings, inputs, run_id=new_run_id(), label=label)
    remote = executes_remotely(settings)
    warnings = (
        *_words_that_stay(settings),
        *assumed_addresses(settings),
        *check_judge(spec, os.environ, remote=remote),
    )
    known = tuple(known_models(with_concurrency(os.environ, spec.judge_concurrency)))
    candidates = replace(
        find_candidates(spec, inputs, lengths=assets.lengths, known=known, remote=remote, service=service),
        pilot=None if settings.pilot is None else _pilot(settings.pilot),
        aims=GradeAims(within_one=settings.aim_within_one, agreement=settings.judge_agreement),
    )
    return PlannedRun(
        plan=make_plan(spec, inputs, lengths=assets.lengths, cached=_uploaded_before(spec), candidates=candidates),
        spec=spec,
        inputs=inputs,
        findings=assets.findings,
        warnings=warnings,
        settings=resolved,
        texts=assets.texts,
    )


def _pilot(run: Path) -> Pilot:
    """What an earlier run says. Most plans have none, and to load the models of its artefact takes a tenth of them."""
    from eng5_runner.planning.pilot import read_pilot  # noqa: PLC0415 - see above  # law: inner_import - see above
    from eng5_runner.run.artefact_file import load_artefact  # noqa: PLC0415 - see above  # law: inner_import - see above

    return read_pilot(load_artefact(run))


def _name_of(folder: Path | None) -> str:
    """The name of a run that got none: that of its folder, unless names are private. It is in the request too."""
    return "run" if folder is None else folder.resolve().name or "run"


def _words_that_stay(settings: Settings) -> Iterator[str]:
    """A warning where a path or a label that the run keeps has a word of a file name that it must not keep."""
    kept = {
        "--assets": str(settings.assets.resolve()),
        "--pseudonyms": str(settings.pseudonyms and settings.pseudonyms.resolve()),
        "--output-dir": str(settings.output_dir),
        "--batch-id": settings.batch_id or "",
        "--human-judgements": "" if settings.human_judgements is None else settings.human_judgements.name,
        "--check-grades": "" if settings.check_grades is None else settings.check_grades.name,
    }
    if shared := words_shared(names_of(settings.pseudonyms), kept):
        yield (
            f"{' and '.join(shared)} has a word of a file name, and stays in the run: resume needs the paths. "
            "If the word is a person's name, rename the folder, the file or the run."
        )


def _uploaded_before(spec: RunSpec) -> Mapping[str, str]:
    """What the cache knows of the service that the run would upload to; an embedded service is always new."""
    url = spec.target.content_service_url
    if spec.target.stack == "embedded" or url is None:
        return {}
    return UploadCache(cache_folder(), service_url=url.rstrip("/")).entries()


def save_plan(planned: PlannedRun) -> Path:
    """Make the run's directory, with its settings and inputs.

    Raises:
        DiskError: it cannot be written.
    """
    spec = planned.spec
    stamp = SystemClock().now().strftime("%Y%m%dT%H%M%SZ")
    label = _UNFIT_FOR_A_NAME.sub("-", spec.label).strip("-.")[:40] or "run"
    parent = planned.settings.settings.output_dir
    directory = create_run_directory(parent, f"{stamp}-{label}-{str(spec.run_id)[:8]}")
    write_atomically(directory / CONFIG_NAME, planned.settings.to_toml())
    write_atomically(directory / INPUTS_NAME, canonical_json(planned.inputs.model_dump(mode="json")))
    return directory


def log_plan(planned: PlannedRun, directory: Path) -> None:
    """Write the plan into the log of a run that goes no further."""
    log = directory / LOG_NAME
    identity, ignored = log_identity(planned.spec, os.environ)
    for name in ignored:
        malformed = {"variable": name, "cause": "malformed", "event": "trace_context_ignored"}
        write_line(log, malformed | identity, level="warning")
    counted = {"warnings": len(planned.findings), "inputs_sha256": planned.inputs.digest()}
    facts = {**plan_facts(planned.plan), **counted, "event": "runner_validation_state"}
    write_line(log, facts | identity, level="info")
