"""What `status` says of a run, in sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eng5_runner.core.run_status import RunStatus
from eng5_runner.reports.terminal.status import status_sentences
from tests.support.runner import newest, run

STATUS = RunStatus(
    run="1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    label="demo",
    mode="execute",
    stage="gathering",
    outcome="open",
    reasons=(),
    sessions=1,
    texts_stored=17,
    comparisons_asked=440,
    comparisons_judged=120,
    comparisons_failed=0,
    comparisons_missing=320,
    requests=1,
    cost_usd=0.5,
    max_cost_usd=None,
    duplicates=0,
    rejected=0,
    completed=None,
    result=False,
    uploads_left=0,
    next="gather",
    is_running=True,
    comparisons_per_second=4.0,
    seconds_left=80.0,
    silent_seconds=1.0,
)


def said(**facts: object) -> str:
    return "\n".join(status_sentences(replace(STATUS, **facts)))


def test_a_running_run_has_total_rate_and_time_left() -> None:
    line = "running, waiting for comparisons: 120 of 440 comparisons judged, 4 a second, about 1 min left"
    assert said().splitlines() == [f"demo: execute, run {STATUS.run}", line, "spent: 0.5000 USD"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"comparisons_per_second": 0.05}, "3.0 a minute"),
        ({"silent_seconds": 65.4}, "left; nothing for 65 s"),
        ({"comparisons_failed": 2}, "judged, 2 failed, 4 a second"),
        ({"comparisons_per_second": None, "seconds_left": None}, "120 of 440 comparisons judged\n"),
        ({"stage": "cleared", "uploads_left": 3}, "running, storing texts: "),
        ({"uploads_left": 3}, "17 texts stored, 3 to store"),
        ({"max_cost_usd": 2.0}, "spent: 0.5000 USD of at most 2"),
        ({"duplicates": 4}, "messages: 4 came more than once"),
        ({"flawed": 2}, "messages: 2 count although a value in them makes no sense"),
        ({"doubtful": {"surplus": 4, "time": 1}}, "messages: 5 cannot come from the requests"),
        ({"is_running": False, "seconds_left": None}, "stopped without an end, nothing works on it: 120 of 440"),
        (
            {"is_running": False, "outcome": "partial", "seconds_left": None},
            "partial: 120 of 440",
        ),
        ({"outcome": "partial"}, "judged, 320 missing, 4 a second"),
        ({"requests": 2}, "\n2 requests were made"),
        ({"outcome": "failed", "reasons": ("the CJ service reported a failure: no",)}, "\n  the CJ service reported"),
    ],
)
def test_each_fact_has_its_words(facts: dict[str, object], words: str) -> None:
    assert words in said(**facts)


def test_a_dry_run_has_nothing_to_go_on_with(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "dry-run", "--assets", study, cwd=tmp_path).code == 0
    told = run("status", newest(tmp_path), cwd=tmp_path)
    assert told.code == 0 and "not-sent: 0 of 160 comparisons judged" in told.err and "to go on" not in told.err
