"""The assets folder, read once: every file hashed, every text extracted, every finding collected."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import FileFormat, Finding, Inputs, SourceFile, shown
from eng5_runner.core.table import NotATable
from eng5_runner.errors import InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.anchor_grades import anchor_rows, is_anchor_heading, is_graded_anchor_heading
from eng5_runner.inventory.assemble import assemble
from eng5_runner.inventory.document_text import DocumentText, Remark
from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import Unreadable, finding
from eng5_runner.inventory.known_files import KnownFiles
from eng5_runner.inventory.locations import Locations, find_locations
from eng5_runner.inventory.pseudonyms import FileNames, RealNames
from eng5_runner.inventory.safe_files import AssetPath, read_bytes, read_stamped
from eng5_runner.inventory.scanned import AnchorTable, ScannedAssets, ScannedFile, record_of
from eng5_runner.inventory.table_file import table_of
from eng5_runner.inventory.text_file import FORMATS, text_of
from eng5_runner.judges.prompts import EssayLength

if TYPE_CHECKING:
    from eng5_runner.inventory.quick_look import QuickLook

MAX_TABLE_BYTES = 1024 * 1024

_PROGRESS_SECONDS = 0.05
_PLAIN = frozenset(("txt", "md"))
_TOGETHER = 32
"""Plain files that are read, and then examined together."""
_ROOM = 16 * 1024 * 1024
"""Bytes. A block of this size, taken and given back once, lets glibc keep what is freed later: without, each look at
some texts gave a megabyte back to the system and took it again page by page, a quarter of all time."""
_MANY = 500
"""Essays that are examined one by one. With more, quick looks at the rest save the time that loading numpy takes."""

OnProgress = Callable[[int, int], None]
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """How files are read.

    Attributes:
        encoding: of text files without a byte-order mark that are not UTF-8; takes precedence over `eng5.toml`.
        language: of the essays, such as `en`.
        cache_folder: where to keep what is found in files, so that unchanged ones are not read again; None: nowhere.
    """

    encoding: str | None = None
    language: str = "en"
    cache_folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """An assets folder that was read.

    Attributes:
        inputs: None if a finding is an error.
        texts: the UTF-8 bytes to upload, by `text_sha256`; instructions and prompt among them.
        lengths: of the same texts, known without reading them again.
        findings: all of them, errors first.
        notes: what else was decided about the folder's files, such as which were not used.
    """

    inputs: Inputs | None
    texts: Mapping[str, bytes]
    lengths: Mapping[str, EssayLength]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def read_assets(
    folder: Path,
    *,
    grade_scale: str,
    reading: ReadingOptions = ReadingOptions(),
    anchors_only: bool = False,
    names: FileNames | None = None,
    on_progress: OnProgress | None = None,
) -> Assets:
    """Read an assets folder. Blocks for as long as that takes: call it in a thread.

    Args:
        folder: the assets folder.
        grade_scale: a key of `GRADE_SCALES`.
        reading: how the files are read.
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
    root = _root(folder)
    bytes(_ROOM)
    with _collector_at_rest():
        locations = find_locations(root, encoding=reading.encoding, anchors_only=anchors_only, names=names)
        known = KnownFiles(reading.cache_folder, root=root, settings=(locations.encoding, reading.language))
        scan = _Scan(locations, known=known, language=reading.language)
        scanned = scan.assets(on_progress or (lambda _done, _total: None), are_private=names.are_private)
        texts = Texts(scanned.files, places=scan.places, encoding=locations.encoding)
        inputs, findings = assemble(scanned, scale, texts=texts, anchors_only=anchors_only)
        known.save()
    records = [file.record for file in scanned.files if file.record is not None]
    lengths = {record.text_sha256: record.length for record in records}
    return Assets(inputs=inputs, texts=texts, lengths=lengths, findings=findings, notes=scanned.notes)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Without garbage collection: all that is read stays, and to look through it again and again took half the time.

    At the end it joins the oldest generation; as the youngest it would be looked through at once.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # what the caller has frozen stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _root(folder: Path) -> Path:
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputsMissing(f"There is no assets folder {folder}.", remedy="Name it with --assets DIR.") from error
    if not root.is_dir():
        raise InputsMissing(f"{folder} is not a folder.", remedy="Name the assets folder with --assets DIR.")
    return root


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

    def advance(self, by: int = 1) -> None:
        self._done += by
        now = time.monotonic()
        if now - self._reported_at >= _PROGRESS_SECONDS or self._done == self._total:
            self._reported_at = now
            self._on_progress(self._done, self._total)


