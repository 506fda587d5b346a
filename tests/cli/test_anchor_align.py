"""`--mode anchor-align` on the demo: anchors alone, a report recomputed byte for byte, figures as others have them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

from tests.support.runner import DEMO, Ran, artefact, newest, run

REPORT = "anchor_alignment.md"
OUTCOMES = ["F", "F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A"]
SYSTEM_PROMPT = "You are a teacher.\n```\nYou are | fair.\n"
RUBRIC = "Judge the language, not the length."


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A run of the demo's anchors, with prompts of its own; and what was told."""
    folder = tmp_path_factory.mktemp("aligned")
    (folder / "system.md").write_text(SYSTEM_PROMPT)
    (folder / "rubric.md").write_text(RUBRIC)
    ran = run(
        *("--mode", "anchor-align", "--assets", DEMO, "--seed", 3),
        *("--system-prompt", "system.md", "--rubric", "rubric.md", "--llm-provider", "mock"),
        cwd=folder,
    )
    assert ran.code == 0, ran.err
    return newest(folder), ran


@pytest.fixture(scope="module")
def made(aligned: tuple[Path, Ran]) -> dict:
    return artefact(aligned[0], "anchor-align")


def test_the_anchors_go_alone_as_a_guest_run(aligned: tuple[Path, Ran], made: dict) -> None:
    request = json.loads(next((aligned[0] / "requests").glob("*.json")).read_text())
    assert request["metadata"]["runner_mode"] == made["metadata"]["runner_mode"] == "anchor-align"
    assert request["data"]["assignment_id"] is None
    assert len(request["data"]["essays_for_cj"]) == len(made["inputs"]["anchors"]) == 14
    assert made["inputs"]["students"] == made["grade_projections"] == []
    overrides = request["data"]["llm_config_overrides"]
    assert overrides["system_prompt_override"] == SYSTEM_PROMPT.strip()
    assert overrides["judge_rubric_override"] == RUBRIC
    assert len(made["llm_comparisons"]) == 140
    assert all(one["is_anchor"] for one in made["bt_summary"])


def test_the_report_is_listed_and_recomputed_byte_for_byte(aligned: tuple[Path, Ran], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(aligned[0], tmp_path / "run"))
    report = copy / REPORT
    before = report.read_bytes()
    assert REPORT in {one["path"] for one in json.loads((copy / "manifest.json").read_text())["files"]}
    assert run("verify", copy, cwd=tmp_path).code == 0
    assert b"cannot be told" in before
    report.write_bytes(before.replace(b"cannot be told", b"met"))
    spoilt = run("verify", copy, cwd=tmp_path)
    assert spoilt.code == 5
    assert REPORT in spoilt.err
    assert run("hydrate", copy, cwd=tmp_path, env={"PYTHONHASHSEED": "77"}).code == 0
    assert report.read_bytes() == before


def positions(made: dict) -> tuple[list[float], list[int]]:
    return (
        [one["theta"] for one in made["bt_summary"]],
        [OUTCOMES.index(one["anchor_grade"]) for one in made["bt_summary"]],
    )


def test_the_correlations_are_those_of_scipy(made: dict) -> None:
    theta, grades = positions(made)
    told = made["anchor_alignment"]
    assert told["kendall_tau_b"] == pytest.approx(kendalltau(theta, grades).statistic, abs=1e-6)
    assert told["spearman"] == pytest.approx(spearmanr(theta, grades).statistic, abs=1e-6)


def test_the_agreement_is_that_of_scikit_learn(made: dict) -> None:
    told = made["anchor_alignment"]
    known = {one["anchor_id"]: one["grade"] for one in made["inputs"]["anchors"]}
    rows = [one for one in told["left_out"] if "refused" not in one]
    assert all(one["grade"] == known[one["anchor_id"]] for one in rows) and len(rows) > 8
    expert, others = ([OUTCOMES.index(one[key]) for one in rows] for key in ("grade", "projected_grade"))
    kappa = cohen_kappa_score(expert, others, labels=list(range(10)), weights="quadratic")
    off = np.subtract(others, expert)
    for name, value in (
        ("left_out_qwk", kappa),
        ("left_out_exact", (off == 0).mean()),
        ("left_out_within_one", (abs(off) <= 1).mean()),
        ("left_out_bias", off.mean()),
        ("left_out_mean_absolute_error", abs(off).mean()),
    ):
        assert told[name] == pytest.approx(value, abs=1e-6)
        low, high = told["intervals_90"][name]
        assert low <= told[name] <= high


def test_the_intervals_are_those_of_another_bootstrap(made: dict) -> None:
    """Of the positions as they are, an interval is a little narrower than one that moves them by their error too."""
    theta, grades = (np.array(side) for side in positions(made))
    generator = np.random.default_rng(99)
    draws = [generator.integers(0, theta.size, theta.size) for _ in range(2000)]
    errors = np.array([one["standard_error"] for one in made["bt_summary"]])
    found = [kendalltau((theta + generator.normal(0, errors))[some], grades[some]).statistic for some in draws]
    low, high = made["anchor_alignment"]["intervals_90"]["kendall_tau_b"]
    assert (low, high) == pytest.approx(tuple(np.nanquantile(found, [0.05, 0.95])), abs=0.06)


