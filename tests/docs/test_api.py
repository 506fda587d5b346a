"""docs/api.md is what the docstrings say, and it names everything that is public."""

from __future__ import annotations

from pathlib import Path

import eng5_runner as eng5
from tests.support.api_page import page

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_page_is_what_the_docstrings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make api"


def test_the_page_names_everything_that_is_public() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in eng5.__all__ if f"`eng5.{name}`" not in text and f"`{name}`" not in text] == []
