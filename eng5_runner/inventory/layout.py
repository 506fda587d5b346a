"""Which file of the assets folder is what: our own names, the field's names, or what `eng5.toml` says."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from eng5_runner.core.inputs import Finding, shown
from eng5_runner.inventory.findings import finding_of
from eng5_runner.inventory.folder import FoundFile, Listing, find_file, list_essays, read_bytes
from eng5_runner.inventory.text import is_text_encoding
from eng5_runner.inventory.unreadable import Unreadable

SETTINGS_NAME = "eng5.toml"
TEXT_SUFFIXES = frozenset(("txt", "md", "docx", "pdf"))
TABLE_SUFFIXES = frozenset(("csv", "xlsx"))

_MAX_SETTINGS_BYTES = 64 * 1024
_KEYS = ("instructions", "prompt", "anchor_table", "anchor_essays", "student_essays", "encoding")
_INSTRUCTIONS = ("instructions", "eng5_np_vt_2017_essay_instruction")
_PROMPT = ("prompt", "llm_prompt_cj_assessment_eng5")
_TABLE = ("anchors", "ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA")


@dataclass(slots=True, kw_only=True)
class Layout:
    """Where everything is.

    Attributes:
        instructions: None where there is none; likewise `prompt` and `anchor_table`.
        prompt: the file for the judges.
        anchor_table: csv before xlsx.
        anchors: files of the anchors' folder that can be essays.
        students: files of the students' folder that can be essays.
        encoding: of text files that are neither marked nor UTF-8, if a person said so.
        findings: what is wrong with the folder.
        notes: what was passed over.
    """

    instructions: FoundFile | None = None
    prompt: FoundFile | None = None
    anchor_table: FoundFile | None = None
    anchors: tuple[FoundFile, ...] = ()
    students: tuple[FoundFile, ...] = ()
    encoding: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_layout(root: Path, *, encoding: str | None, anchors_only: bool = False) -> Layout:
    """Find the parts of the assets folder.

    Args:
        root: the assets folder, resolved.
        encoding: goes before the one in `eng5.toml`.
        anchors_only: pass the students' essays over.
    """
    layout = Layout()
    settings = _settings(root, layout.findings)
    find = _Finder(root, settings=settings, layout=layout)
    layout.encoding = _encoding(encoding or settings.get("encoding"), layout.findings)
    layout.instructions = find.document("instructions", _names(_INSTRUCTIONS, ("md", "txt", "docx", "pdf")))
    layout.prompt = find.document("prompt", _names(_PROMPT, ("md", "txt", "docx", "pdf")))
    layout.anchor_table = find.document("anchor_table", _names(_TABLE, ("csv", "xlsx")))
    anchors = find.essays("anchor_essays")
    students = Listing() if anchors_only else find.essays("student_essays")
    layout.anchors, layout.students = anchors.files, students.files
    layout.findings += (*anchors.findings, *students.findings)
    if anchors_only:
        layout.notes.append("The students' essays, if there are any, are left out: the anchors are compared alone.")
    if junk := anchors.junk + students.junk:
        layout.notes.append(f"{junk} lock files, hidden files and the like were passed over.")
    return layout


class _Finder:
    def __init__(self, root: Path, *, settings: Mapping[str, str], layout: Layout) -> None:
        self._root = root
        self._settings = settings
        self._layout = layout

    def document(self, key: str, usual: Iterable[str]) -> FoundFile | None:
        """The file that the settings name, or the first usual name that is there."""
        given = self._settings.get(key)
        there = [given] if given is not None else [name for name in usual if os.path.lexists(self._root / name)]
        if not there:
            return None
        if len(there) > 1:
            self._layout.notes.append(f"{there[0]} is used, {', '.join(there[1:])} passed over.")
        found = self._checked(there[0], key)
        suffixes = TABLE_SUFFIXES if key == "anchor_table" else TEXT_SUFFIXES
        if found.path is None or found.suffix in suffixes:
            return found
        self._layout.findings.append(_unsupported(found, suffixes))
        return FoundFile(source_path=found.source_path, path=None)

    def essays(self, key: str) -> Listing:
        """What a folder of essays holds."""
        name = self._settings.get(key, key)
        if key not in self._settings and not os.path.lexists(self._root / name):
            return Listing()
        return list_essays(self._root, self._checked(name, key), suffixes=TEXT_SUFFIXES)

    def _checked(self, name: str, key: str) -> FoundFile:
        if key in self._settings and "\0" not in name and not os.path.lexists(self._root / name):
            self._layout.findings.append(_not_there(name, key))
            return FoundFile(source_path=name, path=None)
        try:
            # "./essays/" and "essays" are one place.
            return find_file(self._root, PurePosixPath(name).as_posix())
        except Unreadable as refusal:
            self._layout.findings.append(finding_of(refusal, name))
            return FoundFile(source_path=name, path=None)


def _names(stems: Iterable[str], suffixes: Iterable[str]) -> list[str]:
    endings = tuple(suffixes)
    return [f"{stem}.{suffix}" for stem in stems for suffix in endings]


def _settings(root: Path, findings: list[Finding]) -> dict[str, str]:
    if not os.path.lexists(root / SETTINGS_NAME):
        return {}
    try:
        found = find_file(root, SETTINGS_NAME)
        assert found.path is not None
        tables = tomllib.loads(read_bytes(found.path, limit=_MAX_SETTINGS_BYTES).decode("utf-8-sig"))
    except Unreadable as refusal:
        findings.append(finding_of(refusal, SETTINGS_NAME))
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        findings.append(_wrong_setting(f"{SETTINGS_NAME} is not TOML: {error}.", "Correct it."))
        return {}
    findings += _unknown_keys("", table=tables, known=("assets",))
    assets = tables.get("assets", {})
    if not isinstance(assets, dict):
        findings.append(_wrong_setting("assets is not a table.", "Write it as [assets]."))
        return {}
    findings += _unknown_keys("[assets] ", table=assets, known=_KEYS)
    known = {key: assets[key] for key in _KEYS if key in assets}
    findings += [
        _wrong_setting(f"[assets] {key} is not text.", f'Write {key} = "…".')
        for key, value in known.items()
        if not _is_text(value)
    ]
    return {key: value for key, value in known.items() if _is_text(value)}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _encoding(name: str | None, findings: list[Finding]) -> str | None:
    if name is None or is_text_encoding(name):
        return name
    findings.append(
        _wrong_setting(f"{shown(name)} is not the name of a text encoding.", 'Use a name such as "cp1252".')
    )
    return None


def _unknown_keys(where: str, *, table: Mapping[str, object], known: Collection[str]) -> list[Finding]:
    findings = []
    for key in sorted(set(table) - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        findings.append(
            _wrong_setting(f"{where}{shown(key)} is not a setting.", f"{hint}There are {', '.join(known)}; remove it.")
        )
    return findings


def _wrong_setting(message: str, remedy: str) -> Finding:
    return Finding(severity="error", kind="invalid_settings", file=SETTINGS_NAME, message=message, remedy=remedy)


def _not_there(name: str, key: str) -> Finding:
    return Finding(
        severity="error",
        kind="missing_file",
        file=shown(name),
        message=f"[assets] {key} in {SETTINGS_NAME} names something that is not there.",
        remedy="Correct the name, or put it there.",
    )


def _unsupported(found: FoundFile, suffixes: Collection[str]) -> Finding:
    return Finding(
        severity="error",
        kind="unsupported_format",
        file=shown(found.source_path),
        message="This kind of file cannot be used for that.",
        remedy=f"Save it as one of {', '.join(f'.{suffix}' for suffix in sorted(suffixes))}.",
    )
