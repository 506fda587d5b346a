"""A price that nobody knows: every view of a run, live or at its end, says so and none shows 0 USD."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from msgspec import structs
from rich.console import Console

from eng5_runner.app.metrics import RunMetrics
from eng5_runner.core.events import CallbackAccepted
from eng5_runner.core.run_status import status_of
from eng5_runner.core.state import fold
from eng5_runner.planning.pilot import read_pilot
from eng5_runner.planning.sweep import Progress
from eng5_runner.reports.html_leaderboard import leaderboard_page
from eng5_runner.reports.html_report import report
from eng5_runner.reports.plots.design import course
from eng5_runner.reports.terminal.compare import overview_lines, run_lines
from eng5_runner.reports.terminal.leaderboard import show_leaderboard
from eng5_runner.reports.terminal.runs import show_listed
from eng5_runner.reports.terminal.session import SessionView
from eng5_runner.reports.terminal.status import status_sentences
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.record import ComparisonCounts
from eng5_runner.results.artefact.study import Costs, TokenCounts, TrialAnswer
from eng5_runner.results.compare import compare_artefacts
from eng5_runner.results.run_summary import summary_of
from eng5_runner.results.sweep.figures import figures_of
from eng5_runner.results.sweep.leaderboard import Leaderboard, make_leaderboard
from eng5_runner.results.sweep.tables import leaderboard_table
from tests.support.artefacts import seen_as
from tests.support.results import arrived
from tests.support.run import messages
from tests.support.run.events import AT, ONE_OF_EACH, WAYS
from tests.support.run.runs import RUN_ID, make_inputs

INPUTS, _ = make_inputs()
PAIR = (INPUTS.students[0].essay_id, INPUTS.students[1].essay_id)
UNPRICED = TokenCounts(
    provider="openai", model="own", comparisons=8, prompt_tokens=9, completion_tokens=6, usd=0.0, unpriced=8
)


def call(number: int, **metadata: object) -> CallbackAccepted:
    message = messages.comparison_message(RUN_ID, number, PAIR, winner="Essay A")
    message["data"]["cost_estimate"] = 0.0
    message["data"]["request_metadata"] |= metadata
    return structs.replace(arrived("comparison", message), judged=True)


def run(*, usd: float = 0.0, unpriced: int | None = 8, test_answer: TrialAnswer | None = None) -> Artefact:
    row = UNPRICED.model_copy(update={"usd": usd, "unpriced": unpriced})
    costs = Costs(total_usd=usd, token_counts=(row,), test_answer=test_answer)
    made = seen_as([float(place) for place in range(8)])
    counted = made.runner_status.model_copy(update={"comparisons": ComparisonCounts(judged=28, failed=0)})
    return made.model_copy(update={"costs": costs, "runner_status": counted})


def board(*runs: Artefact, **more: object) -> Leaderboard:
    judged = [figures_of(made, judge=f"j{place}", design="d", seed=1, directory="r") for place, made in enumerate(runs)]
    return make_leaderboard(judged, name="s", expected_runs=len(runs), **more)


def shown(show: object, *things: object) -> str:
    out = StringIO()
    show(Console(file=out, width=200), *things)
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize(
    ("changes", "unpriced"),
    [
        ({"cost_known": False}, True),
        ({"cost_known": True}, False),
        ({"cost_known": False, "cassette": True}, False),
        ({}, False),
    ],
)
def test_an_event_says_whether_its_price_is_known(changes: dict[str, object], *, unpriced: bool) -> None:
    event = call(1, **changes)
    assert event.is_unpriced is unpriced
    assert not structs.replace(event, cost_usd=0.25).is_unpriced, "the most that it can be counts"
    assert not structs.replace(event, kind="result").is_unpriced


def test_a_study_that_goes_on_says_what_is_known_of_its_cost() -> None:
    unknown, paid = call(1, cost_known=False), structs.replace(call(2), cost_usd=0.25)
    start = [ONE_OF_EACH[name] for name in WAYS["gathering"].split()]
    for events, says, line in (
        ([unknown], "unknown (1 call has no known price)", "cost unknown so far"),
        ([unknown, paid], "at least 0.2500 USD (1 call has no known price)", "at least 0.2500 USD so far"),
        ([paid], "0.2500 USD", ", 0.2500 USD so far"),
    ):
        state = fold([*start, *events])
        status = status_of(state, INPUTS, rate=None, is_running=True, now=AT)
        assert f"spent: {says}" in status_sentences(status)
        assert Progress.of("run", state).unpriced == status.unpriced == (unknown in events)
        out = StringIO()
        view = SessionView(Console(file=out, width=200))
        view.expect(texts=0, comparisons=len(events))
        for event in events:
            view.show(event)
        assert line in out.getvalue()
    metrics = RunMetrics()
    for event in (unknown, paid):
        metrics.count(event)
    told = metrics.to_text().decode()
    assert [line.split()[-1] for line in told.splitlines() if line.startswith("eng5_unpriced_calls_total{")] == ["1.0"]
    assert [line.split()[-1] for line in told.splitlines() if line.startswith("eng5_cost_usd_total{")] == ["0.25"]


def test_lists_of_runs_say_that_a_price_is_unknown() -> None:
    made = run()
    summary = summary_of(made, directory="run")
    assert "unknown" in shown(show_listed, [summary])
    assert next(overview_lines([summary]))[-2:] == ("unknown", "–")
    assert dict(run_lines(compare_artefacts(made, made)))["USD"] == ["unknown", "unknown"]
    planned = replace(summary, comparisons=None)
    assert "unknown" not in shown(show_listed, [planned])
    assert next(overview_lines([planned]))[-2:] == ("–", "–")


def test_a_leaderboard_says_that_a_price_is_unknown_and_calls_no_judge_cheapest() -> None:
    paid, unknown = run(usd=0.5, unpriced=None), run()
    mixed = board(paid, unknown, other_usd=0.25, other_unpriced=3)
    assert (mixed.usd, mixed.unpriced) == (0.75, 11)
    assert "spent: at least 0.7500 USD (11 calls have no known price)" in shown(show_leaderboard, mixed)
    page = leaderboard_page(mixed).decode()
    assert "at least 0.7500 USD (11 calls have no known price)" in page and page.count(">unknown<") == 2
    assert "costs least" not in mixed.verdict
    by_name = {row.name: row for row in mixed.rows}
    assert by_name["j1"].usd_a_judgement is None and by_name["j0"].usd_a_judgement is not None
    place = list(leaderboard_table(mixed).columns).index("usd")
    assert sorted(str(row[place]) for row in leaderboard_table(mixed).rows) == ["0.5", "None"]
    known = board(paid, paid)
    assert known.unpriced is None and ">unknown<" not in leaderboard_page(known).decode()


def test_the_page_has_no_price_for_the_course_the_test_answer_or_the_next_run() -> None:
    made = run(usd=0.5, test_answer=TrialAnswer(usd=0.0, prompt_tokens=0, completion_tokens=0))
    page = report(made).decode()
    assert "the test answer beforehand has no known price either" in page and "and 0.0000 USD" not in page
    drawn = course(made)
    assert drawn is not None and "calls have no known price" in drawn.description
    assert read_pilot(made).measured.usd is None
    assert read_pilot(run(usd=0.5, unpriced=None)).measured.usd is not None
