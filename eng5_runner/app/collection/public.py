"""A copy of a run for others: it can be computed again from its record, and holds no text, no name and no reason."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from eng5_runner.app.collection.made_run import write_made_run
from eng5_runner.app.inspect import Run, open_run
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.origin import Origin, RecordFile
from eng5_runner.core.public.events import PublicRecord
from eng5_runner.core.public.inputs import public_inputs
from eng5_runner.core.public.messages import WireNames
from eng5_runner.core.public.pseudonyms import SECRET_LABEL, PublicNames
from eng5_runner.core.request import essay_names
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.state import ImpossibleLedgerError, RunState
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.outputs import CONFIG_NAME, file_digest, read_file
from eng5_runner.errors import InputsInvalid, UsageError
from eng5_runner.run.run_directory import impossible, saved_run

# Settings whose values are numbers or words of a list; addresses, paths, accounts and names are none of them.
_KEPT_SETTINGS = frozenset(
    (
        *("mode", "grade_scale", "course_code", "language", "max_comparisons", "comparisons_per_essay", "max_cost"),
        *(
            "target_se",
            "target_reliability",
            "design",
            "repeats",
            "swap",
            "stop_decided",
            "seed",
            "top_up",
            "max_requests",
        ),
        *("soft_judgements", "llm_provider", "llm_model", "llm_temperature", "llm_max_tokens", "llm_batching_mode"),
        *("reasoning_effort", "output_verbosity"),
    )
)
_MISSING = (
    "the essays' texts and the names of their files: hashes of the texts stand for them",
    "the messages as the services sent them: each is built again from its figures, so its own bytes are not checked",
    "reasons in words of failures and of rejected messages, and what preflight said",
    "addresses, accounts, the label, the log, the metrics and the services' own records",
)
_NO_REASONS = "the judge's reasons, which can quote an essay"


def export_public(
    run: str | Path | Run, *, out: str | Path, with_reasons: bool = False, licence: str | None = None
) -> Run:
    """Write a copy of a run that another researcher can verify without seeing a text.

    The copy is a run's directory, so that `verify`, `report`, `compare` and `fit` work on it. Essays have pseudonyms.
    Hashes of whole essays and prompts stay; nobody can guess such a text. With it come a README, the prompts, the
    schema, a methods paragraph and `ro-crate-metadata.json` (RO-Crate 1.1, Process Run Crate 0.5). The task and the
    judge's instructions are published whole: read them first.

    Args:
        run: the run's directory, or the run.
        out: the folder of the copy; it must be new or empty.
        with_reasons: keep the judge's reasons, which can quote an essay or name a person.
        licence: the URL of the licence of the copy, such as `https://creativecommons.org/licenses/by/4.0/`.

    Returns:
        The copy.

    Raises:
        InputsMissing: it is not a run's directory.
        InputsInvalid: the run is damaged, or the task or the instructions have the name of an essay's file.
        UsageError: the folder has files, or the licence is no URL.
        DiskError: the folder cannot be written.

    Example:
        >>> import eng5_runner as eng5
        >>> copy = eng5.export_public(demo, out=folder / "public")
        >>> copy.label[:4], eng5.verify(copy).outcome
        ('run-', 'complete')
    """
    directory, target = run.path if isinstance(run, Run) else Path(run), Path(out)
    if licence is not None and not licence.startswith(("https://", "http://")):
        raise UsageError(
            f"{licence} is not the URL of a licence.",
            remedy="Give one, such as https://creativecommons.org/licenses/by/4.0/.",
        )
    saved = saved_run(directory)
    _require_no_name(saved.inputs, saved.state.spec, directory=directory)
    names = PublicNames.of(saved.inputs, secret=_secret(directory))
    shared = public_inputs(saved.inputs, names)
    origin = _origin(directory, saved.state, with_reasons=with_reasons, licence=licence)
    try:
        record = PublicRecord(
            WireNames(essay_names(saved.state, saved.inputs), names), shared, origin=origin, with_reasons=with_reasons
        )
        write_made_run(target, inputs=shared, events=map(record.event, saved.events), settings=_settings(directory))
    except ImpossibleLedgerError as error:
        raise impossible(directory, error) from None
    return open_run(target)


def _secret(directory: Path) -> bytes:
    """What only the owner of the ledger can compute; its published hash does not give it."""
    digest = hashlib.sha256(SECRET_LABEL)
    digest.update(read_file(directory / LEDGER_NAME))
    return digest.digest()


def _origin(directory: Path, state: RunState, *, with_reasons: bool, licence: str | None) -> Origin:
    if state.started is None:
        raise AssertionError("a saved run has begun")
    before, (ledger, _) = state.started.origin, file_digest(directory / LEDGER_NAME)
    earlier = before.missing if before else ()
    missing = (*_MISSING, *(() if with_reasons else (_NO_REASONS,)))
    return Origin(
        kind="public-copy",
        program=before.program if before else f"eng5-runner {state.started.versions.runner}",
        made_at=SystemClock().now(),
        sources=(RecordFile(name=LEDGER_NAME, sha256=ledger),),
        missing=(*missing, *(sentence for sentence in earlier if sentence not in missing)),
        order_unknown=before.order_unknown if before else False,
        licence=licence,
    )


def _settings(directory: Path) -> dict[str, str | float | bool]:
    try:
        settings = tomllib.loads(read_file(directory / CONFIG_NAME).decode()).get("settings", {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    kept = {name: value for name, value in settings.items() if name in _KEPT_SETTINGS}
    return {name: value for name, value in kept.items() if isinstance(value, str | float | int)}


def _require_no_name(inputs: Inputs, spec: RunSpec, *, directory: Path) -> None:
    """Refuse texts that are published whole and name the file of an essay."""
    given = {document.file.file_name: document.text for document in (inputs.instructions, inputs.prompt) if document}
    if spec.judge is not None:
        given["the system prompt"] = spec.judge.system_prompt_override or ""
        given["the rubric"] = spec.judge.judge_rubric_override or ""
    files = {essay.file.file_name for essays in (inputs.anchors, inputs.students) for essay in essays}
    for what, text in given.items():
        if any(name in text for name in files):
            raise InputsInvalid(
                f"{what} of {directory} has the name of an essay's file.",
                remedy="The copy would publish it. Run the study with a text that names no file.",
            )
