"""The probability of a judge's answer: from each server's form, through the cache, to the figures of a run."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.stack.llm.judge import Verdict
from eng5_runner.stack.llm.providers.probabilities import chance_in
from tests.support.judges.driver import Site, environ_for, question, site
from tests.support.judges.servers import GOOD, Asked, Said, chat, in_turn, openai_error, serving
from tests.support.runner import artefact, newest, run
from tests.support.small_study import build_study

REST = '", "justification": "It argues better.", "confidence": 4}'
Alternatives = Sequence[tuple[str, float]]


def stated(*tokens: tuple[str, Alternatives]) -> list[dict[str, Any]]:
    """Tokens with their probabilities as OpenAI writes them; the first alternative is the token itself."""
    return [
        {
            "token": text,
            "logprob": math.log(others[0][1]) if others else 0.0,
            "bytes": list(text.encode()),
            "top_logprobs": [{"token": other, "logprob": math.log(p), "bytes": None} for other, p in others],
        }
        for text, others in tokens
    ]


SPLIT = stated(
    ('{"', ()), ("winner", ()), ('":', ()), (' "', ()), ("Essay", ()), (" B", ((" B", 0.6), (" A", 0.2))), (REST, ())
)
WHOLE = stated(('{"winner": ', ()), ('"B', (('"B', 0.6), ('"A', 0.15), ('"a', 0.05), ("{", 0.1))), (REST, ()))
THOUGHT = stated(('{"winner": "Essay A"}? No: ', ()), *((one["token"], ()) for one in SPLIT[:5])) + SPLIT[5:]
OLD_LLAMA = [
    {"content": one["token"], "probs": [{"tok_str": t["token"], "prob": math.exp(t["logprob"])} for t in tops]}
    for one in SPLIT
    for tops in [one["top_logprobs"]]
]


@pytest.mark.parametrize(
    ("choice", "body"),
    [
        ({"logprobs": {"content": SPLIT}}, {}),
        ({"logprobs": {"content": WHOLE}}, {}),
        ({"logprobs": {"content": THOUGHT}}, {}),
        ({"logprobs": SPLIT}, {}),
        ({}, {"logprobs": SPLIT}),
        ({}, {"completion_probabilities": OLD_LLAMA}),
    ],
    ids=["letter", "quoted", "after thinking", "list", "native", "old llama.cpp"],
)
def test_the_token_with_the_letter_decides(choice: Any, body: Any) -> None:
    chance = chance_in(choice, body)
    assert chance is not None
    assert (chance.winner, chance.is_bound) == ("Essay B", False)
    assert chance.probability_a == pytest.approx(0.2 / 0.8)


@pytest.mark.parametrize(
    ("alternatives", "probability_a"),
    [
        ((("B", 0.9), ("C", 0.04), ("D", 0.02)), 0.02 / 0.92),  # at most as probable as the last one
        ((("B", 0.99), ("C", 0.009)), 0.001 / 0.991),  # and as all that is not listed
    ],
)
def test_an_answer_that_is_not_listed_gives_a_bound(alternatives: Alternatives, probability_a: float) -> None:
    chance = chance_in({"logprobs": {"content": stated(('{"winner": "', ()), ("B", alternatives))}}, {})
    assert chance is not None and chance.is_bound
    assert chance.probability_a == pytest.approx(probability_a)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        "none",
        {"content": None},
        {"content": [None, 7, {"token": 3}]},
        {"content": stated(("B is better", ()))},
        {"content": [{"token": '{"winner": "A', "logprob": 1.5, "top_logprobs": "?"}]},
        {"content": [{"token": '{"winner": "A', "logprob": None, "top_logprobs": [{"token": "A", "logprob": True}]}]},
    ],
)
def test_what_is_not_credible_is_no_probability(logprobs: Any) -> None:
    assert chance_in({"logprobs": logprobs}, {}) is None


def telling(tokens: Any = SPLIT) -> Said:
    said = chat("".join(one["token"] for one in tokens))
    said.body["choices"][0]["logprobs"] = {"content": tokens}
    return said


async def soft(at: Site, **overrides: Any) -> Verdict:
    return await at.entries["local-7b"].judge(replace(question(**overrides), wants_probability=True))


@pytest.mark.parametrize(
    ("model", "effort", "asked"),
    [
        ("", None, True),
        ('log_probabilities = "always"', None, True),
        ('log_probabilities = "without_reasoning"', "low", False),
        ('log_probabilities = "without_reasoning"', None, False),
        ('log_probabilities = "never"', None, False),
    ],
)
async def test_a_model_is_asked_where_it_can_tell(tmp_path: Path, model: str, effort: str | None, asked: bool) -> None:
    async with site(tmp_path, in_turn(telling()), model=model) as at:
        verdict = await soft(at, **({} if effort is None else {"reasoning_effort": effort}))
        plain = await at.ask()
        first, second = at.server.asked

    assert ("logprobs" in first.body, first.body.get("top_logprobs")) == (asked, 20 if asked else None)
    assert "logprobs" not in second.body
    assert verdict.chance is not None and verdict.chance.probability_a == pytest.approx(0.25)
    assert plain.winner == "Essay B"


@pytest.mark.parametrize(
    "rejected",
    [
        openai_error(400),
        openai_error(400, param="top_logprobs"),
        openai_error(403, message="You are not allowed to request logprobs from this model."),
    ],
)
async def test_a_server_that_rejects_it_is_asked_for_the_answer_alone(tmp_path: Path, rejected: Said) -> None:
    def script(asked: Asked) -> Said:
        return rejected if "logprobs" in asked.body else chat()

    async with site(tmp_path, script) as at:
        verdicts = [await soft(at) for _ in range(3)]
        assert ["logprobs" in asked.body for asked in at.server.asked] == [True, False, False, False]
        assert {asked.body["response_format"]["type"] for asked in at.server.asked} == {"json_schema"}

    assert [(verdict.winner, verdict.chance) for verdict in verdicts] == [("Essay B", None)] * 3


async def test_a_form_that_is_rejected_does_not_cost_the_probabilities(tmp_path: Path) -> None:
    def script(asked: Asked) -> Said:
        return openai_error(400) if "response_format" in asked.body else telling()

    async with site(tmp_path, script, model="") as at:
        verdicts = [await soft(at) for _ in range(2)]

    assert [verdict.chance is not None for verdict in verdicts] == [True, True]


async def test_a_probability_of_another_answer_is_left_out(tmp_path: Path) -> None:
    said = telling(stated(('{"winner": "', ()), ("A", (("A", 0.9), ("B", 0.1)))))
    said.body["choices"][0]["message"]["content"] = json.dumps(GOOD)
    async with site(tmp_path, in_turn(said)) as at:
        assert (await soft(at)).chance is None


async def test_the_cache_keeps_it(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(telling()), cache=tmp_path / "cache") as at:
        first, again = await soft(at), await soft(at)
        assert len(at.server.asked) == 1

    assert again.replay_of is not None
    assert again.chance == first.chance is not None


def scored(asked: Asked) -> Said:
    """A judge that knows each essay's worth, from its text, and says how sure it is."""
    codes = re.findall(r"<<<essay ([0-9a-f]{16})", asked.body["messages"][1]["content"])
    worth = [int(code, 16) / 2**64 * 6.0 for code in codes]
    quirk = (int(codes[0], 16) ^ int(codes[1], 16)) / 2**64 - 0.5
    p = 1.0 / (1.0 + math.exp(worth[1] - worth[0] - 2.0 * quirk))
    won, lost = ("A", "B") if p > 0.5 else ("B", "A")
    sure = max(p, 1.0 - p)
    tokens = stated(('{"winner": "Essay', ()), (f" {won}", ((f" {won}", sure), (f" {lost}", 1.0 - sure))), (REST, ()))
    return telling(tokens) if "logprobs" in asked.body else chat("".join(one["token"] for one in tokens))