class _Draft(NamedTuple):
    """The text of a file that is not examined yet.

    Attributes:
        data: the file.
        document: its text.
        encoding: how plain text was decoded.
        status: of the file, by which it is known.
        read_at: when it was read, in nanoseconds since 1970.
    """

    data: bytes
    document: DocumentText
    encoding: str | None
    status: os.stat_result
    read_at: int


class _Scan:
    """Reads every file of the folder; one that cannot be read becomes a finding.

    Attributes:
        places: source path → file.
    """

    def __init__(self, locations: Locations, *, known: KnownFiles, language: str) -> None:
        documents = [document for document in (locations.instructions, locations.prompt) if document is not None]
        essays = (*locations.anchors, *locations.students)
        self.places = {file.source_path: file for file in (*documents, *essays)}
        self._locations = locations
        self._known, self._language = known, language
        self._documents = frozenset(file.source_path for file in documents)
        self._essays = frozenset(file.source_path for file in essays)
        self._findings: list[Finding] = []
        self._examined = 0

    def assets(self, on_progress: OnProgress, *, are_private: bool) -> ScannedAssets:
        """Everything in the folder."""
        locations = self._locations
        with Extraction() as extraction:
            table, table_findings = _anchor_table(locations, extraction, are_private=are_private)
            progress = _Progress(on_progress, len(self.places))
            by_path = self._known_files()
            progress.advance(len(by_path))
            unknown = [file for path, file in self.places.items() if path not in by_path]
            scanned = _each(unknown, partial(self._read, extraction), extraction=extraction, advance=progress.advance)
            by_path |= {file.source_path: file for file in scanned}

        def found(path: AssetPath | None) -> ScannedFile | None:
            return None if path is None else by_path[path.source_path]

        return ScannedAssets(
            instructions=found(locations.instructions),
            prompt=found(locations.prompt),
            anchor_table=table,
            anchors=tuple(by_path[path.source_path] for path in locations.anchors),
            students=tuple(by_path[path.source_path] for path in locations.students),
            findings=(*locations.findings, *table_findings, *self._findings),
            notes=tuple(locations.notes),
        )

    def _read(self, extraction: Extraction, files: Sequence[AssetPath]) -> list[ScannedFile]:
        """Read some files, then examine them together."""
        drafts: list[tuple[AssetPath, _Draft]] = []
        scanned: list[ScannedFile] = []
        for file in files:
            if file.place is not None:
                try:
                    drafts.append((file, self._draft(file, file.place, extraction=extraction)))
                    continue
                except Unreadable as refusal:
                    self._findings.append(refusal.finding(file.source_path))
            scanned.append(ScannedFile(file.source_path, file.name, None, None))
        return [*scanned, *self._examined_together(drafts)] if drafts else scanned

    def _known_files(self) -> dict[str, ScannedFile]:
        """The essays that are as they were. The documents are always read: a run keeps their texts."""
        known: dict[str, ScannedFile] = {}
        for path, file in self.places.items():
            if file.stamp is None or path in self._documents:
                continue
            if (record := self._known.find(file.stamp)) is not None:
                known[path] = ScannedFile(path, file.name, record, None)
                if record.remarks:
                    self._findings += [Remark(*remark).finding(path) for remark in record.remarks]
        return known

    def _draft(self, file: AssetPath, place: str, *, extraction: Extraction) -> _Draft:
        read_at = time.time_ns()
        data, status = read_stamped(place)
        document, decoded = text_of(
            data, FORMATS[file.suffix], extraction=extraction, encoding=self._locations.encoding
        )
        if document.remarks:
            self._findings += [remark.finding(file.source_path) for remark in document.remarks]
        return _Draft(data, document, decoded, status, read_at)

    def _examined_together(self, drafts: Sequence[tuple[AssetPath, _Draft]]) -> Iterator[ScannedFile]:
        """Examine texts, and keep what is found in essays."""
        looks: list[QuickLook | None] = [None] * len(drafts)
        self._examined += len(drafts)
        if self._examined > _MANY:
            # It loads numpy, which takes as long as half a thousand essays.
            from eng5_runner.inventory.quick_look import quick_looks  # noqa: PLC0415 - as above  # law: inner_import - as above

            looks = quick_looks([draft.document.text for _, draft in drafts], language=self._language)
        for (file, draft), look in zip(drafts, looks, strict=True):
            is_essay = file.source_path in self._essays
            record = record_of(
                draft.data,
                draft.document,
                file_format=FORMATS[file.suffix],
                encoding=draft.encoding,
                language=self._language if is_essay else None,
                look=look,
            )
            if is_essay:
                self._known.keep(draft.status, record, read_at=draft.read_at)
            yield ScannedFile(file.source_path, file.name, record, draft.document.text)


