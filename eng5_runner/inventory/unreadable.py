"""How the reading of one file ends when it gives no text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eng5_runner.core.inputs import InvalidKind


class Unreadable(Exception):
    """One file cannot be used; the other files still can.

    Attributes:
        kind: what is wrong, for programs.
        message: what is wrong, in one sentence that does not need the file's name.
        remedy: what to do about it.
    """

    def __init__(self, kind: InvalidKind, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy
