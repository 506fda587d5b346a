"""The readable files of a public copy: README, prompts, methods."""

from __future__ import annotations

from collections.abc import Iterator

from eng5_runner.phrases import counted
from eng5_runner.reports.methods import citation, methods_paragraph
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.study import RunOrigin

README_NAME = "README.md"
METHODS_NAME = "methods.md"
PROMPTS = "prompts"
SCHEMA_NAME = "schema/assessment_run.schema.json"
COMPANIONS = frozenset({README_NAME, METHODS_NAME, SCHEMA_NAME})
"""Files whose words another version may choose differently."""

_KEPT = """\
## What is kept, and why that is safe

- SHA-256 of whole essays, of their files and of whole prompts: who has a text can show that it is the one that was
  judged. Nobody can guess a text of hundreds of words and try it. For an essay of fewer than 50 words, and for prompts
  with one, a keyed hash stands instead, which nobody without the original ledger can compute.
- Names such as `essay-07`: they are numbered in an order that only the original ledger gives. They follow neither
  names nor grades.
- Grades of anchors, numbers of words, sizes of files, times, costs, and the model's answers as winner and confidence.
- The task and the instructions that the judge was given, whole.
- The SHA-256 of the original ledger, so that its owner can prove that this copy is made from it: the same version
  makes the same copy from it again, but for the time.
"""


def companion_files(artefact: Artefact) -> dict[str, bytes]:
    """Path in the copy → the file."""
    made = {f"{PROMPTS}/{name}.md": text for name, text in _prompts(artefact)}
    methods = f"# Methods\n\n{methods_paragraph(artefact)}\n\n# Citation\n\n{citation(artefact)}\n"
    texts = {**made, METHODS_NAME: methods, README_NAME: _readme(artefact)}
    return {name: text.encode() for name, text in texts.items()}


def origin_of(artefact: Artefact) -> RunOrigin:
    """Where a copy is from.

    Raises:
        AssertionError: the run is no copy.
    """
    origin = artefact.metadata.origin
    if origin is None:
        raise AssertionError("the run took place in its directory")
    return origin


def _prompts(artefact: Artefact) -> Iterator[tuple[str, str]]:
    yield "task", artefact.inputs.prompt_reference.content
    if artefact.inputs.instructions.content:
        yield "instructions", artefact.inputs.instructions.content
    request = artefact.judge_request
    if request is None:
        return
    if request.system_prompt is not None:
        yield "system_prompt", request.system_prompt.content
    if request.rubric is not None and request.rubric.content != artefact.inputs.instructions.content:
        yield "rubric", request.rubric.content


def _readme(artefact: Artefact) -> str:
    origin, inputs = origin_of(artefact), artefact.inputs
    missing = "\n".join(f"- {sentence}" for sentence in origin.missing)
    sources = "\n".join(f"- `{source.name}`: SHA-256 `{source.sha256}`" for source in origin.sources)
    return f"""\
# A comparative-judgement study: {artefact.metadata.batch_label}

This is a public copy of a run of eng5-runner: {counted(len(inputs.students), "student essay")} and
{counted(len(inputs.anchors), "anchor essay")} of known grade, compared in pairs by a judge. It holds no
essay and no name.

Open `report.html` in a browser for the results; `methods.md` has a paragraph to quote. `tables/*.csv` are for data
frames, `assessment_run.*.json` has every figure (`{SCHEMA_NAME}` describes it), and `ledger.jsonl` is the
record that all of it is computed from. `ro-crate-metadata.json` describes the files for programs (RO-Crate 1.1,
Process Run Crate).

## Check it

    sha256sum -c manifest.sha256     # the files are as they were published
    eng5-runner verify .             # every output is computed again from the record, and compared byte for byte
    eng5-runner fit tables/comparisons.csv

## What is not here, so that it cannot be checked

{missing}

{_KEPT}
## Made from

{sources}
"""