class Texts(Mapping[str, bytes]):
    """Texts in UTF-8 by their SHA-256. Those of files that were not read are read when the first of them is asked for.

    Raises:
        InputsInvalid: when it is asked for a text whose file has changed meanwhile.
    """

    def __init__(self, files: Iterable[ScannedFile], *, places: Mapping[str, AssetPath], encoding: str | None) -> None:
        self._held: dict[str, str] = {}
        self._unread: dict[str, AssetPath] = {}
        self._encoding = encoding
        for file in files:
            if file.record is None:
                continue
            if file.text is not None:
                self._held[file.record.text_sha256] = file.text
            else:
                self._unread[file.record.text_sha256] = places[file.source_path]

    def __getitem__(self, sha256: str) -> bytes:
        if sha256 in self._unread and sha256 not in self._held:
            self._read()
        return self._held[sha256].encode()

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._held or sha256 in self._unread

    def __iter__(self) -> Iterator[str]:
        return iter({**self._held, **self._unread})

    def __len__(self) -> int:
        return len({**self._held, **self._unread})

    def _read(self) -> None:
        unread = {place.source_path: sha256 for sha256, place in self._unread.items()}
        with Extraction() as extraction:
            for place, text in _each(
                self._unread.values(), partial(self._texts, extraction), extraction=extraction, advance=_no_progress
            ):
                if text is None or sha256_hex(text.encode()) != unread[place.source_path]:
                    raise InputsInvalid(
                        f"{shown(place.source_path)} was changed while it was in use.",
                        remedy="Give the same command again; it reads the folder again.",
                    )
                self._held[unread[place.source_path]] = text
        self._unread = {}

    def _texts(self, extraction: Extraction, places: Sequence[AssetPath]) -> list[tuple[AssetPath, str | None]]:
        return [self._text(extraction, place) for place in places]

    def _text(self, extraction: Extraction, place: AssetPath) -> tuple[AssetPath, str | None]:
        assert place.path is not None
        try:
            data = read_bytes(place.path)
            document, _ = text_of(data, FORMATS[place.suffix], extraction=extraction, encoding=self._encoding)
        except Unreadable:
            return place, None
        return place, document.text


def _no_progress() -> None:
    pass


def _each(
    files: Collection[AssetPath],
    read: Callable[[Sequence[AssetPath]], list[_Read]],
    *,
    extraction: Extraction,
    advance: Callable[[], None],
) -> list[_Read]:
    """Read every file: documents in threads, which mostly wait for workers, and meanwhile plain text here.

    Reading small files in threads as well was measured to be no faster.
    """
    plain: list[AssetPath] = []
    rich: list[AssetPath] = []
    for file in files:
        (plain if file.suffix in _PLAIN else rich).append(file)
    results: list[_Read] = []
    with ThreadPoolExecutor(extraction.workers) as threads:
        try:
            waiting = [threads.submit(read, [file]) for file in rich]
            for start in range(0, len(plain), _TOGETHER):
                for result in read(plain[start : start + _TOGETHER]):
                    results.append(result)
                    advance()
            for future in as_completed(waiting):
                results += future.result()
                advance()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            extraction.stop()
    return results
