"""What calls took: every call is counted, replays at nothing, and sums do not depend on an order."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime

import pytest

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.spec import Study
from eng5_runner.results.artefact.study import JudgeRequest, PromptText
from eng5_runner.results.judgements import PromptSources, instant
from eng5_runner.results.usage import judge_request, prompt_hashes
from tests.support.results import NOON, at, call, calls, evidence, plain
from tests.support.run.runs import ASSIGNMENT, make_inputs, make_spec

REPLAYED = {
    "cassette": True,
    "replay_of": {
        "request_id": "queue-then",
        "recorded_at": NOON,
        "cost_usd": 0.25,
        "prompt_tokens": 700,
        "completion_tokens": 30,
    },
}
"""The metadata of a judgement that was paid for before."""


@pytest.mark.parametrize(
    ("when", "written"),
    [
        (datetime(2027, 3, 2, 8, 5, 9, 120, tzinfo=UTC), "2027-03-02T08:05:09.000120Z"),
        (datetime(2027, 3, 2, tzinfo=UTC), "2027-03-02T00:00:00.000000Z"),
        (datetime(987, 1, 2, tzinfo=UTC), "0987-01-02T00:00:00.000000Z"),
    ],
)
def test_an_instant_is_written_with_microseconds_and_four_digits_of_the_year(when, written):
    assert instant(when) == written


def test_calls_are_summed_by_provider_and_model_in_a_fixed_order():
    made = [
        call("a", "b", "a", number=1, provider="openai", model="m2", cost_estimate=0.5),
        call("b", "c", None, number=2, provider="openai", model="m1", cost_estimate=0.25),
        call("c", "a", "a", number=3, provider="mock", cost_estimate=0.0),
        call("a", "c", "a", number=4, provider="openai", model="m2", cost_estimate=0.125),
    ]
    block = evidence(made).spending.costs()
    rows = [plain(row) for row in at(block, "token_counts")]
    assert [(row["provider"], row["model"], row["comparisons"], row["usd"]) for row in rows] == [
        ("mock", "invented-judge-1", 1, 0.0),
        ("openai", "m1", 1, 0.25),
        ("openai", "m2", 2, 0.625),
    ]
    assert (rows[2]["prompt_tokens"], rows[2]["completion_tokens"]) == (1200, 80)
    assert at(block, "total_usd") == 0.875


def test_a_sum_of_money_is_the_same_in_any_order():
    amounts = [0.1, 1e-9, 3.3e-7, 0.2, 7.0, 1e-9, 0.30000000000000004] * 7
    made = [call("a", "b", "a", number=number, cost_estimate=usd) for number, usd in enumerate(amounts)]
    sums = set()
    for seed in range(20):
        random.Random(seed).shuffle(made)
        sums.add(at(evidence(made).spending.costs(), "total_usd"))
    assert sums == {round(7 * (0.1 + 2e-9 + 3.3e-7 + 0.2 + 7.0 + 0.3), 9)}


def test_tokens_from_the_cache_are_summed_by_model_and_absent_where_there_are_none():
    made = [
        call("a", "b", "a", number=1, about={"cached_tokens": 500}),
        call("a", "c", None, number=2, about={"cached_tokens": 20}),
        call("b", "c", "b", number=3, model="other"),
    ]
    costs = evidence(made).spending.costs()
    assert [row.get("cached_tokens") for row in plain(costs)["token_counts"]] == [520, None]
    assert costs.cached_tokens == 520


def test_without_replays_nothing_is_said_of_them():
    assert "replayed" not in plain(evidence(calls("a>b")).spending.costs())


def test_replays_are_counted_and_what_they_saved_is_summed_where_it_is_known():
    unknown_price = REPLAYED | {"replay_of": REPLAYED["replay_of"] | {"cost_usd": None}}
    made = [
        call("a", "b", "a", number=1, cost_estimate=0.0, about=REPLAYED),
        call("b", "c", "b", number=2, cost_estimate=0.0, about=unknown_price),
        call("c", "a", "c", number=3, cost_estimate=0.0, about={"cassette": True}),
        call("c", "b", "c", number=4, cost_estimate=0.5),
    ]
    block = evidence(made).spending.costs()
    assert plain(at(block, "replayed")) == {"comparisons": 3, "saved_usd": 0.25}
    assert at(block, "total_usd") == 0.5, "what it took before is told apart"


def test_a_replay_says_what_it_repeats():
    assert plain(call("a", "b", "a", about=REPLAYED))["replayed"] == {
        "request_id": "queue-then",
        "recorded_at": "2027-03-02T12:00:00.000000Z",
        "cost_usd": 0.25,
        "tokens_prompt": 700,
        "tokens_completion": 30,
    }
    assert plain(call("a", "b", "a", about={"cassette": True}))["replayed"] == {}
    assert "replayed" not in plain(call("a", "b", "a"))


def test_a_replay_whose_price_was_not_known_says_so():
    """An unknown price is null, and not 0."""
    about = REPLAYED | {"replay_of": REPLAYED["replay_of"] | {"cost_usd": None}}
    assert plain(call("a", "b", "a", about=about))["replayed"]["cost_usd"] is None


def test_prompts_are_counted_by_what_was_judged_and_not_by_what_failed():
    block = prompt_hashes(evidence(calls("a>b", "a<b", "b>c", "c?a")))
    assert (at(block, "distinct"), at(block, "asked_more_than_once")) == (2, 1)
    pair = sorted(hashlib.sha256(text).hexdigest() for text in (b"a|b", b"b|c"))
    assert at(block, "digest") == hashlib.sha256("\n".join(pair).encode()).hexdigest()


def test_each_prompt_that_was_asked_again_counts_once():
    block = prompt_hashes(evidence(calls("a>b", "b>c", "c>a", "b>c", "c>a", "a>b", "d>a")))
    assert (at(block, "distinct"), at(block, "asked_more_than_once")) == (4, 3)


def test_the_digest_of_the_prompts_does_not_depend_on_their_order_or_number():
    digests = {
        at(prompt_hashes(evidence(calls(*order))), "digest") for order in (("a>b", "b>c"), ("b<c", "a>b", "a>b"))
    }
    assert len(digests) == 1


def test_the_words_that_were_not_the_runs_own_are_named_once_by_hash():
    about = {"system_prompt_sha256": "2" * 64, "prompt_templates": {"system": "3" * 64, "rubric": "4" * 64}}
    block = prompt_hashes(evidence((), metadata=[about, {"system_prompt_sha256": "1" * 64}, about]))
    assert list(at(block, "system_prompts")) == ["1" * 64, "2" * 64]
    assert plain(at(block, "templates")) == [
        {"name": "rubric", "sha256": "4" * 64},
        {"name": "system", "sha256": "3" * 64},
    ]


def test_where_the_service_names_no_words_there_are_none():
    block = plain(prompt_hashes(evidence(calls("a>b"))))
    assert not block.get("system_prompts") and not block.get("templates")


def test_of_many_prompts_each_is_kept_wherever_they_lie():
    sources, hashes = PromptSources(), [hashlib.sha256(b"%d" % number).hexdigest() for number in range(3_000)]
    for start in range(0, len(hashes), 7):
        sources.note_prompts(hashes[start : start + 7])
    assert [sources.prompts(), sources.prompts()] == [bytes.fromhex("".join(hashes))] * 2


def shown(origin: str, content: str) -> PromptText:
    return PromptText(origin=origin, content=content, sha256=hashlib.sha256(content.encode()).hexdigest())


def test_what_the_judge_was_asked_with_is_stated_whole():
    inputs, _ = make_inputs()
    task = shown("the students' task", inputs.prompt.text)
    instructions = shown("the instructions", inputs.instructions.text)
    settings = {
        "provider_override": "openai",
        "model_override": "m",
        "temperature_override": 0.5,
        "max_tokens_override": 512,
        "reasoning_effort": "low",
        "output_verbosity": "high",
    }
    judge = LLMConfigOverrides.model_validate(settings | {"system_prompt_override": "Be fair."})
    assert judge_request(make_spec(judge=judge), inputs) == JudgeRequest(
        settings=settings, system_prompt=shown("--system-prompt", "Be fair."), rubric=instructions, task=task
    )
    bare = JudgeRequest(settings={}, system_prompt=None, rubric=instructions, task=task)
    assert judge_request(make_spec(), inputs) == bare
    rubric = make_spec(judge=LLMConfigOverrides(judge_rubric_override="Ideas first."))
    assert judge_request(rubric, inputs).rubric == shown("--rubric", "Ideas first.")
    assigned = make_spec(study=Study(assignment_id=ASSIGNMENT))
    assert judge_request(assigned, inputs).rubric is None, "the service has its own"
