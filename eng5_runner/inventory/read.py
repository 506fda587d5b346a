"""The assets folder, read once: every file hashed, every text extracted, every finding collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import FileFormat, Finding, Inputs, SourceFile
from eng5_runner.errors import InputsMissing, UsageError
from eng5_runner.inventory.anchor_table import read_anchor_table
from eng5_runner.inventory.assemble import assemble
from eng5_runner.inventory.docx import docx_text
from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import finding_of
from eng5_runner.inventory.folder import FoundFile, read_bytes
from eng5_runner.inventory.layout import Layout, find_layout
from eng5_runner.inventory.scan import AnchorTable, Material, ReadText, ScannedFile
from eng5_runner.inventory.text import normal, plain_text
from eng5_runner.inventory.unreadable import Unreadable

MAX_DOCX_HERE_BYTES = 1024 * 1024
"""Bytes; a larger docx is taken apart in a worker process. A smaller one is bounded by what it decompresses to."""

_PROGRESS_SECONDS = 0.05
_FORMATS: Mapping[str, FileFormat] = MappingProxyType({"txt": "txt", "md": "md", "docx": "docx", "pdf": "pdf"})

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """What the folder holds.

    Attributes:
        inputs: None where a finding is an error.
        texts: the UTF-8 bytes to upload, by `text_sha256`; instructions and prompt among them.
        findings: all of them, errors first.
    """

    inputs: Inputs | None
    texts: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def read_assets(
    folder: Path,
    *,
    grade_scale: str,
    encoding: str | None = None,
    anchors_only: bool = False,
    on_progress: OnProgress | None = None,
) -> Assets:
    """Read an assets folder. Blocks for as long as that takes: call it in a thread.

    Args:
        folder: the assets folder.
        grade_scale: a key of `GRADE_SCALES`.
        encoding: of text files that are neither marked nor UTF-8; goes before the one in `eng5.toml`.
        anchors_only: leave the students' essays out, whether there are any or not.
        on_progress: is told how many files are done, of how many, at most 20 times a second. What it raises ends
            the reading.

    Raises:
        InputsMissing: there is no such folder.
        UsageError: there is no such grade scale.
    """
    scale = GRADE_SCALES.get(grade_scale)
    if scale is None:
        raise UsageError(f"There is no grade scale {grade_scale}.", remedy=f"Use one of {', '.join(GRADE_SCALES)}.")
    layout = find_layout(_root(folder), encoding=encoding, anchors_only=anchors_only)
    material = _read(layout, on_progress or (lambda _done, _total: None))
    inputs, findings = assemble(material, scale, anchors_only=anchors_only)
    texts = {
        each.content.text_sha256: each.content.text.encode()
        for each in (material.instructions, material.prompt, *material.anchors, *material.students)
        if each is not None and each.content is not None
    }
    return Assets(inputs=inputs, texts=MappingProxyType(texts), findings=findings)


def _root(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputsMissing(f"There is no assets folder {folder}.", remedy="Name it with --assets DIR.") from error
    if not root.is_dir():
        raise InputsMissing(f"{folder} is not a folder.", remedy="Name the assets folder with --assets DIR.")
    return root


def _read(layout: Layout, on_progress: OnProgress) -> Material:
    documents = [each for each in (layout.instructions, layout.prompt) if each is not None]
    files = (*documents, *layout.anchors, *layout.students)
    with Extraction() as extraction:
        table: AnchorTable | None = None
        table_findings: tuple[Finding, ...] = ()
        if layout.anchor_table is not None:
            table, table_findings = read_anchor_table(
                layout.anchor_table, encoding=layout.encoding, extraction=extraction
            )
        scan = _Scan(layout.encoding, extraction)
        scanned = scan.all(files, _Progress(on_progress, len(files)))
    by_path = {each.source_path: each for each in scanned}

    def of(found: FoundFile | None) -> ScannedFile | None:
        return None if found is None else by_path[found.source_path]

    return Material(
        instructions=of(layout.instructions),
        prompt=of(layout.prompt),
        anchor_table=table,
        anchors=tuple(by_path[each.source_path] for each in layout.anchors),
        students=tuple(by_path[each.source_path] for each in layout.students),
        findings=(*layout.findings, *table_findings, *scan.findings),
        notes=tuple(layout.notes),
    )


class _Progress:
    """Passes on how many are done, not more often than an eye can follow."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0
        self._told_at = time.monotonic()
        on_progress(0, total)

    def one_more(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._told_at >= _PROGRESS_SECONDS or self._done == self._total:
            self._told_at = now
            self._on_progress(self._done, self._total)


class _Scan:
    def __init__(self, encoding: str | None, extraction: Extraction) -> None:
        self._encoding = encoding
        self._extraction = extraction
        self.findings: list[Finding] = []

    def all(self, files: Sequence[FoundFile], progress: _Progress) -> list[ScannedFile]:
        """Read every file: documents in threads, which mostly wait for workers, plain text meanwhile here.

        Reading small files in threads as well was measured to be no faster.
        """
        plain = [each for each in files if each.suffix in {"txt", "md"}]
        rich = [each for each in files if each.suffix not in {"txt", "md"}]
        scanned = []
        with ThreadPoolExecutor(self._extraction.workers) as threads:
            try:
                waiting = [threads.submit(self._one, each) for each in rich]
                for each in plain:
                    scanned.append(self._one(each))
                    progress.one_more()
                for future in as_completed(waiting):
                    scanned.append(future.result())
                    progress.one_more()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
                self._extraction.stop()
        return scanned

    def _one(self, found: FoundFile) -> ScannedFile:
        content = None
        try:
            if found.path is not None:
                content = self._content(found, read_bytes(found.path))
        except Unreadable as refusal:
            self.findings.append(finding_of(refusal, found.source_path))
        return ScannedFile(source_path=found.source_path, content=content)

    def _content(self, found: FoundFile, data: bytes) -> ReadText:
        decoded = None
        file_format = _FORMATS[found.suffix]
        if file_format in {"txt", "md"}:
            text, decoded = plain_text(data, given=self._encoding)
        elif file_format == "docx" and len(data) < MAX_DOCX_HERE_BYTES:
            text = normal(docx_text(data))
        else:
            text = self._extraction.text(data, file_format)
        file = SourceFile.of(data, source_path=found.source_path, encoding=decoded, file_format=file_format)
        return ReadText.of(file, text)
