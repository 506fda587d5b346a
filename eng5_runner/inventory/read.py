"""The assets folder, read once: every file hashed, every text extracted, every finding collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import FileFormat, Finding, Inputs, SourceFile
from eng5_runner.core.table import NotATable
from eng5_runner.errors import InputsMissing, UsageError
from eng5_runner.inventory.anchor_grades import anchor_rows, is_anchor_heading, is_graded_anchor_heading
from eng5_runner.inventory.assemble import assemble
from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import Unreadable, finding
from eng5_runner.inventory.locations import Locations, find_locations
from eng5_runner.inventory.pseudonyms import FileNames, RealNames
from eng5_runner.inventory.safe_files import AssetPath, read_bytes
from eng5_runner.inventory.scanned import AnchorTable, ScannedAssets, ScannedFile, ScannedText
from eng5_runner.inventory.table_file import table_of
from eng5_runner.inventory.text_file import FORMATS, text_of

MAX_TABLE_BYTES = 1024 * 1024

_PROGRESS_SECONDS = 0.05

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """An assets folder that was read.

    Attributes:
        inputs: None if a finding is an error.
        texts: the UTF-8 bytes to upload, by `text_sha256`; instructions and prompt among them.
        findings: all of them, errors first.
        notes: what else was decided about the folder's files, such as which were not used.
    """

    inputs: Inputs | None
    texts: Mapping[str, bytes]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def read_assets(
    folder: Path,
    *,
    grade_scale: str,
    encoding: str | None = None,
    language: str = "en",
    anchors_only: bool = False,
    names: FileNames | None = None,
    on_progress: OnProgress | None = None,
) -> Assets:
    """Read an assets folder. Blocks for as long as that takes: call it in a thread.

    Args:
        folder: the assets folder.
        grade_scale: a key of `GRADE_SCALES`.
        encoding: of text files without a byte-order mark that are not UTF-8; takes precedence over `eng5.toml`.
        language: of the essays, such as `en`.
        names: under which the essays' files are shown; None: under their own.
        anchors_only: leave the students' essays out, whether there are any or not.
        on_progress: called with how many files are done, of how many, at most 20 times a second. An error that it
            raises ends the reading.

    Raises:
        InputsMissing: there is no such folder.
        UsageError: there is no such grade scale.
    """
    scale = GRADE_SCALES.get(grade_scale)
    if scale is None:
        raise UsageError(f"There is no grade scale {grade_scale}.", remedy=f"Use one of {', '.join(GRADE_SCALES)}.")
    names = names or RealNames()
    locations = find_locations(_root(folder), encoding=encoding, anchors_only=anchors_only, names=names)
    progress = on_progress or (lambda _done, _total: None)
    scanned = _scan(locations, progress, language=language, are_private=names.are_private)
    inputs, findings = assemble(scanned, scale, anchors_only=anchors_only)
    contents = [file.content for file in scanned.files if file.content is not None]
    texts = {content.text_sha256: content.text.encode() for content in contents}
    return Assets(inputs=inputs, texts=MappingProxyType(texts), findings=findings, notes=scanned.notes)


def _root(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputsMissing(f"There is no assets folder {folder}.", remedy="Name it with --assets DIR.") from error
    if not root.is_dir():
        raise InputsMissing(f"{folder} is not a folder.", remedy="Name the assets folder with --assets DIR.")
    return root


def _scan(locations: Locations, on_progress: OnProgress, *, language: str, are_private: bool) -> ScannedAssets:
    """Read every file of the folder; one that cannot be read becomes a finding."""
    documents = [document for document in (locations.instructions, locations.prompt) if document is not None]
    files = (*documents, *locations.anchors, *locations.students)
    with Extraction() as extraction:
        table, table_findings = _anchor_table(locations, extraction, are_private=are_private)
        essays = {file.source_path for file in (*locations.anchors, *locations.students)}
        scan = _Scan(locations.encoding, extraction, essays=essays, language=language)
        by_path = {file.source_path: file for file in scan.all(files, _Progress(on_progress, len(files)))}

    def scanned(path: AssetPath | None) -> ScannedFile | None:
        return None if path is None else by_path[path.source_path]

    return ScannedAssets(
        instructions=scanned(locations.instructions),
        prompt=scanned(locations.prompt),
        anchor_table=table,
        anchors=tuple(by_path[path.source_path] for path in locations.anchors),
        students=tuple(by_path[path.source_path] for path in locations.students),
        findings=(*locations.findings, *table_findings, *scan.findings),
        notes=tuple(locations.notes),
    )


def _anchor_table(
    locations: Locations, extraction: Extraction, *, are_private: bool
) -> tuple[AnchorTable | None, tuple[Finding, ...]]:
    location = locations.anchor_table
    if location is None:
        return None, ()
    unread = AnchorTable(source_path=location.source_path, file=None, rows=None)
    if location.path is None:
        return unread, ()
    try:
        data = read_bytes(location.path, limit=MAX_TABLE_BYTES)
        table = table_of(
            data,
            extraction,
            suffix=location.suffix,
            is_heading=is_anchor_heading,
            best=is_graded_anchor_heading,
            encoding=locations.encoding,
        )
    except Unreadable as refusal:
        return unread, (refusal.finding(location.source_path),)
    except NotATable as error:
        # What is said of a table may have the names of its sheets.
        reason = "it has no table of anchors that can be read" if are_private else error.reason
        return unread, (finding("unreadable_table", location.source_path, reason=reason),)
    locations.notes += (f"{location.source_path}: {note}." for note in ([] if are_private else table.notes))
    rows, findings = anchor_rows(table, source_path=location.source_path, are_private=are_private)
    file_format: FileFormat = "xlsx" if table.encoding is None else "csv"
    file = SourceFile.of(data, source_path=location.source_path, encoding=table.encoding, file_format=file_format)
    return AnchorTable(source_path=location.source_path, file=file, rows=rows), findings


class _Progress:
    """Reports how many files are done, at most 20 times a second."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0
        self._reported_at = time.monotonic()
        on_progress(0, total)

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._reported_at >= _PROGRESS_SECONDS or self._done == self._total:
            self._reported_at = now
            self._on_progress(self._done, self._total)


