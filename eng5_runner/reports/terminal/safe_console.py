"""A console for what other people and services wrote: their texts are shown, and cannot act on the terminal.

SafeConsole().print(model_name)   # an escape sequence in the name is written out, and clears nothing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from eng5_runner.core.harmless import harmless

if TYPE_CHECKING:
    from rich.text import Text


class SafeConsole(Console):
    """A console that makes every text harmless before it adds its own colours."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as rich shows it."""
        return super().render_str(harmless(text), **options)
