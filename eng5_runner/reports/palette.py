"""The colours of the page and of its pictures, by day and by night; each text on its ground has a contrast of AA."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

LIGHT: Mapping[str, str] = MappingProxyType({
    "paper": "#ffffff", "panel": "#f5f7f9", "ink": "#1b1f24", "soft": "#57606a", "line": "#d0d7de", "grid": "#e4e8ec",
    "student": "#0b5cad", "anchor": "#9a4a00", "good": "#1a7039", "good-bg": "#eaf6ed", "fair": "#7d5100",
    "fair-bg": "#fff5dc", "bad": "#b42318", "bad-bg": "#fdeeec",
})  # fmt: skip
DARK: Mapping[str, str] = MappingProxyType({
    "paper": "#12161b", "panel": "#1b2128", "ink": "#e6e9ed", "soft": "#a5afba", "line": "#3b4550", "grid": "#272e36",
    "student": "#6cb1ff", "anchor": "#ffab5e", "good": "#5fd17d", "good-bg": "#12291a", "fair": "#e6b84c",
    "fair-bg": "#2c2511", "bad": "#ff8f85", "bad-bg": "#341b19",
})  # fmt: skip

_VARIABLE = re.compile(r"var\(--([a-z-]+)\)")


def variables(colours: Mapping[str, str]) -> str:
    """The colours as CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def resolved(style: str) -> str:
    """A style in which each variable is its colour by day: for pictures that stand alone."""
    return _VARIABLE.sub(lambda variable: LIGHT[variable[1]], style)