class _Scan:
    def __init__(self, encoding: str | None, extraction: Extraction, *, essays: Collection[str], language: str) -> None:
        self._encoding = encoding
        self._essays, self._language = essays, language
        self._extraction = extraction
        self.findings: list[Finding] = []

    def all(self, files: Sequence[AssetPath], progress: _Progress) -> list[ScannedFile]:
        """Read every file: documents in threads, which mostly wait for workers, and meanwhile plain text here.

        Reading small files in threads as well was measured to be no faster.
        """
        plain = [file for file in files if file.suffix in {"txt", "md"}]
        rich = [file for file in files if file.suffix not in {"txt", "md"}]
        scanned = []
        with ThreadPoolExecutor(self._extraction.workers) as threads:
            try:
                waiting = [threads.submit(self._read, file) for file in rich]
                for file in plain:
                    scanned.append(self._read(file))
                    progress.advance()
                for future in as_completed(waiting):
                    scanned.append(future.result())
                    progress.advance()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
                self._extraction.stop()
        return scanned

    def _read(self, file: AssetPath) -> ScannedFile:
        content = None
        try:
            if file.path is not None:
                content = self._content(file, read_bytes(file.path))
        except Unreadable as refusal:
            self.findings.append(refusal.finding(file.source_path))
        return ScannedFile(source_path=file.source_path, own_name=file.name, content=content)

    def _content(self, path: AssetPath, data: bytes) -> ScannedText:
        file_format = FORMATS[path.suffix]
        document, decoded = text_of(data, file_format, extraction=self._extraction, encoding=self._encoding)
        self.findings += [remark.finding(path.source_path) for remark in document.remarks]
        file = SourceFile.of(data, source_path=path.source_path, encoding=decoded, file_format=file_format)
        language = self._language if path.source_path in self._essays else None
        return ScannedText.of(file, document.text, language=language)
