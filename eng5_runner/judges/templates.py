"""The words that judges are shown, each from a file in `texts/`, known by the hash of its exact text.

`question` and `criteria` stand in the prompt, `system` and `rubric` in the system prompt. A file's last line end is not
part of its text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Template:
    """A text and its name: the file's, without `.md`."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Of the exact text, in UTF-8."""
        return text_sha256(self.text)


def text_sha256(text: str) -> str:
    """Of a text in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _template(name: str) -> Template:
    return Template(name, (files("eng5_runner.judges") / "texts" / f"{name}.md").read_text("utf-8").rstrip("\n"))


SYSTEM = _template("system")
RUBRIC = _template("rubric")
CRITERIA = _template("criteria")
QUESTION = _template("question")


def templates_in(prompt: str, system: str) -> tuple[Template, ...]:
    """Those whose words stand in a prompt or its system prompt; what a run replaced is not among them."""
    places = ((SYSTEM, system), (RUBRIC, system), (CRITERIA, prompt), (QUESTION, prompt))
    return tuple(template for template, text in places if template.text in text)
