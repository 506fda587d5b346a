"""`fit` reads any table of comparisons, tells people on standard error, and gives data as JSON or CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from eng5_runner.measure.model.comparisons import comparisons_from
from eng5_runner.measure.model.davidson import fit_ties
from tests.support.runner import Ran, run
from tests.support.studies import balanced_rounds, by_names, judged, reference

NINE = ["F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A"]
UNLINKED = "the comparisons fall into 2 parts that nothing links"
KEYS = {"item", "theta", "se", "comparisons", "wins", "infit", "outfit", "flags", "grade", "grade_probabilities"}


def table(path: Path, lines: list[str], *, heading: str = "item_a,item_b,winner") -> Path:
    path.write_text("\n".join([heading, *lines, ""]), encoding="utf-8")
    return path


def reference_table(path: Path, name: str) -> Path:
    rows = [line for a, b, won, lost in reference(name)["table"] for line in (f"{a},{b},a,{won}", f"{a},{b},b,{lost}")]
    return table(path, rows, heading="item_a,item_b,winner,count")


def fitted(ran: Ran) -> dict:
    assert ran.code == 0, ran.err
    (whole,) = ran.lines
    return whole


def by_item(whole: dict, key: str) -> dict:
    return {entry["item"]: entry[key] for entry in whole["items"]}


def graded_study(folder: Path) -> tuple[Path, Path]:
    """Nine anchors in a line, five students, and one who met nobody of them."""
    items = [*(f"anchor {grade}" for grade in NINE), *(f"student {n}" for n in range(5))]
    truth = dict(zip(items, [*np.linspace(-3, 3, 9).tolist(), -2.0, -1.0, 0.0, 1.0, 5.5], strict=True))
    pairs = [(pair.first, pair.second) for pairs in balanced_rounds(items, rounds=26, seed=1) for pair in pairs]
    rows = [f"{a},{b},{'a' if y else 'b'}" for a, b, y in judged(pairs, truth=truth, seed=1)]
    rows += ["x,y,a", "y,x,a"]
    anchors = table(folder / "anchors.csv", [f"anchor {grade},{grade}" for grade in NINE], heading="item,grade")
    return table(folder / "judged.csv", rows), anchors


def test_citations_without_a_prior_are_those_of_r(tmp_path: Path) -> None:
    path = reference_table(tmp_path / "t.csv", "citations")
    whole = fitted(run("fit", path, "--prior-sd", "10000", "--no-position-effect", "--json", cwd=tmp_path))
    case = reference("citations")
    items = case["items"]
    assert by_names(by_item(whole, "theta"), items) == pytest.approx(by_names(case["ml"]["theta"], items), abs=1e-6)
    assert by_names(by_item(whole, "se"), items) == pytest.approx(by_names(case["ml"]["se"], items), abs=1e-6)
    assert whole["position_effect"] is None


def test_baseball_with_a_prior_and_the_first_place_is_that_of_the_study(tmp_path: Path) -> None:
    path = reference_table(tmp_path / "t.csv", "baseball")
    whole = fitted(run("fit", path, "--prior-sd", "2", "--json", cwd=tmp_path))
    case = reference("baseball")
    expected = case["map_sd2"]
    assert by_names(by_item(whole, "theta"), case["items"]) == pytest.approx(
        by_names(expected["theta"], case["items"]), abs=1e-6
    )
    assert whole["position_effect"]["estimate"] == pytest.approx(expected["order"], abs=1e-6)
    assert whole["position_effect"]["se"] == pytest.approx(expected["order_se"], abs=1e-6)
    assert whole["log_likelihood"] == pytest.approx(expected["loglik"], abs=1e-6)
    assert whole["prior_sd"] == 2.0


def test_the_json_object_has_its_keys_and_nothing_else_is_said(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["a,b,a", "b,c,tie", "c,a,", "A D,a,b", 'e,"f, g",b'])
    ran = run("fit", path, "--json", cwd=tmp_path)
    whole = fitted(ran)
    assert ran.err == ""
    assert set(whole) == {
        *("items", "position_effect", "log_likelihood", "prior_sd", "reliability", "components", "converged"),
        "position_effect_left_out",  # each item stands in one place only
    }
    assert whole["reliability"] == {"eb": None, "interval": None, "ssr": None, "undefined": UNLINKED}
    assert all(set(entry) == KEYS for entry in whole["items"])
    thetas = [entry["theta"] for entry in whole["items"]]
    assert thetas == sorted(thetas, reverse=True)
    assert sum(thetas) == pytest.approx(0.0, abs=1e-6)
    assert whole["components"] == 2
    assert by_item(whole, "wins") == {"a": 2.0, "b": 0.5, "c": 0.5, "A D": 0.0, "e": 0.0, "f, g": 1.0}
    assert by_item(whole, "flags")["e"] == ["winless", "disconnected"]
    assert by_item(whole, "grade")["a"] is None


def test_an_item_whose_judgements_all_failed_is_placed_by_the_prior(tmp_path: Path) -> None:
    whole = fitted(run("fit", table(tmp_path / "t.csv", ["a,b,a", "c,a,"]), "--json", cwd=tmp_path))
    assert by_item(whole, "flags")["c"] == ["isolated"]
    assert by_item(whole, "infit")["c"] is None
    assert by_item(whole, "comparisons")["c"] == 0


def test_the_order_of_the_rows_and_a_count_leave_no_trace(tmp_path: Path) -> None:
    rows = ["a,b,a", "b,c,b", "a,c,a", "c,a,a", "a,b,a"]
    one = run("fit", table(tmp_path / "1.csv", rows), "--json", cwd=tmp_path)
    two = run("fit", table(tmp_path / "2.csv", rows[::-1]), "--json", cwd=tmp_path)
    counted = ["a;b;A;2;", "b;c;b;;", "a;c;a;1;", "c;a;a;1;", ";;;;"]
    three = run(
        "fit", table(tmp_path / "3.csv", counted, heading="Item_A;item_b;Winner;count;judge"), "--json", cwd=tmp_path
    )
    assert fitted(one) == fitted(two) == fitted(three)


def test_one_of_several_judges_that_goes_by_the_place_is_named(tmp_path: Path) -> None:
    pairs = [(a, b) for a in "pqrstu" for b in "pqrstu" if a != b]
    rows = [f"{a},{b},{judge}" for a, b in pairs for judge in (f"{'a' if a < b else 'b'},ada", "a,bob", "b,eve")]
    ran = run("fit", table(tmp_path / "t.csv", rows, heading="item_a,item_b,winner,judge"), cwd=tmp_path)
    said = " ".join(ran.err.split())
    assert (
        "bob goes by the place and not by the essay: 30 of 30 judgements were won by the essay that was shown first"
        in said
    )
    assert (
        "eve goes by the place and not by the essay: 30 of 30 judgements were won by the essay that was shown second"
        in said
    )
    assert "ada goes by" not in said and "bob disagrees" not in said


def test_people_read_on_standard_error_how_far_to_trust_the_order(tmp_path: Path) -> None:
    rows = [f"{a},{b},{'a' if a < b else 'b'},{judge}" for a in "pqrs" for b in "pqrs" if a != b for judge in "12"]
    path = table(tmp_path / "t.csv", [*rows, "p,q,tie,1", "p,q,,2"], heading="item_a,item_b,winner,judge")
    ran = run("fit", path, cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "")
    for told in (
        "read item_a as the item shown first, item_b as the one shown second, winner as the winner, judge as the judge",
        "25 comparisons of 4 items, 1 missing",
        "1 tie counts",
        "reliability: not defined; it needs at least 6 items",
        "inflated where pairing was adaptive",
        "advantage of being shown first",
        "same pair in the other order: 100%",
        "circular triads: 0 of 4",
        "judge 1: 13 comparisons",
    ):
        assert told in ran.err


def test_many_items_and_many_judges_do_not_scroll_by(tmp_path: Path) -> None:
    """Of the items both ends are shown; of the judges those who are not like the others, and some of the others."""
    chain = [f"i{n:03},i{m:03},a,{n % 2}" for n in range(260) for m in (n + 1, n + 2)]
    ran = run("fit", table(tmp_path / "t.csv", chain, heading="item_a,item_b,winner,judge"), cwd=tmp_path)
    assert ran.code == 0 and "62 more: --out FILE writes all" in ran.err and len(ran.err.splitlines()) < 230
    assert all(f" i{n:03} " in ran.err for n in (0, 99, 162, 261)) and not any(f" i{n} " in ran.err for n in (100, 161))
    pairs = [(a, b) for a in "pqrstuvwxyz" for b in "pqrstuvwxyz" if a < b]
    rows = [f"{a},{b},{'b' if n % 5 == 0 else 'a'},j{n:03}" for n in range(130) for a, b in pairs]
    rows += [f"{b},{a},{'a' if n % 5 == 0 else 'b'},j{n:03}" for n in range(130) for a, b in pairs]
    ran = run("fit", table(tmp_path / "j.csv", rows, heading="item_a,item_b,winner,judge"), cwd=tmp_path)
    assert ran.code == 0 and "and 84 more judges like the others: --json has all" in ran.err
    assert "and 6 more judges who disagree or go by the place: --json has all" in ran.err
    assert "judge j000: " in ran.err and "j000 disagrees with the others" in ran.err and "j125" not in ran.err
    assert "judge j001: " in ran.err and "j129" not in ran.err


def test_a_table_of_winners_and_losers_is_read_as_it_is(tmp_path: Path) -> None:
    heading = "judge,candidate_chosen,candidate_not_chosen"
    rows = [f"{judge},{a},{b}" for a in "pqrstuvw" for b in "pqrstuvw" if a < b for judge in ("j1", "j1", "j2")]
    path = table(tmp_path / "t.csv", rows, heading=heading)
    ran = run("fit", path, cwd=tmp_path)
    assert ran.code == 0, ran.err
    said = " ".join(ran.err.split())
    for told in (
        "read candidate_chosen as the winner and candidate_not_chosen as the loser, judge as the judge",
        "28 of 84 comparisons repeat a question and always agree: each question counts once",
        "no advantage of being shown first is estimated: the table does not say which item was shown first",
    ):
        assert told in said
    once, kept = (fitted(run("fit", path, *flag, "--json", cwd=tmp_path)) for flag in ((), ("--keep-repeats",)))
    assert [entry["item"] for entry in once["items"]] == list("pqrstuvw")
    assert once["repeats_left_out"] == 28
    assert once["columns"] == {"winner": "candidate_chosen", "loser": "candidate_not_chosen", "judge": "judge"}
    assert "repeats_left_out" not in kept and kept["items"][0]["theta"] > once["items"][0]["theta"]


def test_a_spread_that_nothing_bounds_is_told(tmp_path: Path) -> None:
    pairs = [(a, b) for a in "pqrstuvw" for b in "pqrstuvw" if a < b]
    path = table(tmp_path / "t.csv", [line for a, b in pairs for line in (f"{a},{b},a", f"{b},{a},b")])
    assert (
        "the spread of the items is at its limit: the comparisons never"
        in run("fit", path, "--keep-repeats", cwd=tmp_path).err
    )
    whole = fitted(run("fit", path, "--keep-repeats", "--json", cwd=tmp_path))
    assert whole["reliability"]["spread_at_limit"] == "upper"


def test_anchors_give_grades_with_probabilities(tmp_path: Path) -> None:
    path, anchors = graded_study(tmp_path)
    out = tmp_path / "out.csv"
    options = ("--anchors", anchors, "--grade-scale", "eng5_np_legacy_9_step", "--out", out, "--json")
    whole = fitted(run("fit", path, *options, cwd=tmp_path))
    shares = by_item(whole, "grade_probabilities")
    assert list(shares["student 1"]) == ["F", *NINE]
    assert sum(shares["student 1"].values()) == pytest.approx(1.0, abs=1e-6)
    assert by_item(whole, "grade")["student 2"] in ("D-", "D+", "C-")
    assert by_item(whole, "grade")["anchor B"] == "B" and shares["anchor B"] is None
    flags = by_item(whole, "flags")
    assert "anchor" in flags["anchor B"]
    assert "extrapolated" in flags["student 4"]
    assert "not_linked_to_anchors" in flags["x"] and "disconnected" in flags["x"]
    with out.open(encoding="utf-8", newline="") as file:
        written = {row["item"]: row for row in csv.DictReader(file)}
    assert float(written["student 1"]["theta"]) == by_item(whole, "theta")["student 1"]
    assert float(written["student 1"]["p_C-"]) == shares["student 1"]["C-"]
    assert written["anchor B"]["p_C-"] == ""


def test_the_agreement_with_teachers_stands_beside_the_reliability(tmp_path: Path) -> None:
    path, anchors = graded_study(tmp_path)
    lines = [line for line in path.read_text().splitlines()[1:] if line[0] not in "xy"]
    options = (table(tmp_path / "linked.csv", lines), "--anchors", anchors, "--grade-scale", "eng5_np_legacy_9_step")
    whole = fitted(run("fit", *options, "--json", cwd=tmp_path))
    agreement, reliability = whole["agreement_with_teachers"], whole["reliability"]["eb"]
    low, high = agreement["interval"]
    assert 0.5 < low < agreement["correlation"] <= high <= 1.0
    assert agreement["share_reproduced"] == pytest.approx(reliability * agreement["correlation"] ** 2, abs=1e-6)
    assert whole["anchors_within_one"]["anchors"] == 9
    said = " ".join(run("fit", *options, cwd=tmp_path).err.split())
    assert f"agreement with the teachers' grades: r = {agreement['correlation']:.2f} ({low:.2f} to {high:.2f})" in said
    assert "9 anchors came within one step when the others graded them" in said


def test_a_few_known_grades_show_a_shift_and_are_used_for_nothing_else(tmp_path: Path) -> None:
    path, anchors = graded_study(tmp_path)
    options = ("fit", path, "--anchors", anchors, "--grade-scale", "eng5_np_legacy_9_step")
    plain = fitted(run(*options, "--json", cwd=tmp_path))
    grades = by_item(plain, "grade")
    lower = {f"student {n}": NINE[max(NINE.index(grades[f"student {n}"]) - 2, 0)] for n in (1, 2, 3, 4)}
    known = table(tmp_path / "known.csv", [f"{item},{grade}" for item, grade in lower.items()], heading="item,grade")
    checked = fitted(run(*options, "--check-grades", known, "--json", cwd=tmp_path))
    assert checked["grade_check"]["students"] == 4 and checked["grade_check"]["interval"][0] > 0.5
    assert checked | {"grade_check": None} == plain | {"grade_check": None}
    said = " ".join(run(*options, "--check-grades", known, cwd=tmp_path).err.split())
    assert "of 4 students whose teachers' grade is known" in said and "the grades are shifted" in said
    assert run(*options, "--check-grades", anchors, cwd=tmp_path).code == 65
    assert run("fit", path, "--check-grades", known, cwd=tmp_path).code == 2


def test_anchors_that_cannot_carry_grades_are_refused_in_words(tmp_path: Path) -> None:
    path, _ = graded_study(tmp_path)
    anchors = table(tmp_path / "two.csv", ["anchor A,A", "anchor B,B"], heading="anchor_id,grade")
    options = ("--anchors", anchors, "--grade-scale", "eng5_np_legacy_9_step")
    whole = fitted(run("fit", path, *options, "--json", cwd=tmp_path))
    assert "too few anchors" in whole["grades_refused"]
    assert by_item(whole, "grade")["student 1"] is None
    assert "no grades are projected: too few anchors" in run("fit", path, *options, cwd=tmp_path).err


def test_names_that_a_spreadsheet_would_run_are_made_inert(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run("fit", table(tmp_path / "t.csv", ["=1+1,b,a"]), "--out", out, cwd=tmp_path).code == 0
    assert '"\'=1+1"' in out.read_text()


@pytest.mark.parametrize(
    ("heading", "lines", "told"),
    [
        ("item_a,item_b", ["a,b"], "row 1: the column winner"),
        ("", [], "row 1: the column item_a"),
        ("item_a,item_b,winner", ["a,b,a", "a,b,c"], "row 3, column winner: 'c'"),
        ("item_a,item_b,winner", ["a,b,a", ",b,a"], "row 3, column item_a"),
        ("item_a,item_b,winner", ["a,,a"], "row 2, column item_b"),
        ("item_a,item_b,winner", ["a,a,a"], "row 2, column item_b"),
        ("item_a,item_b,winner", ["a,b,"], "no comparison with a winner"),
        ("item_a,item_b,winner", [], "no comparison with a winner"),
        ("item_a,item_b,winner", ["a,b,a,x"], "row 2: it has 4 cells"),
        ("item_a,item_b,winner", ['a,"b,a'], "is not CSV"),
        ("item_a,item_b,winner,count", ["a,b,a,1", "a,b,a,-1"], "row 3, column count: '-1'"),
        ("item_a,item_b,winner,count", ["a,b,a,1.5"], "row 2, column count: '1.5'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_row_and_column(
    tmp_path: Path, heading: str, lines: list[str], told: str
) -> None:
    ran = run("fit", table(tmp_path / "t.csv", lines, heading=heading), cwd=tmp_path)
    assert (ran.code, ran.out) == (65, "")
    assert told in ran.err


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"%PDF item_a,item_b,winner\na,b,a\n")
    assert run("fit", "t.csv", cwd=tmp_path).code == 65
    assert run("fit", tmp_path, cwd=tmp_path).code == 65


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["nobody,A"], "row 2, column item: 'nobody'"),
        (["anchor A,A", "anchor A,B"], "row 3, column item"),
        (["anchor A,Z"], "row 2, column grade: 'Z'"),
    ],
)
def test_anchors_that_cannot_be_used_are_refused_with_row_and_column(
    tmp_path: Path, lines: list[str], told: str
) -> None:
    path, _ = graded_study(tmp_path)
    anchors = table(tmp_path / "wrong.csv", lines, heading="item,grade")
    ran = run("fit", path, "--anchors", anchors, "--grade-scale", "eng5_np_legacy_9_step", cwd=tmp_path)
    assert ran.code == 65
    assert told in ran.err


def test_what_is_not_there_or_makes_no_sense_has_its_exit_code(tmp_path: Path) -> None:
    path, anchors = graded_study(tmp_path)
    assert run("fit", "nothing.csv", cwd=tmp_path).code == 66
    for wrong in (
        ("--prior-sd", "wide"),
        ("--prior-sd", "0"),
        ("--anchors", anchors),
        ("--grade-scale", "eng5_np_legacy_9_step"),
        ("--anchors", anchors, "--grade-scale", "unheard-of"),
    ):
        assert run("fit", path, *wrong, cwd=tmp_path).code == 2
    ran = run("fit", "nothing.csv", "--json", cwd=tmp_path)
    assert json.loads(ran.out)["exit"] == 66


def test_ties_are_flagged_and_fitted_as_answers_of_their_own(tmp_path: Path) -> None:
    told = [(a, b, winner) for a, b in ("xy", "yz", "xz", "wx") for winner in ("a", "a", "tie", "b", "tie")]
    path = table(tmp_path / "t.csv", [",".join(row) for row in told])
    ran = run("fit", path, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "8 ties count half a win for each side; the standard errors above are then quasi-likelihood" in ran.err
    assert "with ties as answers of their own (Davidson): two equals tie" in ran.err
    out = tmp_path / "out.csv"
    whole = json.loads(run("fit", path, "--json", "--out", out, cwd=tmp_path).out)
    assert all("quasi_likelihood_se" in flags for flags in by_item(whole, "flags").values())
    rows = {row["item"]: row for row in csv.DictReader(out.read_text().splitlines())}
    expected = fit_ties(comparisons_from("wxyz", [(a, b, {"a": 1.0, "b": 0.0, "tie": 0.5}[y]) for a, b, y in told]))
    for item, theta, error in zip("wxyz", expected.theta, expected.standard_errors, strict=True):
        assert float(rows[item]["davidson_theta"]) == pytest.approx(theta, abs=1e-6)
        assert float(rows[item]["davidson_se"]) == pytest.approx(error, abs=1e-6)
    untied = json.loads(run("fit", table(tmp_path / "u.csv", ["a,b,a", "b,a,a"]), "--json", cwd=tmp_path).out)
    assert not any("quasi_likelihood_se" in flags for flags in by_item(untied, "flags").values())


def test_people_and_a_model_are_told_apart_and_named(tmp_path):
    """Two people agree, one turns the order around, and a model agrees with the two."""
    pairs = [(a, b) for n, a in enumerate("abcdefgh") for b in "abcdefgh"[n + 1 :]]
    lines = [f"{name},{x},{y},{x}" for a, b in pairs for x, y in ((a, b), (b, a)) for name in ("ann", "bo")]
    lines = [f"{name},{x},{y},{min(x, y)}" for name, x, y in (line.split(",")[:3] for line in lines)]
    lines += [f"di,{a},{b},{b}" for a, b in pairs]
    lines += [f"gpt-9,{x},{y},{a}" for a, b in pairs for x, y in ((a, b), (b, a))]
    path = table(tmp_path / "judged.csv", lines, heading="judge,item_a,item_b,winner")
    shown = run("fit", path, cwd=tmp_path)
    assert shown.code == 0, shown.err
    words = " ".join(shown.err.split())
    assert "140 judgements of 3 people and 56 of models: the scale is the humans'" in words
    assert "the models' order agrees with 80%" in words
    assert "di disagrees with the others: it agrees in 0%" in words
    assert "di chose h; the models place a" in words
