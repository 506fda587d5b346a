"""A run that two models judged, from the callbacks to what a person reads of it."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from functools import partial
from itertools import combinations

from rich.console import Console

from eng5_runner.contracts.topics import Topic
from eng5_runner.core.spec import Budget
from eng5_runner.reports.terminal.summary import show_summary
from eng5_runner.results.artefact import parse_artefact
from tests.support.run import messages
from tests.support.run.messages import Callback
from tests.support.run.runs import Run, make_spec
from tests.support.run.world import World

WORTH = {"anchor-a1": 2.5, "anchor-b1": 0.6, "anchor-e1": -2.2, "birk": 1.2, "cleo": 0.0, "dag": -1.0}
JUDGES = (("openai", "gpt-5.1", 1.5, 0.2), ("anthropic", "contrary", -0.8, 1.5))
TIMES = 3


def judged(run_id, essays, judges=JUDGES):
    """Both are asked each pair in both orders, three times; the second likes the worse essay, and the first place."""
    chance, said = random.Random(3), []
    names = {sent: name for name, sent in messages.SENT.items()}
    for a, b in [*combinations(sorted(essays), 2)] * TIMES:
        for pair in ((a, b), (b, a)):
            for provider, model, slope, first in judges:
                gap = slope * (WORTH[names[pair[0]]] - WORTH[names[pair[1]]]) + first
                winner = "Essay A" if chance.random() < 1.0 / (1.0 + math.exp(-gap)) else "Essay B"
                message = messages.comparison_message(run_id, len(said), pair, winner=winner)
                message["data"] |= {"provider": provider, "model": model}
                said.append(Callback(Topic.COMPARISON, messages.raw(message)))
    return [*said, messages.completed(run_id), messages.result(run_id, sorted(essays))]


def run_judged(folder, script):
    world = World()
    world.cj.script = script
    calls = 2 * 2 * TIMES * 15
    run = Run(folder / "run", world, make_spec(budget=Budget(max_comparisons=calls, soft_judgements="auto")))
    run.start()
    run.finish()
    return run


def shown_on_terminal(run):
    data, terminal = (run.directory / "assessment_run.execute.json").read_bytes(), io.StringIO()
    show_summary(Console(file=terminal, width=80), parse_artefact(data), run_directory=run.directory)
    return " ".join(terminal.getvalue().split())


def test_two_models_that_disagree_are_named_wherever_the_run_is_read(tmp_path):
    run = run_judged(tmp_path, judged)
    data = (run.directory / "assessment_run.execute.json").read_bytes()
    quality = json.loads(data)["judge_quality"]
    assert quality["own_effects"]["is_used"]
    found = {judge["model"]: judge for judge in quality["judges"]}
    assert all(judge["disagrees"] and judge["agreed"] < judge["expected"] - 0.3 for judge in found.values())
    assert found["contrary"]["slope"] < 0.3
    assert found["gpt-5.1"]["slope"] > 1.0
    assert all("position_effect" in judge for judge in found.values())
    rows = list(csv.DictReader(io.StringIO((run.directory / "tables" / "judges.csv").read_text("utf-8"))))
    assert [row["id"] for row in rows] == ["anthropic/contrary", "openai/gpt-5.1"]
    assert [row["disagrees"] for row in rows] == ["true", "true"]

    shown = shown_on_terminal(run)
    page = (run.directory / "report.html").read_text("utf-8")
    for text in (shown, page):
        assert "The judges disagree; the grades are guesses." in text
        assert "anthropic contrary disagrees with the other judge: it agrees in" in text
    assert "openai gpt-5.1: 90 judgements, infit" in shown and "discrimination" in shown and "shown first" in shown
    assert "Do the judges agree with each other?" in page


def test_a_model_that_goes_by_the_place_is_named_so_wherever_the_run_is_read(tmp_path):
    blind = (("openai", "gpt-5.1", 1.5, 0.2), ("anthropic", "blind", 0.0, 50.0))
    run = run_judged(tmp_path, partial(judged, judges=blind))
    named = "anthropic blind goes by the place and not by the essay: 90 of 90 judgements were won by the essay that was"
    for text in (shown_on_terminal(run), (run.directory / "report.html").read_text("utf-8")):
        assert f"{named} shown first; it agrees with the other judge in" in text
        assert "anthropic blind disagrees" not in text and "gpt-5.1 goes by the place" not in text
