"""Two runs side by side: what is the same is found by text, what differs is told with its uncertainty."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import combinations

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.results.compare import compare_artefacts
from tests.support.studies import balanced_study, normal_truth

GRADES = ("E-", "E+", "D-", "D+", "C-", "C+", "B", "A")


def artefact_of(thetas: list[float], *, anchors: int = 8, label: str = "a", seed: int = 1) -> dict:
    """A run whose judge sees these positions: all pairs once, the higher one wins."""
    names = [f"essay-{n:02}" for n in range(len(thetas))]
    order = sorted(range(len(thetas)), key=lambda n: -thetas[n])
    ranks = {n: place for place, n in enumerate(order, start=1)}
    entries = [
        {"essay_id": names[n], "theta": thetas[n], "rank": ranks[n], "standard_error": 0.4}
        | ({"anchor_grade": GRADES[n]} if n < anchors else {})
        for n in range(len(thetas))
    ]
    calls = [
        {
            "essay_a_id": names[i],
            "essay_b_id": names[j],
            "winner_id": names[i] if thetas[i] > thetas[j] else names[j],
            "provider": "openai",
            "model": f"m{seed}",
            "prompt_hash": f"{label}{i}-{j}",
            "justification": f"{label} says so",
        }
        for i, j in combinations(range(len(thetas)), 2)
    ]
    inputs = [{"text_sha256": f"{n:064}"} for n in range(len(thetas))]
    return {
        "metadata": {"batch_label": label, "grade_scale": "eng5_np_legacy_9_step", "judges": []},
        "inputs": {
            "anchors": [inputs[n] | {"anchor_id": names[n]} for n in range(anchors)],
            "students": [inputs[n] | {"essay_id": names[n]} for n in range(anchors, len(thetas))],
        },
        "bt_summary": entries,
        "bt_model": {"reliability": {"empirical_bayes": 0.8}},
        "grade_projections": [
            {"essay_id": names[n], "grade": GRADES[min(max(round(thetas[n]) + 4, 0), 7)]}
            for n in range(anchors, len(thetas))
        ],
        "llm_comparisons": calls,
        "failed_comparisons": [],
        "costs": {"total_usd": 0.5, "token_counts": [{"prompt_tokens": 10, "completion_tokens": 2}]},
        "prompt_hashes": {"digest": label},
        "runner_status": {"outcome": "complete"},
    }


THETAS = [float(n) - 4 for n in range(8)] + [float(theta) for theta in np.linspace(-3, 3, 12) + 0.123]


def test_a_run_agrees_with_itself_and_is_no_new_evidence():
    found = compare_artefacts(artefact_of(THETAS), artefact_of(THETAS))
    assert found["essays"] == {"shared": 20, "only_in_a": 0, "only_in_b": 0}
    positions, grades, verdicts = found["positions"], found["grades"], found["verdicts"]
    assert positions["pearson"]["estimate"] == positions["kendall_tau_b"]["estimate"] == 1.0
    assert positions["pearson_disattenuated"] is None, "the same judge was asked the same"
    assert (grades["exact"], grades["b_higher_by_steps"]) == (1.0, 0.0)
    assert (verdicts["agreement"], verdicts["flips"], verdicts["same_prompts"]) == (1.0, [], 190)
    assert found["anchors"]["verdict"] == "cannot tell"


def test_a_flip_is_found_in_whatever_order_it_was_asked_and_told_with_both_reasons():
    moved = [*THETAS]
    moved[8], moved[9] = moved[9], moved[8]
    other = artefact_of(moved, label="b", seed=2)
    for call in other["llm_comparisons"]:
        call["essay_a_id"], call["essay_b_id"] = call["essay_b_id"], call["essay_a_id"]
    found = compare_artefacts(artefact_of(THETAS), other)
    (flip,) = found["verdicts"]["flips"]
    assert flip == {
        "essays": ["essay-08", "essay-09"],
        "why_a": "a says so",
        "why_b": "b says so",
        "a_prefers": "essay-09",
    }
    assert found["verdicts"]["agreement"] == pytest.approx(189 / 190, abs=1e-6)
    low, high = found["verdicts"]["interval_90"]
    assert low < 189 / 190 < high
    assert found["positions"]["moves"][0]["rank_a"] != found["positions"]["moves"][0]["rank_b"]


def test_essays_are_the_same_by_their_text_not_by_their_name():
    renamed = artefact_of(THETAS, label="b")
    text = json.dumps(renamed).replace("essay-", "uppsats-")
    found = compare_artefacts(artefact_of(THETAS), json.loads(text))
    assert found["positions"]["pearson"]["estimate"] == 1.0
    assert found["verdicts"]["agreement"] == 1.0


def test_runs_of_other_essays_have_nothing_in_common():
    other = deepcopy(artefact_of(THETAS))
    for kind in ("anchors", "students"):
        for one in other["inputs"][kind]:
            one["text_sha256"] = one["text_sha256"].replace("0", "f")
    found = compare_artefacts(artefact_of(THETAS), other)
    assert found["essays"]["shared"] == 0
    assert found["positions"] is found["grades"] is found["anchors"] is None
    assert found["verdicts"]["agreement"] is None


def test_a_judge_who_turns_the_anchors_around_is_said_to_agree_less():
    backwards = [-theta for theta in THETAS]
    found = compare_artefacts(artefact_of(THETAS), artefact_of(backwards, label="b", seed=2))["anchors"]
    assert (found["tau_b_a"]["estimate"], found["tau_b_b"]["estimate"]) == (1.0, -1.0)
    assert found["verdict"] == "a agrees more with the experts"
    other_way = compare_artefacts(artefact_of(backwards), artefact_of(THETAS, label="b", seed=2))["anchors"]
    assert other_way["verdict"] == "b agrees more with the experts"


def test_grades_on_two_scales_are_not_compared():
    other = artefact_of(THETAS, label="b")
    other["metadata"]["grade_scale"] = "swedish_8_anchor"
    assert compare_artefacts(artefact_of(THETAS), other)["grades"] is None


def test_undone_attenuation_finds_that_two_judges_see_the_same():
    """Two judges with errors of their own, on the same truth: about 1, where plain r is the reliability."""
    plain, undone = [], []
    for seed in range(12):
        truth = normal_truth(40, spread=1.5, seed=seed)
        fits = [fit(balanced_study(truth, rounds=10, seed=100 * seed + judge)) for judge in (1, 2)]
        runs = [artefact_of(one.theta.tolist(), anchors=3, label=f"{n}", seed=n) for n, one in enumerate(fits)]
        for run, one in zip(runs, fits, strict=True):
            share = float(np.mean(np.square(one.standard_errors))) / one.prior_sd**2
            run["bt_model"]["reliability"]["empirical_bayes"] = 1.0 - share
        found = compare_artefacts(*runs)["positions"]
        plain.append(found["pearson"]["estimate"])
        undone.append(found["pearson_disattenuated"])
    assert np.mean(plain) < 0.85
    assert np.mean(undone) == pytest.approx(1.0, abs=0.06)
