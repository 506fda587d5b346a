"""The file of a sweep: which runs it asks for, and what is wrong with it in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from eng5_runner.app.sweeps.file import read_sweep_file
from eng5_runner.errors import ConfigurationError, InputsMissing
from tests.support.runner import DEMO

JUDGE = '[[judges]]\nllm_provider = "openai"\nllm_model = "gpt-5-mini"\n'


def _written(folder: Path, text: str) -> Path:
    path = folder / "judges.toml"
    path.write_text(text)
    return path


def test_every_judge_is_combined_with_every_design_and_seed(tmp_path: Path) -> None:
    text = f"""
seeds = [3, 1]
[base]
repeats = 2
{JUDGE}[[judges]]
name = "strict"
rubric = "strict.md"
[[designs]]
swap = "all"
[[designs]]
name = "plain"
repeats = 1
"""
    sweep = read_sweep_file(_written(tmp_path, text))
    assert sweep.name == "judges"
    assert [cell.name for cell in sweep.cells] == [
        f"{judge}, {design}, seed {seed}"
        for judge in ("gpt-5-mini", "strict")
        for design in ("swap=all", "plain")
        for seed in (3, 1)
    ]
    assert sweep.cells[-1].settings == {"repeats": 1, "rubric": "strict.md", "seed": 1}


def test_the_example_can_be_read() -> None:
    sweep = read_sweep_file(DEMO.parent / "sweep.toml")
    assert sweep.base["mode"] == "anchor-align"
    assert len(sweep.cells) == 2


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (f"max_costs = 1\n{JUDGE}", "there is no key max_costs", "Did you mean max_cost?"),
        (f'mode = "execute"\n{JUDGE}', "there is no key mode", "put it under [base]"),
        ("seeds = [1]", "judges must be tables of a judge's settings", ""),
        (f'seeds = "1"\n{JUDGE}', "seeds must be a list of whole numbers", ""),
        (f"seeds = [2, 2]\n{JUDGE}", "a seed stands twice", "Name each seed once."),
        (f"max_cost = 0\n{JUDGE}", "max_cost must be a number above 0", ""),
        (f'name = "../up"\n{JUDGE}', "name must be at most 40 letters", ""),
        (f"[base]\nmax_cost = 1\n{JUDGE}", "[base]: max_cost has no place here", "at the top of the file"),
        (f"[base]\nrubrik = 'a.md'\n{JUDGE}", "there is no setting rubrik here", "Did you mean rubric?"),
        (
            f"{JUDGE}reasoning_efort = 'low'",
            "[[judges]] number 1: there is no setting reasoning_efort",
            "reasoning_effort",
        ),
        (f"{JUDGE}repeats = 2", "[[judges]] number 1: there is no setting repeats", "It is a setting of all runs"),
        (f"{JUDGE}{JUDGE}", "[[judges]] number 2: another judge is called gpt-5-mini", "a name of its own"),
        (f"{JUDGE}[[designs]]\nseed = 1", "[[designs]] number 1: seed has no place here", "Put seeds = [1]"),
        ("judges = ", "cannot be read", "It must be a TOML file."),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_remedy(tmp_path: Path, text: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_sweep_file(_written(tmp_path, text))
    assert message in refused.value.message
    assert remedy in refused.value.remedy
    assert "judges.toml" in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputsMissing, match=r"none\.toml"):
        read_sweep_file(tmp_path / "none.toml")