async def test_a_run_uses_the_probabilities_and_says_what_they_were_worth(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    options = ("--mode", "execute", "--assets", "study", "--max-comparisons", 96, "--seed", 5)
    judge = ("--llm-provider", "openai", "--llm-model", "local-7b")
    made: list[dict[str, Any]] = []
    async with serving(scored) as server:
        environ = environ_for(tmp_path, server.url)
        for choice in ("auto", "off"):
            more = ("--soft-judgements", choice, "--no-cache")
            ran = await asyncio.to_thread(run, *options, *judge, *more, cwd=tmp_path, env=environ)
            assert ran.code == 0, ran.err
            made.append(artefact(newest(tmp_path)))
            if choice == "auto":
                folder, summary = newest(tmp_path), " ".join(ran.err.split())

    soft, wins = made
    used = soft["bt_model"]["soft_judgements"]
    assert [judge["used"] for judge in used["judges"]] == ["probability"]
    assert used["worth"] > 1.5
    assert f"one judgement was worth {used['worth']:.2f} bare wins" in summary
    assert "soft_judgements" not in wins["bt_model"]
    assert not any("probability_a" in row for row in wins["llm_comparisons"])
    assert soft["bt_model"]["reliability"]["empirical_bayes"] > wins["bt_model"]["reliability"]["empirical_bayes"]
    with (folder / "tables" / "comparisons.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [float(row["probability_a"]) for row in rows] == [row["probability_a"] for row in soft["llm_comparisons"]]
    assert all((float(row["probability_a"]) > 0.5) == (row["winner_position"] == "A") for row in rows)
    report = (folder / "report.html").read_text("utf-8")
    assert "bare wins" in report
    fitted = json.loads(run("fit", folder / "tables" / "comparisons.csv", "--json", cwd=tmp_path).out)
    assert fitted["soft_judgements"]["worth"] == pytest.approx(used["worth"], rel=0.01)
    assert run("verify", folder, cwd=tmp_path).code == 0
