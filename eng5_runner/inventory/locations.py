"""Which file of the assets folder is what: by our own names, the field's names, or what `eng5.toml` states."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from eng5_runner.core.inputs import Finding
from eng5_runner.inventory.findings import Unreadable, finding
from eng5_runner.inventory.safe_files import (
    AssetPath,
    EssayFolder,
    find_file,
    list_essays,
    read_bytes,
    suffixes_in_words,
)
from eng5_runner.inventory.text import is_text_encoding

SETTINGS_NAME = "eng5.toml"
TEXT_SUFFIXES = frozenset(("txt", "md", "docx", "pdf"))
TABLE_SUFFIXES = frozenset(("csv", "xlsx"))

_MAX_SETTINGS_BYTES = 64 * 1024
_KEYS = ("instructions", "prompt", "anchor_table", "anchor_essays", "student_essays", "encoding")
# Usual names, the first that exists is used.
_DOCUMENT_SUFFIXES = ("md", "txt", "docx", "pdf")
# In the field the essay instruction is the students' task, and the LLM prompt is the judge's rubric.
_INSTRUCTIONS = ("instructions", "llm_prompt_cj_assessment_eng5")
_PROMPT = ("prompt", "eng5_np_vt_2017_essay_instruction")
_TABLE = ("anchors", "ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA")


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


def find_locations(root: Path, *, encoding: str | None, anchors_only: bool = False) -> Locations:
    """Find the parts of the assets folder.

    Args:
        root: the assets folder, resolved.
        encoding: takes precedence over the one in `eng5.toml`.
        anchors_only: pass the students' essays over.
    """
    locations = Locations()
    settings = _settings(root, locations.findings)
    finder = _Finder(root, settings=settings, locations=locations)
    locations.encoding = _encoding(encoding or settings.get("encoding"), locations.findings)
    locations.instructions = finder.document("instructions", _names(_INSTRUCTIONS, _DOCUMENT_SUFFIXES))
    locations.prompt = finder.document("prompt", _names(_PROMPT, _DOCUMENT_SUFFIXES))
    locations.anchor_table = finder.document("anchor_table", _names(_TABLE, ("csv", "xlsx")))
    anchors = finder.essays("anchor_essays")
    students = EssayFolder() if anchors_only else finder.essays("student_essays")
    locations.anchors, locations.students = anchors.essays, students.essays
    locations.findings += (*anchors.findings, *students.findings)
    if anchors_only:
        locations.notes.append("The students' essays, if there are any, are left out: the anchors are compared alone.")
    if junk := anchors.junk + students.junk:
        locations.notes.append(f"{junk} lock files, hidden files and the like were passed over.")
    return locations


class _Finder:
    def __init__(self, root: Path, *, settings: Mapping[str, str], locations: Locations) -> None:
        self._root = root
        self._settings = settings
        self._locations = locations

    def document(self, key: str, usual: Iterable[str]) -> AssetPath | None:
        """The file that the settings name, or the first usual name that exists."""
        given = self._settings.get(key)
        names = [given] if given is not None else [name for name in usual if os.path.lexists(self._root / name)]
        if not names:
            return None
        if len(names) > 1:
            self._locations.notes.append(f"{names[0]} is used, {', '.join(names[1:])} passed over.")
        document = self._checked(names[0], key)
        suffixes = TABLE_SUFFIXES if key == "anchor_table" else TEXT_SUFFIXES
        if document.path is None or document.suffix in suffixes:
            return document
        formats = suffixes_in_words(suffixes)
        self._locations.findings.append(finding("unsupported_format", document.source_path, formats=formats))
        return AssetPath(source_path=document.source_path, path=None)

    def essays(self, key: str) -> EssayFolder:
        """The files of a folder of essays."""
        name = self._settings.get(key, key)
        if key not in self._settings and not os.path.lexists(self._root / name):
            return EssayFolder()
        return list_essays(self._root, self._checked(name, key), suffixes=TEXT_SUFFIXES)

    def _checked(self, name: str, key: str) -> AssetPath:
        if key in self._settings and "\0" not in name and not os.path.lexists(self._root / name):
            self._locations.findings.append(finding("missing_file", name, setting=key))
            return AssetPath(source_path=name, path=None)
        try:
            # "./essays/" and "essays" are the same place.
            return find_file(self._root, PurePosixPath(name).as_posix())
        except Unreadable as refusal:
            self._locations.findings.append(refusal.finding(name))
            return AssetPath(source_path=name, path=None)


def _names(stems: Iterable[str], suffixes: Collection[str]) -> list[str]:
    return [f"{stem}.{suffix}" for stem in stems for suffix in suffixes]


def _settings(root: Path, findings: list[Finding]) -> dict[str, str]:
    """The texts under `[assets]` in `eng5.toml`, without those that cannot be used."""
    if not os.path.lexists(root / SETTINGS_NAME):
        return {}
    try:
        file = find_file(root, SETTINGS_NAME)
        assert file.path is not None
        tables = tomllib.loads(read_bytes(file.path, limit=_MAX_SETTINGS_BYTES).decode("utf-8-sig"))
    except Unreadable as refusal:
        findings.append(refusal.finding(SETTINGS_NAME))
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        findings.append(_invalid(f"{SETTINGS_NAME} is not TOML: {error}", "Correct it."))
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