def test_inversions_are_counted_as_by_hand(made: dict) -> None:
    grades = {one["essay_id"]: OUTCOMES.index(one["anchor_grade"]) for one in made["bt_summary"]}
    wins: dict[tuple[str, str], list[bool]] = {}
    for one in made["llm_comparisons"]:
        high, low = sorted((one["essay_a_id"], one["essay_b_id"]), key=lambda essay: -grades[essay])
        if grades[high] != grades[low]:
            wins.setdefault((high, low), []).append(one["winner_id"] == high)
    share = {pair: np.mean(won) for pair, won in wins.items()}
    inverted = sum((value < 0.5) + 0.5 * (value == 0.5) for value in share.values())
    told = made["anchor_alignment"]["inversions"]
    assert (told["pairs"], told["inverted"]) == (len(share), inverted)
    assert told["interval_90"] == pytest.approx(
        proportion_confint(inverted, len(share), alpha=0.1, method="wilson"), abs=1e-6
    )
    listed = [pair for row in told["by_distance"] for pair in row["inverted_pairs"]]
    assert {(one["higher"], one["lower"]) for one in listed} == {pair for pair, value in share.items() if value <= 0.5}
    assert sum(len(one["comparisons"]) for one in listed) == sum(
        len(wins[one["higher"], one["lower"]]) for one in listed
    )
    never = {one["essay_id"] for one in made["bt_summary"] if one["wins"] == 0}
    assert {one["anchor_id"] for one in made["anchor_alignment"]["without_win"]} == never


def test_the_card_counts_flips_and_first_wins_as_by_hand(made: dict) -> None:
    card = made["judge_quality"]
    winners: dict[frozenset[str], dict[str, str]] = {}
    for one in made["llm_comparisons"]:
        winners.setdefault(frozenset((one["essay_a_id"], one["essay_b_id"])), {})[one["essay_a_id"]] = one["winner_id"]
    both = [tuple(by.values()) for by in winners.values() if len(by) == 2]
    assert card["swap"]["compared"] == len(both) > 20
    assert card["swap"]["agreed"] == sum(first == second for first, second in both)
    assert card["position_effect"]["first_won"] == sum(o["winner_position"] == "A" for o in made["llm_comparisons"])
    assert "use --repeats 2" in card["repeats"]["not_measured"]
    assert card["failures"]["failed"] == 0 and card["failures"]["calls"] == 140


def test_the_report_says_it_in_words(aligned: tuple[Path, Ran], made: dict) -> None:
    report = (aligned[0] / REPORT).read_text()
    told = made["anchor_alignment"]
    for figure in (told["kendall_tau_b"], told["spearman"], told["left_out_qwk"]):
        assert f"{figure:.2f}" in report
    for target in ("at least 0.90", "at most 1", "none", "not measured: no question was asked twice: use"):
        assert target in report
    for one in made["bt_summary"]:
        position = f"{one['theta']:+.2f} ± {one['standard_error']:.2f}"
        row = rf"^\| {one['rank']} \| {one['essay_id']} \| [^|]+\.\w+ \| {re.escape(position)} \| \("
        assert re.search(row, report, re.MULTILINE)
        assert f"| {one['wins']} | {one['comparison_count'] - one['wins']} |" in report
    pair = next(pair for row in told["inversions"]["by_distance"] for pair in row["inverted_pairs"])
    calls = {one["sequence"]: one for one in made["llm_comparisons"]}
    for number in pair["comparisons"]:
        assert calls[number]["justification"].split(":")[0] in report
    for text in (SYSTEM_PROMPT.strip(), RUBRIC, made["inputs"]["prompt_reference"]["content"]):
        assert hashlib.sha256(text.encode()).hexdigest() in report
        assert text in report, "whole, whatever it holds"
    assert "````text\nYou are a teacher." in report, "its own fence is longer than the prompt's"
    for told_to_people in ("order of the anchors (Kendall τ-b)", "judges of r = .9 get", "anchor_alignment.md"):
        assert told_to_people in aligned[1].err


def test_it_needs_no_students_and_leaves_the_assignment_out(study: Path, tmp_path: Path) -> None:
    shutil.rmtree(study / "student_essays")
    given = ("--assets", study, "--max-comparisons", 24, "--assignment-id", "11111111-2222-4333-8444-555566667777")
    assert run("--mode", "plan", *given, cwd=tmp_path).code == 66
    ran = run("--mode", "anchor-align", *given, "--swap", "none", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "the assignment is left out" in ran.err
    request = json.loads(next((newest(tmp_path) / "requests").glob("*.json")).read_text())
    assert request["data"]["assignment_id"] is None
    card = artefact(newest(tmp_path), "anchor-align")["judge_quality"]
    assert card["swap"] == {"not_measured": "no pair was asked in both orders: use --swap audit"}
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


def test_a_lone_anchor_is_refused(study: Path, tmp_path: Path) -> None:
    for path in sorted((study / "anchor_essays").iterdir())[1:]:
        path.unlink()
    ran = run("--mode", "anchor-align", "--assets", study, cwd=tmp_path)
    assert ran.code == 65
    assert "nothing to compare it with" in ran.err
