"""The names under which a run shows the essays' files: their own, or pseudonyms from a key table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath
from secrets import SystemRandom

from eng5_runner.effects.key_file import read_key_file, update_key_file
from eng5_runner.errors import InputsMissing
from eng5_runner.inventory.pseudonyms import FileNames, KeyTable, Pseudonyms, RealNames, composed

_A_WORD = 3


def names_for(path: Path | None) -> FileNames:
    """The names for reading the assets of a new run. Files that the key table lacks are added to it.

    Raises:
        InputsInvalid: the file is no key table.
        DiskError: it cannot be read or written.
    """
    if path is None:
        return RealNames()

    def extend(file_names: Collection[str]) -> KeyTable:
        def added(data: bytes) -> bytes:
            table = KeyTable.parse(data, name=_called(path))
            return table.extended(file_names, shuffle=SystemRandom().shuffle).data

        return KeyTable.parse(update_key_file(path, added), name=_called(path))

    # Read first, so that a file which is no key table is refused before anything is written.
    return Pseudonyms(KeyTable.parse(read_key_file(path), name=_called(path)), extend)


def names_of(path: str | Path | None) -> FileNames:
    """The names of a run that has begun; the key table is only read.

    Raises:
        InputsMissing: the key table is gone.
        InputsInvalid: it is no key table.
        DiskError: it cannot be read.
    """
    if path is None:
        return RealNames()
    data = read_key_file(Path(path))
    if not data:
        raise InputsMissing(
            f"The key table {path} is not there, and without it the essays have other names than in this run.",
            remedy="Put it back, then try again.",
        )
    return Pseudonyms(KeyTable.parse(data, name=_called(path)))


def words_shared(names: FileNames, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Which texts that stay in the run have a word of a real file name.

    Args:
        names: of the run.
        texts: what a text is → the text, such as `--assets` → its path.

    Returns:
        The keys of `texts` that have a word of at least three letters in common with a file name without its suffix.
    """
    private = {word for name in names.own_names for word in _words(PurePath(name).stem)}
    return tuple(what for what, text in texts.items() if not private.isdisjoint(_words(text)))


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", composed(text).casefold()) if len(word) >= _A_WORD}


def _called(path: str | Path) -> str:
    return f"the key table {path}"
