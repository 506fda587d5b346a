"""A run's report and its pictures, as files."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.app.inspect import hydrate_run
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import ConfigurationError, DiskError, InputsInvalid, InputsMissing, UsageError, command
from eng5_runner.inventory.read import ReadingOptions, read_assets
from eng5_runner.reports.html_report import REPORT_NAME, report
from eng5_runner.reports.plots.files import pictures, png_file, svg_file
from eng5_runner.results.artefact import Artefact
from eng5_runner.run.hydrate import Hydrated, hydrate
from eng5_runner.run.pseudonyms import names_of


def write_report(run_directory: Path, *, out: Path | None = None, with_texts: bool = False) -> Path:
    """Write a run's report: to `out`, or with all other outputs into the run's directory.

    Args:
        run_directory: of the run.
        out: the file; None for the run's own report.
        with_texts: show each essay's text, read from the assets folder again. Such a page is written to `out` only.

    Returns:
        Where the report is.

    Raises:
        RunnerError: the run or the texts cannot be read, or the file cannot be written.
    """
    if with_texts:
        return _write_with_texts(run_directory, out)
    if out is None:
        try:
            hydrate_run(run_directory)
        except DiskError as error:
            error.remedy += f" Or write the report elsewhere: {command('report', run_directory, '--out', 'FILE')}"
            raise
        return run_directory / REPORT_NAME
    write_atomically(out, hydrate(run_directory).files[REPORT_NAME])
    return out


def _write_with_texts(run_directory: Path, out: Path | None) -> Path:
    remedy = (
        f"Name a file where the essays may lie: {command('report', run_directory, '--with-texts', '--out', 'FILE')}"
    )
    if out is None:
        raise UsageError("A report with the essays' texts is no part of a run's record.", remedy=remedy)
    if out.resolve().is_relative_to(run_directory.resolve()):
        raise UsageError(f"{out} is in the run's directory, which holds no essay text.", remedy=remedy)
    hydrated = hydrate(run_directory)
    write_atomically(out, report(hydrated.artefact, texts=_texts(hydrated)))
    return out


def _texts(hydrated: Hydrated) -> dict[str, str]:
    """Essay id → its text as the judge saw it."""
    spec, artefact = hydrated.state.spec, hydrated.artefact
    folder = Path(spec.assets)
    if not folder.is_dir():
        raise InputsMissing(
            f"The assets folder {folder} is not there, and the essays' texts are nowhere else.",
            remedy="Put it back, or write the report without --with-texts.",
        )
    stored = read_assets(
        folder,
        grade_scale=artefact.metadata.grade_scale,
        reading=ReadingOptions(encoding=spec.encoding),
        anchors_only=spec.mode.anchors_only,
        names=names_of(spec.pseudonyms),
    ).texts
    hashes = _hashes(artefact)
    changed = sorted(essay for essay, text in hashes.items() if text not in stored)
    if changed:
        raise InputsInvalid(
            f"The texts in {folder} are not those that were judged: {', '.join(changed[:5])}.",
            remedy="Restore them, or write the report without --with-texts.",
        )
    return {essay: stored[text].decode() for essay, text in hashes.items()}


def _hashes(artefact: Artefact) -> dict[str, str]:
    inputs = artefact.inputs
    return {
        **{anchor.anchor_id: anchor.text_sha256 for anchor in inputs.anchors},
        **{student.essay_id: student.text_sha256 for student in inputs.students},
    }


def write_figures(run_directory: Path, folder: Path) -> list[Path]:
    """Write each picture of a run's report as SVG and as PNG.

    Args:
        run_directory: of the run.
        folder: where the pictures go; it is made where it is missing.

    Returns:
        The files.

    Raises:
        RunnerError: the run cannot be read, has no judgement, or the files cannot be written; or no font is there.
    """
    drawn = list(pictures(hydrate(run_directory).artefact))
    if not drawn:
        raise InputsMissing(f"{run_directory} has no judgement, so there is nothing to draw.", remedy="Resume the run.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(
            f"{folder} cannot be created: {error.strerror}.", remedy="Choose a folder that you may write to."
        ) from None
    written = []
    for picture in drawn:
        svg = svg_file(picture)
        write_atomically(folder / f"{picture.name}.svg", svg)
        try:
            png = png_file(svg)
        except LookupError as error:
            raise ConfigurationError(
                f"A PNG would have no words: {error}. Only {picture.name}.svg was written.",
                remedy="Install a font, such as Debian's fonts-dejavu-core, and call it again.",
            ) from None
        write_atomically(folder / f"{picture.name}.png", png)
        written += [folder / f"{picture.name}.svg", folder / f"{picture.name}.png"]
    return written
