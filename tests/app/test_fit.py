"""`eng5.fit`: tables of a program and of a file, and what a spreadsheet must not run."""

from __future__ import annotations

import csv
import io
import itertools
import math
import random
from pathlib import Path

import pytest
from rich.console import Console

from eng5_runner.app.fit import fit
from eng5_runner.errors import InputsInvalid, InputsMissing, UsageError
from eng5_runner.reports.terminal.fit import show_fit
from eng5_runner.results.tables import FORMULA_STARTS

ROWS = [
    {"item_a": "x", "item_b": "y", "winner": "a", "judge": "j1", "count": 3},
    {"item_a": "y", "item_b": "z", "winner": "a", "judge": "j2", "count": 2.0},
    {"item_a": "z", "item_b": "x", "winner": "b", "judge": "j2", "count": float("nan")},
    {"item_a": "z", "item_b": "x", "winner": None, "judge": "j2", "count": None},
]


def as_csv(rows: list[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow({None: "", 2.0: 2}.get(value, "" if str(value) == "nan" else value) for value in row.values())
    return text.getvalue()


def test_rows_of_a_program_and_a_file_give_the_same_fit(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    path.write_text(as_csv(ROWS))
    ours, files = fit(ROWS, prior_sd=2), fit(path, prior_sd="2")
    assert ours.to_json() == files.to_json()
    assert [item.item for item in ours.items] == ["x", "y", "z"]
    assert ours.table.missing == 1
    assert [judge.comparisons for judge in ours.judges] == [3, 3]


def test_a_fits_repr_says_how_large_and_how_reliable_it_is() -> None:
    text = repr(fit(ROWS, prior_sd=2))
    assert text == "FitResult: 3 items, 6 comparisons, reliability not defined"
    pairs = [{"candidate_chosen": a, "candidate_not_chosen": b} for a in "uvwxyz" for b in "uvwxyz" if a < b]
    assert repr(fit(pairs)).startswith("FitResult: 6 items, 15 comparisons, reliability 0.")


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_an_item_that_a_spreadsheet_would_run_is_inert(start: str) -> None:
    item = f"{start}cmd|x"
    result = fit([{"item_a": item, "item_b": "y", "winner": "a"}], prior_sd=2, position_effect=False)
    name = result.items[0].item  # what strips a name's white space decides what is left of the start
    assert name.strip() == item.strip()
    cells = [row[0] for row in csv.reader(io.StringIO(result.to_csv().decode(), newline=""))]
    assert cells[1] == (f"'{name}" if name.startswith(FORMULA_STARTS) else name)
    assert not cells[1].startswith(FORMULA_STARTS)


def test_full_width_formulas_are_inert_as_they_are_in_the_tables() -> None:
    result = fit([{"item_a": "＝cmd|x", "item_b": "y", "winner": "a"}], prior_sd=2, position_effect=False)
    assert b'"\'\xef\xbc\x9dcmd|x"' in result.to_csv()


def test_an_error_in_rows_names_row_and_column() -> None:
    with pytest.raises(InputsInvalid, match="the table, row 2, column winner: 'c' is no outcome"):
        fit([ROWS[0], {"item_a": "x", "item_b": "y", "winner": "c"}])


@pytest.mark.parametrize("sd", ["wide", 0, -1.0, float("nan"), 1e9])
def test_a_prior_that_is_none_is_refused(sd: float | str) -> None:
    with pytest.raises(UsageError, match="prior-sd"):
        fit(ROWS, prior_sd=sd)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputsMissing, match=r"nowhere\.csv"):
        fit(tmp_path / "nowhere.csv")


def judged_by(judges: int, *, sd: float) -> list[dict[str, object]]:
    """Twelve items, of which each judge sees all pairs, with a taste of its own."""
    generator, items = random.Random(3), [f"item-{number:02}" for number in range(12)]
    rows: list[dict[str, object]] = []
    for judge in range(judges):
        place = {item: 0.5 * number + generator.gauss(0.0, sd) for number, item in enumerate(items)}
        for a, b in itertools.combinations(items, 2):
            chance = 1.0 / (1.0 + math.exp(place[b] - place[a]))
            winner = "a" if generator.random() < chance else "b"
            rows.append({"item_a": a, "item_b": b, "winner": winner, "judge": f"j{judge}"})
    return rows


@pytest.mark.parametrize(("sd", "words"), [(2.0, "differ in taste"), (0.0, "show no taste of their own")])
def test_judges_who_differ_in_taste_say_less_of_other_judges(sd: float, words: str) -> None:
    result = fit(judged_by(6, sd=sd))
    stated = result.reliability
    assert stated.eb is not None and stated.other_judges is not None
    assert (stated.other_judges < stated.eb) == (sd > 0.0)
    assert result.to_json()["reliability"]["other_judges"] == stated.other_judges
    shown = Console(file=io.StringIO(), width=200)
    show_fit(shown, result)
    assert f"for other judges like these: {stated.other_judges:.2f}; the judges {words}" in shown.file.getvalue()
    assert "other_judges" not in fit(judged_by(4, sd=sd)).to_json()["reliability"], "four judges are too few"


def test_items_at_one_position_share_a_rank() -> None:
    rows = [{"item_a": a, "item_b": b, "winner": "a"} for a in ("best", "one", "two") for b in ("one", "two", "worst")]
    result = fit(
        [row for row in rows if {row["item_a"], row["item_b"]} != {"one", "two"} and row["item_a"] != row["item_b"]]
    )
    shown = Console(file=io.StringIO(), width=200)
    show_fit(shown, result)
    lines = [line.split() for line in shown.file.getvalue().splitlines()]
    ranks = {line[1]: line[0] for line in lines if len(line) > 1 and line[1] in ("best", "one", "two", "worst")}
    assert ranks == {"best": "1", "one": "2", "two": "2", "worst": "4"}


@pytest.mark.parametrize("guesses", [False, True], ids=["models that see", "models that guess"])
def test_people_and_models_together_say_nothing_of_other_judges_like_these(guesses: bool) -> None:
    """Nobody is like both, whether the people's scale uses the models or not."""
    toss = random.Random(6)  # with most others, guesses predict people nearly as well as nothing does
    people = [row | {"judge_kind": "human"} for row in judged_by(6, sd=2.0)]
    models = [row | {"judge": f"m-{row['judge']}", "judge_kind": "model"} for row in judged_by(6, sd=2.0)]
    if guesses:
        models = [row | {"winner": toss.choice("ab")} for row in models]
    assert fit(people).reliability.other_judges is not None
    both = fit(people + models)
    assert both.human is not None and both.human.uses_models is not guesses
    assert "other_judges" not in both.to_json()["reliability"]
