"""Each design as a person asks for it, seen in the artefact."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.measure.design.adaptive import BALANCED_ROUNDS
from tests.support.runner import artefact, judgements, newest, run
from tests.support.studies import balanced_rounds

ESSAYS = 16
SIZE = ESSAYS // 2

pytestmark = pytest.mark.slow


def executed(study: Path, folder: Path, *options: object) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    ran = run("--mode", "execute", "--assets", study, "--seed", 7, *options, cwd=folder)
    assert ran.code == 0, ran.err
    assert run("verify", newest(folder), cwd=folder).code == 0
    return artefact(newest(folder))


def waves(made: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """The ordered pairs, wave by wave."""
    found: dict[int, list[tuple[str, str]]] = {}
    for one in made["llm_comparisons"]:
        found.setdefault(one["iteration"], []).append((one["essay_a_id"], one["essay_b_id"]))
    return [sorted(found[number]) for number in sorted(found)]


def pairs(made: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter(pair for wave in waves(made) for pair in wave)


def as_the_service_sorts(essays: list[str], run_directory: Path) -> list[str]:
    """By the names on the wire; the request lists them in the order of our ids."""
    (request,) = (run_directory / "requests").iterdir()
    sent = [essay["essay_id"] for essay in json.loads(request.read_bytes())["data"]["essays_for_cj"]]
    return [essay for _, essay in sorted(zip(sent, essays, strict=True))]


def test_an_adaptive_study_with_an_audit_is_repeatable(study: Path, tmp_path: Path) -> None:
    options = ("--design", "adaptive", "--swap", "audit", "--max-comparisons", 100)
    made = executed(study, tmp_path / "one", *options)
    executed(study, tmp_path / "two", *options)

    assert judgements(newest(tmp_path / "one")) == judgements(newest(tmp_path / "two"))
    assert len(made["llm_comparisons"]) == 100
    assert (made["stopping"]["design"], made["stopping"]["swap"]) == ("adaptive", "audit")
    essays = as_the_service_sorts(sorted({essay for pair in pairs(made) for essay in pair}), newest(tmp_path / "one"))
    begun = balanced_rounds(essays, rounds=BALANCED_ROUNDS, seed=7)
    for wave, balanced in zip(waves(made), begun, strict=False):
        assert {(pair.first, pair.second) for pair in balanced} <= set(wave)
    turned = {frozenset(pair) for pair in pairs(made) if pair[::-1] in pairs(made)}
    assert len(turned) >= 8


def test_a_boundary_study_compares_what_the_table_names(study: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("essay_a,essay_b\nessay_01,essay_02.txt\nA1,essay_05\n")
    made = executed(study, tmp_path, "--design", "boundary", "--pairs", table, "--repeats", 2)

    wanted = [("essay_01", "essay_02"), ("anchor-a1", "essay_05")]
    assert pairs(made) == Counter({order: 2 for a, b in wanted for order in ((a, b), (b, a))})
    assert Counter(one["repeat_index"] for one in made["llm_comparisons"]) == {0: 4, 1: 4}
    assert made["stopping"]["named_pairs"] == 2


def test_a_boundary_study_leaves_out_what_is_decided(study: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("essay_a,essay_b\nA1,E-1\nA1,essay_05\n")
    options = ("--design", "boundary", "--pairs", table, "--repeats", 6, "--stop-decided")
    made = executed(study, tmp_path, *options)

    decided, asked = made["stopping"]["decided"], len(made["llm_comparisons"])
    assert made["stopping"]["ended_by"] == "all pairs asked to the end or decided"
    assert decided == {"comparisons": asked, "comparisons_wanted": 24, "pairs": decided["pairs"]}
    assert decided["pairs"] >= 1 and asked <= 24 - 6
    assert f"That saved {24 - asked} of 24 comparisons." in (newest(tmp_path) / "report.html").read_text("utf-8")
    assert made["runner_status"]["partial_data"] is False


def test_every_pair_in_both_orders_and_each_twice(study: Path, tmp_path: Path) -> None:
    total = 4 * 3 * SIZE
    made = executed(study, tmp_path, "--swap", "all", "--repeats", 2, "--comparisons-per-essay", 2 * total / ESSAYS)

    assert len(made["llm_comparisons"]) == total
    assert set(pairs(made).values()) == {2}
    assert all(pairs(made)[b, a] == 2 for a, b in pairs(made))


def test_a_study_with_a_target_ends_when_it_is_reached(study: Path, tmp_path: Path) -> None:
    options = ("--target-reliability", 0.5, "--target-se", 1.3, "--max-comparisons", 600)
    made = executed(study, tmp_path, *options)

    looks = made["stopping"]["looks"]
    last = looks[-1]
    assert made["stopping"]["ended_by"] == f"look {len(looks)}: precise enough"
    under_way = looks[0]["comparisons"]  # the next round
    assert len(made["llm_comparisons"]) == last["comparisons"] + under_way < 600
    assert last["reliability_interval_90"][0] >= 0.5 and last["standard_error_90"] <= 1.3
    assert last["fewest_judgements"] >= 10 and last["components"] == 1
    assert all(look["verdict"] == "go on" for look in looks[:-1])


@pytest.mark.parametrize("options", [("--design", "boundary"), ("--max-comparisons", 9, "--comparisons-per-essay", 2)])
def test_what_contradicts_itself_is_refused(options: tuple[object, ...], study: Path, tmp_path: Path) -> None:
    assert run("--mode", "execute", "--assets", study, *options, cwd=tmp_path).code == 2
