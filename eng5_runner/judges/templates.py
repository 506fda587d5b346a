"""The fixed texts that judges are shown: one file each in `texts/`, identified by the hash of the exact text.

`question` and `criteria` are parts of the prompt, `system` and `rubric` are parts of the system prompt. The line end at
the end of a file is not part of its text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Template:
    """A text and its name, which is the file's name without `.md`."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the exact text in UTF-8, 64 hex digits."""
        return text_sha256(self.text)


def text_sha256(text: str) -> str:
    """The SHA-256 of a text in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _template(name: str) -> Template:
    return Template(name, (files("eng5_runner.judges") / "texts" / f"{name}.md").read_text("utf-8").rstrip("\n"))


SYSTEM = _template("system")
RUBRIC = _template("rubric")
CRITERIA = _template("criteria")
QUESTION = _template("question")


def templates_in(prompt: str, system: str) -> tuple[Template, ...]:
    """The templates whose text is in a prompt or its system prompt; those that a run replaced are left out."""
    places = ((SYSTEM, system), (RUBRIC, system), (CRITERIA, prompt), (QUESTION, prompt))
    return tuple(template for template, text in places if template.text in text)
