"""The service's figures beside ours: agreement is said to be one, and a planted difference is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from uuid import UUID

import pytest

from eng5_runner.run.verify import verify
from tests.support.run import messages
from tests.support.run.messages import SENT, Callback
from tests.support.run.runs import RUN_ID, STUDENTS, Run
from tests.support.run.world import World
from tests.support.runner import run as command_line

SHIFT = 7.25
"""Of the service's scale against ours: it must count for nothing."""


QUALITY = ("anchor-a1", "anchor-b1", "birk", "cleo", "dag", "anchor-e1")
"""The best first: anchors that order, or nobody is given a grade."""


def told_apart(run_id: UUID) -> list[Callback]:
    """Every pair in both orders; the better one wins, but for every eleventh."""
    pairs = enumerate(permutations(QUALITY, 2))
    won = [(n, pair, (QUALITY.index(pair[0]) < QUALITY.index(pair[1])) != (n % 11 == 10)) for n, pair in pairs]
    return [messages.comparison(run_id, n, pair, winner="Essay A" if a else "Essay B") for n, pair, a in won]


def answered(directory: Path, change: Callable[[dict], None]) -> Run:
    """A finished run whose service sends this result."""
    message = json.loads(messages.result(RUN_ID, []).value)
    change(message["data"])
    world = World()
    world.cj.script = lambda run_id, _essays: [
        *told_apart(run_id),
        messages.completed(run_id),
        Callback(messages.Topic.RESULT, messages.raw(message)),
    ]
    run = Run(directory, world)
    run.start()
    run.finish()
    return run


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> dict:
    """The artefact of the same judgements without any figure of the service."""
    return answered(tmp_path_factory.mktemp("own") / "run", lambda _data: None).artefact()


def telling(own: dict, **planted: object) -> Callable[[dict], None]:
    """A result with our own figures on another scale, but for what is planted: `theta`, `se`, `grade` by essay."""

    def change(data: dict) -> None:
        thetas, errors, grades = (planted.get(name, {}) for name in ("theta", "se", "grade"))
        places = {one["essay_id"]: one for one in own["bt_summary"]}
        told = {one["essay_id"]: one["grade"] for one in own["grade_projections"]} | grades
        data["essay_results"] = [{"essay_id": SENT[essay], "letter_grade": told.get(essay, "U")} for essay in places]
        summary = {
            "projections_available": True,
            "primary_grades": {SENT[essay]: grade for essay, grade in told.items()},
            "grade_probabilities": {SENT[one["essay_id"]]: one["probabilities"] for one in own["grade_projections"]},
            "calibration_info": {"method": "somebody's", "huge": 10**30},
            "bt_stats": {
                SENT[essay]: {
                    "bt_mean": one["theta"] + SHIFT + thetas.get(essay, 0.0),
                    "bt_se": one["standard_error"] * errors.get(essay, errors.get("all", 1.0)),
                }
                for essay, one in places.items()
            },
        }
        data["assessment_metadata"] = {"calibration_method": "anchors", "grade_projection_summary": summary}

    return change


def test_equal_figures_on_another_scale_agree(own, tmp_path):
    assert own["grade_projections"], "grades are to be compared as well"
    run = answered(tmp_path / "run", telling(own))
    compared = run.artefact()["comparison_with_service"]
    assert (compared["differs"], compared["findings"]) == (False, [])
    assert compared["shift"] == pytest.approx(SHIFT, abs=1e-5)
    assert compared["largest_difference_in_se"] < 1e-5
    assert compared["compared"] == {"theta": 6, "standard_error": 6, "grade": 3, "essays": 6}
    assert compared["grades_equal"] == 3
    assert compared["rank_correlation"] == pytest.approx(1.0)
    told = verify(run.directory)
    assert told.disagreements == ()
    assert told.agreement is not None and "6 positions, 6 standard errors, 3 grades" in told.agreement
    verified = command_line("verify", run.directory, cwd=tmp_path)
    assert verified.code == 0 and "agree with the runner's within their precision" in verified.err


def test_the_services_figures_are_stated_as_they_came(own, tmp_path):
    stated = answered(tmp_path / "run", telling(own)).artefact()["service_result"]
    thetas = {one["essay_id"]: one["theta"] for one in own["bt_summary"]}
    by_essay = {one["essay_id"]: one for one in stated["essays"]}
    assert by_essay.keys() == thetas.keys()
    for essay, theta in thetas.items():
        assert by_essay[essay]["bt_mean"] == theta + SHIFT
        assert "bt_score" not in by_essay[essay], "what was not given is not there"
    for one in own["grade_projections"]:
        assert by_essay[one["essay_id"]]["grade_probabilities"] == one["probabilities"]
    assert stated["calibration_info"] == {"method": "somebody's"}, "without the figure that no reader can hold"
    assert (stated["calibration_method"], stated["projections_available"]) == ("anchors", True)


