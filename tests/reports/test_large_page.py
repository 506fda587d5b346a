"""The page of a large run: bounded, the most surprising judgements first, and a word where the rest is."""

from __future__ import annotations

import re
from dataclasses import replace

from eng5_runner.reports.html_report import report
from eng5_runner.results.artefact import Artefact
from tests.support.artefacts import seen_as

ESSAYS = 3_000
LONG = "r" * 900


def large(*, judgements: int) -> Artefact:
    """A run of nine essays, its essays and judgements repeated under other names."""
    run = seen_as([float(n) for n in range(9)])
    entries, students, rows = run.bt_summary, run.inputs.students, run.llm_comparisons
    ids = [f"essay-{place:05}" for place in range(ESSAYS)]
    made = []
    for number in range(judgements):
        # The higher wins, but for one judgement, in which the lowest of all beats the highest.
        higher, lower = sorted((number * 7 % ESSAYS, number * 13 % ESSAYS + (number * 6 % ESSAYS == 0)))
        winner, loser = (ids[-1], ids[0]) if number == judgements - 1 else (ids[higher], ids[lower % ESSAYS])
        made.append(
            replace(
                rows[0],
                sequence=number + 1,
                essay_a_id=winner,
                essay_b_id=loser,
                winner_position="A",
                winner_id=winner,
                loser_id=loser,
                justification=f"{number} {LONG}",
            )
        )
    return run.model_copy(
        update={
            "llm_comparisons": tuple(made),
            "bt_summary": tuple(
                entries[0].model_copy(
                    update={
                        "essay_id": name,
                        "rank": place + 1,
                        "theta": 3.0 - 6.0 * place / ESSAYS,
                        "is_anchor": False,
                    }
                )
                for place, name in enumerate(ids)
            ),
            "inputs": run.inputs.model_copy(
                update={
                    "students": tuple(
                        students[0].model_copy(
                            update={"essay_id": name, "file_name": f"{name}-{'n' * 100}.txt", "source_path": "p" * 200}
                        )
                        for name in ids
                    )
                }
            ),
        }
    )


def test_the_page_stays_under_five_megabytes_and_says_where_the_rest_is():
    page = report(large(judgements=12_000)).decode()
    assert len(page.encode()) < 5_000_000
    assert "The 1500 highest of 3000 students; tables/essays.csv has all." in page
    assert "of 3000 essays with the most surprising results" in page
    assert "Reasons end after 400 letters." in page and f"{LONG[:100]}" in page and LONG not in page
    assert page.count("<li class=") <= 12_000
    # The result that nobody expected is shown, with both essays.
    assert page.count("11999 rrr") == 2
    links = set(re.findall(r'href="#(essay-\d+)"', page))
    assert links and links <= set(re.findall(r'<details id="(essay-\d+)"', page))


def test_what_fits_is_shown_whole():
    page = report(seen_as([float(n) for n in range(9)])).decode()
    assert page.count("<li class=") == 72
    assert "most surprising" not in page.replace("the most surprising results first", "")
