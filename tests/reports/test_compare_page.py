"""The page of runs that are compared."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from eng5_runner.reports.html_compare import comparison_page
from eng5_runner.results.compare import compare_artefacts
from tests.support.artefacts import seen_as

THETAS = [float(n) - 4 for n in range(8)] + [float(theta) for theta in np.linspace(-3, 3, 12) + 0.123]


def page_of(hostile: str) -> str:
    turned = [*THETAS]
    turned[0], turned[1], turned[8], turned[9] = turned[1], turned[0], turned[9], turned[8]
    other = seen_as(turned, label="b", judge="m2")
    rows = tuple(replace(row, justification=hostile) for row in other.llm_comparisons)
    return comparison_page(
        [compare_artefacts(seen_as(THETAS), other.model_copy(update={"llm_comparisons": rows}))]
    ).decode()


def test_the_page_has_each_flip_with_both_reasons_and_what_the_anchors_tell() -> None:
    page = page_of("b says so")
    assert "pairs of anchors judged in both runs: 28, right in both 27, in A alone 1, in B alone 0" in page
    assert "McNemar's exact p = 1.000" in page and "more comparisons of such pairs" in page
    flips = re.findall(r"<tr><th scope=\"row\">[^<]* and [^<]*</th>.*?</tr>", page)
    assert len(flips) == 2
    assert all("a says so" in flip and "b says so" in flip for flip in flips)
    assert page.count("<circle") == 12 and page.count("<rect") == 8


def test_a_reason_full_of_markup_stays_text() -> None:
    page = page_of("<script>alert(1)</script><img src=x onerror=alert(1)>")
    assert "<script" not in page and "<img" not in page and "&lt;script&gt;alert(1)" in page
