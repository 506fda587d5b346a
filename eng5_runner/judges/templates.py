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
    """A text and its name, which is the file's name without `.md`; `sha256` is of the text in UTF-8, 64 hex digits."""

    name: str
    text: str
    sha256: str


def text_sha256(text: str) -> str:
    """The SHA-256 of a text in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _template(name: str) -> Template:
    text = (files("eng5_runner.judges") / "texts" / f"{name}.md").read_text("utf-8").rstrip("\n")
    return Template(name, text, text_sha256(text))


SYSTEM = _template("system")
RUBRIC = _template("rubric")
CRITERIA = _template("criteria")
QUESTION = _template("question")


def templates_in(prompt: str, system: str) -> tuple[Template, ...]:
    """The templates whose text is in a prompt or its system prompt; those that a run replaced are left out."""
    places = ((SYSTEM, system), (RUBRIC, system), (CRITERIA, prompt), (QUESTION, prompt))
    return tuple(template for template, text in places if template.text in text)