def test_a_planted_position_is_named_alone_by_summary_and_verify(own, tmp_path):
    run = answered(tmp_path / "run", telling(own, theta={"cleo": 3.0}))
    compared = run.artefact()["comparison_with_service"]
    assert compared["differs"] is True
    assert [one["essay_id"] for one in compared["essays"] if one["beyond_precision"]] == ["cleo"]
    (cleo,) = (one for one in compared["essays"] if one["essay_id"] == "cleo")
    assert cleo["theta_difference"] == pytest.approx(3.0, abs=1e-5), "one essay astray does not shift the others"
    error = next(one["standard_error"] for one in own["bt_summary"] if one["essay_id"] == "cleo")
    assert cleo["theta_difference_in_se"] == pytest.approx(3.0 / error, rel=1e-4)
    named = "the service's θ of 1 of 6 essays lies more than a standard error from the runner's: cleo (+3.00 logits"
    assert any(named in one for one in verify(run.directory).disagreements)
    for command in ("verify", "hydrate"):
        told = command_line(command, run.directory, cwd=tmp_path)
        assert told.code == 0, "a difference is no doubt about the run"
        assert named in told.err
    line = command_line("verify", run.directory, "--json", cwd=tmp_path).lines[0]
    assert any("cleo" in one for one in line["service_differs"])


def test_half_a_standard_error_in_one_essay_is_within_precision(own, tmp_path):
    error = next(one["standard_error"] for one in own["bt_summary"] if one["essay_id"] == "cleo")
    compared = answered(tmp_path / "run", telling(own, theta={"cleo": error / 2})).artefact()["comparison_with_service"]
    assert compared["differs"] is False
    assert compared["largest_difference_in_se"] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(("factor", "differs"), [(0.6, True), (0.9, False), (1.15, False), (1.3, True)])
def test_standard_errors_are_compared_by_their_ratio(factor, differs, own, tmp_path):
    compared = answered(tmp_path / "run", telling(own, se={"all": factor})).artefact()["comparison_with_service"]
    assert compared["median_se_ratio"] == pytest.approx(factor, abs=1e-5)
    assert compared["differs"] is differs
    assert any(f"{factor:.2f} times the runner's" in one for one in compared["findings"]) is differs


def test_a_standard_error_against_a_reference_essay_is_no_fault_of_the_others(own, tmp_path):
    """The field's service gives 0 for the one that it holds fixed."""
    compared = answered(tmp_path / "run", telling(own, se={"birk": 0.0})).artefact()["comparison_with_service"]
    assert compared["differs"] is False


def test_a_grade_that_our_probabilities_exclude_is_named(own, tmp_path):
    """Three anchors exclude no grade of the scale; where it begins to be excluded has a test of its own."""
    essay, ours = own["grade_projections"][0]["essay_id"], own["grade_projections"][0]["grade"]
    compared = answered(tmp_path / "run", telling(own, grade={essay: "U"})).artefact()["comparison_with_service"]
    (finding,) = compared["findings"]
    assert f"{essay} (U, runner {ours})" in finding
    assert (compared["beyond"], compared["grades_equal"]) == ({"theta": 0, "grade": 1}, 2)


def test_a_neighbouring_grade_is_within_precision(own, tmp_path):
    graded = own["grade_projections"][0]
    names = ["F", "F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A"]
    place = names.index(graded["grade"])
    near = max((place - 1, place + 1), key=lambda at: graded["probabilities"][names[at]] if 0 <= at < 10 else 0.0)
    changed = telling(own, grade={graded["essay_id"]: names[near]})
    compared = answered(tmp_path / "run", changed).artefact()["comparison_with_service"]
    assert (compared["differs"], compared["grades_equal"]) == (False, 2)


def test_what_the_service_left_out_is_missing_and_not_zero(own, tmp_path):
    def change(data: dict) -> None:
        data["essay_results"] = [{"essay_id": SENT[essay], "rank": 1} for essay in STUDENTS]

    run = answered(tmp_path / "run", change)
    compared = run.artefact()["comparison_with_service"]
    assert compared["compared"] == {"theta": 0, "standard_error": 0, "grade": 0, "essays": 6}
    assert compared["differs"] is False
    assert [set(one) for one in compared["essays"]] == [{"essay_id", "theta", "standard_error", "beyond_precision"}] * 3
    assert verify(run.directory).agreement == "the service gave no figures to compare with the runner's"


def test_without_a_result_there_is_nothing_to_compare(finished):
    assert finished["partial"].artefact()["comparison_with_service"] is None
    told = verify(finished["partial"].directory)
    assert (told.agreement, told.disagreements) == (None, ())
