"""The table of named pairs, and the options that cannot go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from eng5_runner.app.assemble import check_design
from eng5_runner.app.settings import settings_from
from eng5_runner.errors import InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.boundary_pairs import read_pairs
from tests.support.run.runs import make_inputs

INPUTS, _ = make_inputs()


def table(folder: Path, *lines: str, head: str = "essay_a,essay_b") -> Path:
    path = folder / "pairs.csv"
    path.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return path


def test_an_essay_is_named_by_id_file_stem_or_label(tmp_path):
    path = table(tmp_path, "birk,cleo.txt", "DAG, a1 ", "anchor-b1.txt,anchor-e1")
    assert read_pairs(path, INPUTS) == (("birk", "cleo"), ("dag", "anchor-a1"), ("anchor-b1", "anchor-e1"))


def test_without_a_table_there_are_no_pairs():
    assert read_pairs(None, INPUTS) == ()


def test_every_wrong_row_is_named_with_what_is_near(tmp_path):
    path = table(tmp_path, "birk,cleoo", "dag,dag", "cleo,birk", "birk,cleo", "birk,")
    with pytest.raises(InputsInvalid) as refused:
        read_pairs(path, INPUTS)
    told = refused.value.message
    assert "row 2: there is no essay cleoo (near: cleo" in told
    assert "row 3: dag is compared with itself" in told
    assert "row 5: the pair birk, cleo is repeated" in told
    assert "row 6" in told and "row 4" not in told


@pytest.mark.parametrize(
    ("head", "lines"), [("essay_a,essay", ("birk,cleo",)), ("essay_a,essay_b", ()), ("", ("birk,cleo",))]
)
def test_a_table_of_another_form_is_refused(head, lines, tmp_path):
    with pytest.raises(InputsInvalid, match=r"no columns|no pairs"):
        read_pairs(table(tmp_path, *lines, head=head), INPUTS)


def test_a_table_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(InputsMissing):
        read_pairs(tmp_path / "nowhere.csv", INPUTS)


PAIRS = {"design": "boundary", "pairs": "p.csv"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_comparisons": 9, "comparisons_per_essay": 3}, "--comparisons-per-essay"),
        ({"pairs": "p.csv"}, "boundary"),
        ({"pairs": "p.csv", "design": "adaptive"}, "boundary"),
        ({"design": "boundary"}, "named pairs"),
        (PAIRS | {"comparisons_per_essay": 3}, "--comparisons-per-essay"),
        (PAIRS | {"target_se": 0.5}, "--target-se"),
        (PAIRS | {"target_reliability": 0.5}, "--target-reliability"),
        (PAIRS | {"swap": "all"}, "both orders"),
        ({"stop_decided": True}, "--stop-decided"),
        (PAIRS | {"stop_decided": True, "max_comparisons": 9}, "--max-comparisons"),
    ],
)
def test_what_contradicts_itself_is_a_usage_error(settings, told):
    with pytest.raises(UsageError, match=told):
        check_design(settings_from(**settings).settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        PAIRS,
        PAIRS | {"repeats": 3, "max_comparisons": 9},
        {"design": "adaptive", "swap": "audit", "target_se": 0.5},
    ],
)
def test_what_fits_together_is_not(settings):
    check_design(settings_from(**settings).settings)
