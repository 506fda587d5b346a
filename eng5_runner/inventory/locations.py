"""Which file of the assets folder is what: by our own names, the field's names, or what `eng5.toml` states."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from eng5_runner.core.decoding import decode
from eng5_runner.core.inputs import Finding, shown
from eng5_runner.inventory.essay_ids import fold
from eng5_runner.inventory.findings import Unreadable, finding
from eng5_runner.inventory.pseudonyms import FileNames, with_suffix_of
from eng5_runner.inventory.safe_files import (
    AssetPath,
    EssayFolder,
    existing_path,
    find_file,
    folder_names,
    list_essays,
    read_bytes,
    suffix_of,
    suffixes_in_words,
)
from eng5_runner.inventory.text import is_text_encoding
from eng5_runner.phrases import counted

SETTINGS_NAME = "eng5.toml"
TEXT_SUFFIXES = frozenset(("txt", "md", "docx", "pdf"))
TABLE_SUFFIXES = frozenset(("csv", "tsv", "txt", "xlsx", "xlsm"))

# `init` writes them too: one is for people, the other is read where --config names it.
_NO_ASSETS = frozenset(("readme.md", "settings.toml"))
_NOT_SHOWN = "(name not shown)"
_MAX_SETTINGS_BYTES = 64 * 1024
_KEYS = ("instructions", "prompt", "anchor_table", "anchor_essays", "student_essays", "encoding")
# Usual names, the first that exists is used.
_DOCUMENT_SUFFIXES = ("md", "txt", "docx", "pdf")
# In the field the essay instruction is the students' task, and the LLM prompt is the judge's rubric.
_INSTRUCTIONS = ("instructions", "llm_prompt_cj_assessment_eng5")
_PROMPT = ("prompt", "eng5_np_vt_2017_essay_instruction")
_TABLE = ("anchors", "ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA")
# What the name of an unused file or folder has if a person meant one of ours.
_HINTS = MappingProxyType(
    {
        "anchor_essays/": ("anchor", "ankar"),
        "student_essays/": ("student", "elev", "pupil"),
        "anchors.csv": ("anchor", "ankar"),
        "instructions.md": ("instruction", "rubric", "criteria"),
        "prompt.md": ("prompt", "task"),
    }
)
_TABLE_ENDINGS = frozenset(("csv", "tsv", "xlsx", "xlsm", "xls", "ods", "numbers"))
_ALIKE = 0.75


@dataclass(slots=True, kw_only=True)
class Locations:
    """Where each part of the assets is.

    Attributes:
        instructions: what the judge goes by; None if there is none; likewise `prompt` and `anchor_table`.
        prompt: the task that the students were given.
        anchor_table: csv before xlsx.
        anchors: files of the anchor folder that can be essays.
        students: files of the student folder that can be essays.
        encoding: of text files without a byte-order mark that are not UTF-8, if the user states it.
        findings: what is wrong with the folder.
        notes: what was passed over.
    """

    instructions: AssetPath | None = None
    prompt: AssetPath | None = None
    anchor_table: AssetPath | None = None
    anchors: tuple[AssetPath, ...] = ()
    students: tuple[AssetPath, ...] = ()
    encoding: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_locations(root: Path, *, encoding: str | None, names: FileNames, anchors_only: bool = False) -> Locations:
    """Find the parts of the assets folder, and name everything in it that is no part.

    Args:
        root: the assets folder, resolved.
        encoding: takes precedence over the one in `eng5.toml`.
        names: under which the essays' files are shown.
        anchors_only: pass the students' essays over.
    """
    locations = Locations()
    listed = folder_names(root, source_path=".", findings=locations.findings)
    settings_file = _find(listed, (SETTINGS_NAME, f"{SETTINGS_NAME}.txt"))
    settings = {} if settings_file is None else _settings(root, settings_file, findings=locations.findings)
    finder = _Finder(root, names=listed, settings=settings, locations=locations, file_names=names)
    if settings_file is not None:
        finder.use(settings_file, usual=SETTINGS_NAME)
    locations.encoding = _encoding(encoding or settings.get("encoding"), locations.findings)
    locations.instructions = finder.document("instructions", _names(_INSTRUCTIONS, _DOCUMENT_SUFFIXES))
    locations.prompt = finder.document("prompt", _names(_PROMPT, _DOCUMENT_SUFFIXES))
    locations.anchor_table = finder.document("anchor_table", _names(_TABLE, ("csv", "xlsx")))
    anchors = finder.essays("anchor_essays")
    students = finder.essays("student_essays", listed=not anchors_only)
    locations.anchors, locations.students = anchors.essays, students.essays
    locations.findings += (*anchors.findings, *students.findings)
    if anchors_only:
        locations.notes.append("The students' essays, if there are any, are left out: the anchors are compared alone.")
    if junk := anchors.junk + students.junk:
        one, several = "lock file, hidden file or the like was", "lock files, hidden files and the like were"
        locations.notes.append(f"{counted(junk, one, plural=several)} passed over.")
    finder.name_the_rest()
    return locations


class _Finder:
    def __init__(
        self,
        root: Path,
        *,
        names: Sequence[str],
        settings: Mapping[str, str],
        locations: Locations,
        file_names: FileNames,
    ) -> None:
        self._root = root
        self._names = names
        self._settings = settings
        self._locations = locations
        self._used: set[str] = set()
        self._file_names = file_names

    def document(self, key: str, usual: Sequence[str]) -> AssetPath | None:
        """The file that the settings name, or the first usual name that exists."""
        name = self._settings.get(key) or self._usual(usual)
        if name is None:
            return None
        document = self._checked(name, key)
        suffixes = TABLE_SUFFIXES if key == "anchor_table" else TEXT_SUFFIXES
        if document.path is None or document.suffix in suffixes:
            return document
        formats = suffixes_in_words(suffixes)
        self._locations.findings.append(finding("unsupported_format", document.source_path, formats=formats))
        return _not_to_open(document.source_path, document.name)

    def essays(self, key: str, *, listed: bool = True) -> EssayFolder:
        """The files of a folder of essays; none if it is only to be counted as used."""
        name = self._settings.get(key) or _find(self._names, (key,))
        if not listed:
            self._used |= set() if name is None else {_posix(name)}
        if name is None or not listed:
            return EssayFolder()
        folder = list_essays(self._root, self._checked(name, key), suffixes=TEXT_SUFFIXES, names=self._file_names)
        start = len(str(self._root / "_")) - 1
        self._used.update(essay.place[start:] for essay in folder.essays if essay.place)
        return folder

    def use(self, name: str, *, usual: str) -> None:
        """Count a file as used, and note where its name is not quite the usual one."""
        self._used.add(name)
        if name != usual:
            self._locations.notes.append(f"{name} is read as {usual}.")

    def name_the_rest(self) -> None:
        """Name everything in the folder that nothing uses."""
        others = []
        for path in self._unused(self._root, ""):
            is_folder = (self._root / path).is_dir()
            like = None if "/" in path else self._like(path, is_folder=is_folder)
            if like is None:
                others.append(f"{path}/" if is_folder else path)
            else:
                called = _NOT_SHOWN if self._file_names.are_private else path
                self._locations.findings.append(finding("unused_file", called, usual=like))
        if others and self._file_names.are_private:
            self._locations.notes.append(
                f"Not used: {counted(len(others), 'other file or folder', plural='other files and folders')}."
            )
        elif others:
            self._locations.notes.append(f"Not used: {', '.join(map(shown, others))}.")

    def _like(self, name: str, *, is_folder: bool) -> str | None:
        """The used or usual name that a person may have meant by an unused one; None if there is none."""
        if doubled := _find(sorted(self._used), (name,)):
            return doubled
        parts = self._locations
        lacking = [usual for usual, part in (
            ("instructions.md", parts.instructions),
            ("prompt.md", parts.prompt),
            ("anchors.csv", parts.anchor_table),
            ("anchor_essays/", parts.anchors),
            ("student_essays/", parts.students),
            (SETTINGS_NAME, _find(sorted(self._used), (SETTINGS_NAME, f"{SETTINGS_NAME}.txt"))),
        ) if not part]  # fmt: skip
        return like_a_usual_name(name, is_folder=is_folder, lacking=lacking)

    def _unused(self, folder: Path, prefix: str) -> Iterator[str]:
        names = self._names if not prefix else folder_names(folder, source_path=prefix, findings=[])
        for path in (f"{prefix}{name}" for name in names):
            if path in self._used or fold(path) in _NO_ASSETS:
                continue
            if any(used.startswith(f"{path}/") for used in self._used):
                yield from self._unused(self._root / path, f"{path}/")
            else:
                yield path

    def _usual(self, usual: Sequence[str]) -> str | None:
        """The first usual name that a file of the folder has, perhaps with a second ending, which Windows hides."""
        found = []
        for ending in ("", ".txt"):
            for each in usual:
                name = _find(self._names, (each + ending,))
                if name is not None and name not in self._used:
                    found.append(name)
                    if len(found) == 1:
                        self.use(name, usual=each)
                    self._used.add(name)
        if len(found) > 1:
            self._locations.notes.append(f"{found[0]} is used, {', '.join(found[1:])} passed over.")
        return found[0] if found else None

    def _checked(self, name: str, key: str) -> AssetPath:
        try:
            path = existing_path(self._root, _posix(name))
            if path is None:
                self._locations.findings.append(finding("missing_file", self._shown(name, key), setting=key))
                return _not_to_open(self._shown(name, key), name)
            self._used.add(path)
            return find_file(self._root, path, shown=self._shown(path, key))
        except Unreadable as refusal:
            self._locations.findings.append(refusal.finding(self._shown(name, key)))
            return _not_to_open(self._shown(name, key), name)

    def _shown(self, name: str, key: str) -> str:
        """The name, or where names are private and a person chose it, what it is for."""
        if not (self._file_names.are_private and key in self._settings):
            return name
        return with_suffix_of(name, key)


def _not_to_open(shown: str, name: str) -> AssetPath:
    name = PurePosixPath(name).name
    return AssetPath(source_path=shown, name=name, place=None, suffix=suffix_of(name))


def _posix(name: str) -> str:
    """The path with `/`: a person may have written `./essays/`, or backslashes on Windows."""
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def _names(stems: Iterable[str], suffixes: Collection[str]) -> list[str]:
    return [f"{stem}.{suffix}" for stem in stems for suffix in suffixes]


def _find(names: Sequence[str], wanted: Iterable[str]) -> str | None:
    """The first of the wanted names that exists: as it is, or with other case or Unicode form."""
    for each in wanted:
        if each in names:
            return each
        if alike := [name for name in names if fold(name) == fold(each)]:
            return alike[0]
    return None


def like_a_usual_name(name: str, *, is_folder: bool, lacking: Collection[str]) -> str | None:
    """The usual name, of a part that the folder lacks, that a person may have meant.

    Args:
        name: of a file or folder that nothing uses.
        is_folder: which of the two it is.
        lacking: `prompt.md`, `student_essays/` and so on. Any table may be the anchors' one where that is lacking;
            where it is not, only a name like it is suspicious.
    """
    stem, _, ending = fold(name).partition(".")
    if is_folder:
        usual = [part for part in lacking if part.endswith("/")]
    elif "toml" in ending:
        return SETTINGS_NAME if SETTINGS_NAME in lacking else None
    elif not _TABLE_ENDINGS.isdisjoint(ending.split(".")):
        if "anchors.csv" in lacking:
            return "anchors.csv"
        usual = ["anchors.csv"]
    else:
        usual = [part for part in ("instructions.md", "prompt.md") if part in lacking]
    for part in usual:
        meant = part.rstrip("/").partition(".")[0]
        if any(hint in stem for hint in _HINTS[part]) or difflib.SequenceMatcher(None, stem, meant).ratio() > _ALIKE:
            return part
    return None


def _settings(root: Path, name: str, *, findings: list[Finding]) -> dict[str, str]:
    """The texts under `[assets]` in `eng5.toml`, without those that cannot be used."""
    try:
        file = find_file(root, name, shown=name)
        assert file.path is not None
        tables = tomllib.loads(decode(read_bytes(file.path, limit=_MAX_SETTINGS_BYTES), given=None)[0])
    except Unreadable as refusal:
        findings.append(refusal.finding(name))
        return {}
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError) as error:
        findings.append(_invalid(f"{name} is not TOML: {error}", "Correct it, and save it as UTF-8."))
        return {}
    findings += _unknown_keys("", table=tables, known=("assets",))
    assets = tables.get("assets", {})
    if not isinstance(assets, dict):
        findings.append(_invalid("assets is not a table", "Write it as [assets]."))
        return {}
    findings += _unknown_keys("[assets] ", table=assets, known=_KEYS)
    settings: dict[str, str] = {}
    for key in _KEYS:
        value = assets.get(key, "")
        if isinstance(value, str) and value.strip():
            settings[key] = value
        elif key in assets:
            findings.append(_invalid(f"[assets] {key} is empty or not text", f'Write {key} = "…".'))
    return settings


def _encoding(name: str | None, findings: list[Finding]) -> str | None:
    if name is None or is_text_encoding(name):
        return name
    findings.append(_invalid(f"{name} is not the name of a text encoding", 'Use a name such as "cp1252".'))
    return None


def _unknown_keys(where: str, *, table: Mapping[str, object], known: Collection[str]) -> list[Finding]:
    findings = []
    for key in sorted(set(table) - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        correction = f"{hint}Remove it, or use one of {', '.join(known)}."
        findings.append(_invalid(f"{where}{key} is not a setting", correction))
    return findings


def _invalid(problem: str, correction: str) -> Finding:
    return finding("invalid_settings", SETTINGS_NAME, problem=problem, correction=correction)
