"""The parts of a .docx and how they refer to one another."""

from __future__ import annotations

import posixpath
from types import MappingProxyType
from zipfile import ZipFile

from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.zip_parts import PartTarget, open_archive, parse_part, read_part

_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_WITHOUT_TEXT = frozenset(("hyperlink", "image", "video", "audio", "media", "attachedTemplate", "customXml", "theme"))
"""External relations that add nothing that a reader would read; they are never followed."""
_WITH_ESSAY = frozenset(("subDocument", "aFChunk", "footnotes", "endnotes", "frame"))
"""External relations that hold a part of the text itself."""


class ElementReader:
    """A target of `parse_part` that needs the beginnings of elements only."""

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        """An element begins."""

    def end(self, tag: str, /) -> None:
        """An element ends."""

    def data(self, text: str, /) -> None:
        """Characters between elements."""

    def close(self) -> None:
        """The part is over."""


class Package:
    """A .docx file. Part names match without regard to case, and with either slash."""

    def __init__(self, data: bytes) -> None:
        """Open the file.

        Raises:
            Unreadable: it is no zip file, encrypted, or names no main part.
        """
        self._archive: ZipFile = open_archive(data)
        self._names = MappingProxyType({_folded(name): name for name in reversed(self._archive.namelist())})
        main = Relations.of(self, "").inside.get("officeDocument")
        if main is None:
            raise Unreadable("damaged_document", how="it names no main part")
        self.main = main

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return _folded(part) in self._names

    def parse(self, part: str, target: PartTarget) -> None:
        """Feed one part to the target; raises as `zip_parts.parse_part` does."""
        parse_part(self._archive, name=self._names.get(_folded(part), part), target=target)

    def read(self, part: str) -> bytes:
        """The bytes of one part; raises as `zip_parts.read_part` does."""
        return read_part(self._archive, name=self._names.get(_folded(part), part))

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


class Relations(ElementReader):
    """What a part refers to.

    Attributes:
        inside: parts of the same file, by the last word of the relation's type; the first of each.
        by_id: the same, by the relation's id.
        outside: types of relations to other files whose content a reader sees.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.inside: dict[str, str] = {}
        self.by_id: dict[str, str] = {}
        self.outside: list[str] = []

    @classmethod
    def of(cls, package: Package, part: str) -> Relations:
        """The relations of a part, "" for those of the file.

        Raises:
            Unreadable: the list is damaged, or a part of the text is in another file.
        """
        folder, name = posixpath.split(part)
        relations = cls(folder)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        # A main part without relations needs no list; a package without one has no main part.
        if not part or package.has(listed):
            package.parse(listed, relations)
        return relations

    def start(self, tag: str, attributes: dict[str, str], /) -> None:
        """Keep one relation."""
        if tag != _RELATIONSHIP:
            return
        kind = attributes.get("Type", "").rpartition("/")[2]
        if attributes.get("TargetMode", "").casefold() == "external":
            if kind in _WITH_ESSAY:
                raise Unreadable("external_content", what=kind)
            if kind not in _WITHOUT_TEXT:
                self.outside.append(kind)
            return
        target = posixpath.join("/", self._folder, attributes.get("Target", "").replace("\\", "/"))
        path = posixpath.normpath(target).lstrip("/")
        self.inside.setdefault(kind, path)
        self.by_id[attributes.get("Id", "")] = path


def _folded(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()
