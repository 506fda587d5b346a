"""What all options of a run have in common."""

from __future__ import annotations

from typing import Any

import typer


def option(panel: str, text: str, *names: str, env: str) -> Any:
    """An option that is unset unless somebody sets it: the settings file comes between it and the default."""
    return typer.Option(*names, help=text, rich_help_panel=panel, envvar=env, show_default=False)
