"""The leaderboard of a sweep: order, means over seeds, which differences are real, and its page and table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from eng5_runner.reports.html_leaderboard import leaderboard_page
from eng5_runner.results.sweep.figures import RunFigures, SweptFigure, SweptRun
from eng5_runner.results.sweep.leaderboard import JudgeDifference, LeaderboardRow, make_leaderboard
from eng5_runner.results.sweep.tables import leaderboard_table
from eng5_runner.results.tables import table_csv

GRADES = {f"a{place}": place for place in range(8)}
RIGHT = tuple(GRADES.values())
CONFUSED = (4, 1, 6, 0, 5, 3, 7, 2)


def _figures(
    judge: str,
    positions: Sequence[float],
    *,
    design: str = "balanced",
    seed: int = 1,
    tau_b: float | None = 0.5,
    price: float | None = 0.001,
    outcome: str = "complete",
    judged: int = 28,
) -> RunFigures:
    placed = dict(zip(GRADES, map(float, positions), strict=False))
    pairs = [(one, other) for one in placed for other in placed if one < other]
    run = SweptRun(
        judge=judge,
        design=design,
        seed=seed,
        directory=f"run-{seed}",
        run_id=str(seed),
        model="openai local-7b",
        outcome=outcome,
        judged=judged,
        failed=seed,
        tau_b=SweptFigure() if tau_b is None else SweptFigure(value=tau_b, interval_90=(tau_b - 0.1, tau_b + 0.1)),
        grade_error=SweptFigure(),
        first_shown=SweptFigure(value=0.2 * seed, interval_90=(-0.1, 0.5)),
        length=SweptFigure(),
        swap=SweptFigure(),
        reliability=0.8,
        usd=0.1,
        usd_a_judgement=price,
        seconds_an_answer=None,
        seconds=10.0,
    )
    shares = {pair: float(placed[pair[0]] > placed[pair[1]]) for pair in pairs}
    return RunFigures(run=run, mode="anchor-align", students=0, positions=placed, grades=GRADES, shares=shares)


def test_a_row_has_the_means_of_its_runs_and_no_narrower_interval() -> None:
    board = make_leaderboard(
        [_figures("one", RIGHT, tau_b=0.9), _figures("one", RIGHT, seed=2, tau_b=0.7, outcome="partial")],
        name="s", expected_runs=2, other_usd=0.05,
    )  # fmt: skip
    (row,) = board.rows
    assert (row.runs, row.complete, row.judged, row.failed) == (2, 1, 56, 3)
    assert row.tau_b == SweptFigure(value=0.8, interval_90=(0.7, 0.9))
    assert row.first_shown.value == pytest.approx(0.3)
    assert row.swap == SweptFigure()
    assert (row.usd, board.usd) == (0.2, pytest.approx(0.25))
    assert board.differences == ()
    assert board.verdict.endswith("no other can be compared with it.")


def test_each_fact_of_a_row_a_difference_and_the_board_stands_in_its_place() -> None:
    """Three seeds of each judge: on the first both agree, on the others the second decides two pairs otherwise."""
    almost = (1, 0, 2, 3, 4, 6, 5, 7)
    good = [_figures("good", RIGHT, seed=seed, tau_b=1.0) for seed in (1, 2, 3)]
    bad = [_figures("bad", RIGHT if seed == 1 else almost, seed=seed, tau_b=0.9) for seed in (3, 2, 1)]
    timed = {"seconds_an_answer": 0.25, "model": "p other", "reliability": None}
    good[1] = replace(good[1], run=good[1].run.model_copy(update=timed), students=9)
    board = make_leaderboard([*good, *bad], name="s", expected_runs=7, limit_usd=3.5)
    assert (board.name, board.mode, board.anchors, board.students) == ("s", "anchor-align", 8, 0)
    assert (board.expected_runs, board.limit_usd, board.usd) == (7, 3.5, pytest.approx(0.6))
    assert board.runs == tuple(each.run for each in (*good, *bad))
    assert board.rows[0] == LeaderboardRow(
        name="good",
        judge="good",
        design="balanced",
        model="openai local-7b, p other",
        runs=3,
        complete=3,
        judged=84,
        failed=6,
        tau_b=SweptFigure(value=1.0, interval_90=(0.9, 1.1)),
        grade_error=SweptFigure(),
        first_shown=SweptFigure(value=0.4, interval_90=(-0.1, 0.5)),
        length=SweptFigure(),
        swap=SweptFigure(),
        reliability=0.8,
        usd=0.3,
        usd_a_judgement=0.001,
        seconds_an_answer=0.25,
        seconds=30.0,
    )
    (difference,) = board.differences
    low, high = difference.tau_b.interval_90 or (1.0, 0.0)
    assert 0.0 <= low < 8 / 84 < high < 0.5
    assert difference == JudgeDifference(
        higher="good",
        lower="bad",
        anchors=8,
        runs=3,
        tau_b=SweptFigure(value=0.095238, interval_90=(low, high)),
        p_value=difference.p_value,
        p_corrected=difference.p_value,
        real=False,
        pairs=84,
        only_higher_right=4,
        only_lower_right=0,
    )
    assert difference.p_value is not None and difference.p_value > 0.1


def test_of_a_mean_the_interval_stands_only_where_each_run_has_one() -> None:
    one, two = _figures("j", RIGHT, tau_b=0.5), _figures("j", RIGHT, seed=2, tau_b=0.9)
    bare = replace(two, run=two.run.model_copy(update={"tau_b": SweptFigure(value=0.9)}))
    (row,) = make_leaderboard([one, bare], name="s", expected_runs=2).rows
    assert row.tau_b == SweptFigure(value=0.7)


def test_of_equal_judges_the_cheaper_is_first_and_those_without_judgements_are_last() -> None:
    figures = [
        _figures("none", (), tau_b=None, judged=0),
        _figures("unplaced", (), tau_b=None),
        _figures("dear", RIGHT, tau_b=0.5),
        _figures("cheap", RIGHT, tau_b=0.5),
        _figures("turned", RIGHT[::-1], tau_b=-1.0),
    ]
    figures[3] = replace(figures[3], run=figures[3].run.model_copy(update={"usd": 0.05}))
    board = make_leaderboard(figures, name="s", expected_runs=5)
    assert [row.name for row in board.rows] == ["cheap", "dear", "turned", "unplaced", "none"]
    assert [each.pairs for each in board.differences if "none" in (each.higher, each.lower)] == [None] * 4
    assert {each.only_lower_right for each in board.differences if each.lower == "none"} == {None}


def test_each_of_several_others_is_worse_and_several_equals_are_listed() -> None:
    worse = [_figures(name, RIGHT[::-1], tau_b=-1.0) for name in ("b", "c")]
    board = make_leaderboard([_figures("a", RIGHT, tau_b=1.0), *worse], name="s", expected_runs=3)
    assert board.verdict == "a agrees most with the experts' grades, surely more than each of the other 2."
    alike = [_figures(name, RIGHT, tau_b=tau) for name, tau in (("a", 1.0), ("b", 0.9), ("c", 0.8), ("d", 0.7))]
    told = make_leaderboard(alike, name="s", expected_runs=4).verdict
    assert told == "a agrees most with the experts' grades, but it cannot be told from b, c and d."


@pytest.mark.parametrize(("price", "says"), [(0.002, "b. Of these, b costs least."), (None, "b.")])
def test_the_cheapest_of_equals_is_named_where_all_their_prices_are_known(price: float | None, says: str) -> None:
    alike = [_figures("a", RIGHT, tau_b=1.0, price=price), _figures("b", RIGHT, tau_b=0.9)]
    assert make_leaderboard(alike, name="s", expected_runs=2).verdict.endswith(f"cannot be told from {says}")


def test_judges_of_equal_tau_b_share_a_rank_as_do_those_without() -> None:
    taus = (("a", 1.0), ("b", 0.5), ("c", 0.5), ("d", None), ("e", None))
    board = make_leaderboard([_figures(name, RIGHT, tau_b=tau) for name, tau in taus], name="s", expected_runs=5)
    assert board.ranks == [1, 2, 2, 4, 4]
    assert [row[0] for row in leaderboard_table(board).rows] == board.ranks


def test_the_best_judge_is_first_and_a_real_difference_is_named() -> None:
    figures = [_figures("bad", CONFUSED, tau_b=0.0), _figures("good", RIGHT, tau_b=1.0)]
    board = make_leaderboard(figures, name="s", expected_runs=2)
    assert [row.name for row in board.rows] == ["good", "bad"]
    (difference,) = board.differences
    assert (difference.higher, difference.lower, difference.real) == ("good", "bad", True)
    assert difference.tau_b.value == pytest.approx(1.0, abs=0.2)
    assert (difference.pairs, difference.only_lower_right) == (28, 0)
    assert board.verdict == "good agrees most with the experts' grades, surely more than the other one."


def test_of_judges_that_cannot_be_told_apart_the_cheapest_is_named() -> None:
    almost = (1, 0, *RIGHT[2:])
    figures = [
        _figures("dear", RIGHT, tau_b=1.0, price=0.01),
        _figures("cheap", almost, tau_b=0.93, price=0.001),
        _figures("bad", RIGHT[::-1], tau_b=-1.0, price=0.0001),
    ]
    board = make_leaderboard(figures, name="s", expected_runs=3)
    assert "it cannot be told from cheap. Of these, cheap costs least." in board.verdict
    corrected = [(each.p_value, each.p_corrected) for each in board.differences]
    assert corrected[1] == (pytest.approx(2 / 2**8, abs=1e-5), pytest.approx(6 / 2**8, abs=1e-5))


def test_designs_are_named_where_there_are_several_and_only_common_seeds_are_compared() -> None:
    figures = [
        _figures("one", RIGHT, design="short", seed=1, tau_b=0.9),
        _figures("one", CONFUSED, design="short", seed=2, tau_b=0.9),
        _figures("one", RIGHT, design="long", seed=1, tau_b=0.8),
    ]
    board = make_leaderboard(figures, name="s", expected_runs=4)
    assert [row.name for row in board.rows] == ["one (short)", "one (long)"]
    assert (board.differences[0].runs, board.differences[0].p_value) == (1, 1.0)


def test_judges_without_results_can_be_shown_and_not_compared() -> None:
    board = make_leaderboard(
        [_figures("none", (), tau_b=None), _figures("few", RIGHT[:2], tau_b=None)], name="s", expected_runs=2
    )
    assert [each.p_value for each in board.differences] == [None]
    assert board.verdict.startswith("Nothing can be said")
    assert make_leaderboard([], name="s", expected_runs=2).rows == ()
    assert b"2 of 2 runs are not complete" in leaderboard_page(make_leaderboard([], name="s", expected_runs=2))


def test_the_table_has_each_figure_with_the_ends_of_its_interval() -> None:
    figures = [_figures("good", RIGHT, tau_b=1.0), _figures("bad", CONFUSED, tau_b=0.0)]
    table = leaderboard_table(make_leaderboard(figures, name="s", expected_runs=2))
    measured = ("tau_b", "grade_error", "first_shown_logits", "length_logits", "swap_agreement")
    intervals = [name + end for name in measured for end in ("", "_low", "_high")]
    texts, whole = ("judge", "design", "model"), ("rank", "runs", "complete", "judged", "failed")
    own = ("reliability", "usd", "usd_a_judgement", "seconds_an_answer", "seconds", "p_below_best")
    assert list(table.columns) == ["rank", *texts, *whole[1:], *intervals, *own]
    assert dict(table.columns) == (
        dict.fromkeys(texts, "text") | dict.fromkeys(whole, "whole") | dict.fromkeys([*intervals, *own], "number")
    )
    cells = dict(zip(table.columns, list(table.rows)[1], strict=True))
    p = cells.pop("p_below_best")
    assert isinstance(p, float)
    assert {name: cell for name, cell in cells.items() if cell is not None} == {
        "rank": 2, "judge": "bad", "design": "balanced", "model": "openai local-7b", "runs": 1, "complete": 1,
        "judged": 28, "failed": 1, "tau_b": 0.0, "tau_b_low": -0.1, "tau_b_high": 0.1, "first_shown_logits": 0.2,
        "first_shown_logits_low": -0.1, "first_shown_logits_high": 0.5, "reliability": 0.8, "usd": 0.1,
        "usd_a_judgement": 0.001, "seconds": 10.0,
    }  # fmt: skip


def test_whatever_a_judge_is_called_stays_text_on_the_page_and_in_the_table() -> None:
    name = '=1+1<script>alert("x")</script>'
    figures = [_figures(name, RIGHT, tau_b=1.0), _figures("bad", CONFUSED, tau_b=0.0)]
    board = make_leaderboard(figures, name="s", expected_runs=2, limit_usd=5.0)
    page = leaderboard_page(board).decode()
    assert "<script>alert" not in page
    assert "default-src 'none'" in page
    assert page.count("<script") == 1, "the page's own, whose hash is in its policy"
    tree = ET.fromstring(page[page.index("<main") : page.index("</main>") + 7].replace("<br>", ""))
    assert {link.get("href") for link in tree.iter("a")} == {"run-1/report.html"}
    rows = list(csv.DictReader(io.StringIO(b"".join(table_csv(leaderboard_table(board))).decode())))
    assert rows[0]["judge"] == f"'{name}"
    assert (rows[0]["p_below_best"], rows[0]["tau_b_low"], rows[0]["swap_agreement"]) == ("", "0.9", "")
    assert float(rows[1]["p_below_best"]) <= 0.1
