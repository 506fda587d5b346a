"""Assets folders to read."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from eng5_runner.core.inputs import Finding, Inputs
from eng5_runner.inventory.read import Assets, ReadingOptions, read_assets

SCALE = "eng5_np_legacy_9_step"
# As students write, without anything that a rule doubts.
PLAIN = (
    "Last summer I went to my grandmother in the north of Sweden. She has a small house by a lake, and every morning "
    "we took the boat out to fish. I did not like it at first because it was cold, but after a week I could not think "
    "of a better way to start the day. People who live in the city should try it."
)
SWEDISH = (
    "Förra sommaren åkte jag till min mormor i norra Sverige. Hon har ett litet hus vid en sjö, och varje morgon tog "
    "vi båten ut för att fiska. Jag tyckte inte om det först eftersom det var kallt, men efter en vecka kunde jag inte "
    "tänka mig något bättre sätt att börja dagen."
)


def essay(topic: str) -> str:
    return f"My essay is about {topic}. " + "It is long enough to be registered as an anchor. " * 3


def difference(expected: Sequence[str], actual: Sequence[str]) -> float:
    """The share of words that two texts do not have in common."""
    blocks = SequenceMatcher(None, expected, actual, autojunk=False).get_matching_blocks()
    return 1 - sum(block.size for block in blocks) / max(len(expected), len(actual))


class Folder:
    """An assets folder that a test can spoil."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, content: str | bytes = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.is_symlink(), "a test must not write through its own link"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def read(self, *, grade_scale: str = SCALE, encoding: str | None = None) -> Assets:
        return read_assets(self.root, grade_scale=grade_scale, reading=ReadingOptions(encoding=encoding))

    def inputs(self) -> Inputs:
        """The inputs of a folder without any finding."""
        assets = self.read()
        assert assets.findings == ()
        assert assets.inputs is not None
        return assets.inputs

    def only_finding(self) -> Finding:
        (finding,) = self.read().findings
        return finding

    def kinds(self) -> list[str]:
        return [finding.kind for finding in self.read().findings]

    def text_of_student(self, name: str) -> str:
        """The text that would be uploaded for one of the student files."""
        assets = self.read()
        assert assets.inputs is not None, assets.findings
        (student,) = [each for each in assets.inputs.students if each.file.file_name == name]
        return assets.texts[student.text_sha256].decode()


def make_good(root: Path) -> Folder:
    """The smallest folder that has nothing wrong."""
    folder = Folder(root)
    folder.put("instructions.md", "Write an essay.\n")
    folder.put("prompt.md", "Say which essay is better.\n")
    folder.put("anchor_essays/A1.txt", essay("apples"))
    folder.put("student_essays/essay_01.txt", essay("pears"))
    folder.put("student_essays/essay_02.txt", essay("plums"))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return make_good(tmp_path / "assets")
