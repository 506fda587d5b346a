"""One bound on the cost of a call: the same for plan, preflight and the CJ service's spend limit."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.needs import judge_overrides
from eng5_runner.core.spec import Budget
from eng5_runner.judges.catalogue import known_models
from eng5_runner.judges.cost_bound import ATTEMPTS, TOKENS_AROUND_PROMPT, call_at_most_usd, longest_prompt
from eng5_runner.judges.prompts import EssayLength, prompt_blocks, prompt_text
from eng5_runner.judges.templates import CRITERIA, QUESTION
from eng5_runner.judges.trial import TRIAL_TOKENS, trial_at_most_usd, trial_prompt
from eng5_runner.planning.candidates import find_candidates, lengths_of
from eng5_runner.planning.plan import Plan, make_plan
from eng5_runner.stack.cj.plan import BatchPlan, PlannedEssay
from eng5_runner.stack.cj.prompt_builder import PromptBuilder
from eng5_runner.stack.cj.repository import Batch, PairAttempt
from eng5_runner.stack.cj.spend_limit import SpendLimit
from tests.support.run.runs import RUN_ID, Run, make_inputs, make_spec
from tests.support.run.world import World

INPUTS, TEXTS = make_inputs()
LIMIT = 0.5
JUDGE = LLMConfigOverrides(provider_override=Provider.MOCK, model_override="invented-judge-1", max_tokens_override=500)
# The world's first model, with what our own manifest says beside its price.
PRICED = ModelEntry(
    model_id="invented-judge-1",
    provider="openai",
    cost_per_1k_input_tokens=0.001,
    cost_per_1k_output_tokens=0.002,
)


def planned(tmp_path: Path) -> Plan:
    """The plan of a run with that model from the user's own file."""
    file = tmp_path / "models.toml"
    file.write_text(
        '[[models]]\nid = "invented-judge-1"\nprovider = "openai"\n'
        '[models.price]\ninput = 0.001\noutput = 0.002\nlooked_up = 2026-11-22\nsource = "invented"\n'
    )
    judge = JUDGE.model_copy(update={"provider_override": Provider.OPENAI})
    spec = make_spec(budget=Budget(max_cost_usd=LIMIT, max_comparisons=1000), judge=judge)
    known = tuple(known_models({"ENG5_MODELS_FILE": str(file)}))
    candidates = find_candidates(spec, INPUTS, lengths=lengths_of(TEXTS), known=known)
    return make_plan(spec, INPUTS, lengths=lengths_of(TEXTS), cached={}, candidates=candidates)


def bound_of_preflight(tmp_path: Path) -> float | None:
    """What preflight writes into the ledger where the service keeps no limit itself."""
    run = Run(tmp_path / "run", World(), make_spec(budget=Budget(max_cost_usd=LIMIT), judge=JUDGE))
    run.start()
    (passed,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    return passed.comparison_at_most_usd


def bound_of_service() -> Decimal:
    """What the CJ service reserves for the two longest essays."""
    texts = {essay.essay_id: TEXTS[essay.text_sha256].decode() for essay in INPUTS.students}
    texts |= {anchor.anchor_id: TEXTS[anchor.text_sha256].decode() for anchor in INPUTS.anchors}
    first, second = sorted(texts, key=lambda name: len(texts[name].encode()))[-2:]
    overrides = judge_overrides(make_spec(judge=JUDGE), INPUTS)
    assert overrides is not None
    plan = BatchPlan(
        batch_id=str(RUN_ID),
        correlation_id=RUN_ID,
        assignment_id=None,
        course_code="ENG5",
        user_id="a-user",
        grade_scale=None,
        essays=tuple(PlannedEssay(essay_id=name, storage_id=name) for name in sorted(texts)),
        seed=1,
        budget=1,
        task=INPUTS.prompt.text,
        criteria=overrides.judge_rubric_override,
        overrides=overrides,
        accepted_at=datetime.now(UTC),
    )
    questions = PromptBuilder(Batch(number=1, request_sha256="", plan=plan), texts, model=PRICED)
    return questions.most(
        PairAttempt(wave=0, place=0, attempt=0, essay_a_id=first, essay_b_id=second, correlation_id=str(RUN_ID))
    )


def test_plan_preflight_and_the_spend_limit_have_one_bound(tmp_path: Path) -> None:
    judge = planned(tmp_path).judge
    assert judge is not None
    assert judge.call_at_most_usd == bound_of_preflight(tmp_path) == float(bound_of_service())


def test_a_plan_promises_no_more_than_the_spend_limit_guarantees(tmp_path: Path) -> None:
    """If every call costs the bound and every comparison takes all its attempts, the promised number is made."""
    plan, bound = planned(tmp_path), bound_of_service()
    assert plan.within_max_cost is not None and plan.within_max_cost.surely is not None

    async def calls() -> int:
        limit, made = SpendLimit(LIMIT), 0
        while await limit.admit(str(made), lambda: bound, patience=0.01) == "ask":
            made += 1
        return made

    guaranteed = asyncio.run(calls())
    assert plan.within_max_cost.surely == guaranteed // ATTEMPTS > 0
    assert plan.judge is not None and plan.judge.usd_at_most is not None
    assert math.floor(LIMIT / float(bound)) == guaranteed


TEXT = st.text(max_size=60)


@given(task=TEXT, criteria=TEXT, essays=st.lists(TEXT, min_size=2, max_size=5))
def test_no_pair_has_a_longer_prompt(task: str, criteria: str, essays: list[str]) -> None:
    bound = longest_prompt(task=task, criteria=criteria, essays=map(EssayLength.of, essays))
    pairs = [(a, b) for i, a in enumerate(essays) for j, b in enumerate(essays) if i != j]
    sizes = [
        len(prompt_text(prompt_blocks(task=task, criteria=criteria, essay_a=a, essay_b=b)).encode()) for a, b in pairs
    ]
    assert bound == max(sizes)


def entry(**capabilities: object) -> ModelEntry:
    return PRICED.model_copy(update={"capabilities": capabilities})


def test_the_bound_takes_the_highest_rates_and_all_that_is_read() -> None:
    dear = entry(highest_cost_per_1k={"input": 0.01, "output": 0.04})
    judge = LLMConfigOverrides(max_tokens_override=100, system_prompt_override="é" * 10, judge_rubric_override="r" * 5)
    read = 1000 + 25 + TOKENS_AROUND_PROMPT
    expected = (Decimal(read) * Decimal("0.01") + 100 * Decimal("0.04")) / 1000
    assert call_at_most_usd(dear, prompt_bytes=1000, overrides=judge) == expected


@pytest.mark.parametrize(
    ("capabilities", "part"),
    [
        ({"batch_api": True, "batch_factor": 0.5}, "0.5"),
        ({"batch_api": True, "batch_factor": 0.25}, "0.25"),
        ({"batch_api": True}, "1"),
        ({"batch_api": True, "batch_factor": 0}, "1"),
        ({"batch_factor": 0.5}, "1"),
    ],
)
def test_a_call_in_a_batch_costs_its_part_of_the_plain_price(capabilities: dict[str, object], part: str) -> None:
    """Where the provider has batches and their price is known."""
    judge = LLMConfigOverrides(max_tokens_override=100)
    plain = call_at_most_usd(entry(**capabilities), prompt_bytes=1000, overrides=judge)
    batched = call_at_most_usd(entry(**capabilities), prompt_bytes=1000, overrides=judge, batched=True)
    assert plain == call_at_most_usd(PRICED, prompt_bytes=1000, overrides=judge) is not None
    assert batched == plain * Decimal(part)


@pytest.mark.parametrize(
    ("model", "judge"),
    [
        (ModelEntry(model_id="m", provider="p"), LLMConfigOverrides(max_tokens_override=5)),
        (PRICED.model_copy(update={"cost_per_1k_output_tokens": None}), LLMConfigOverrides(max_tokens_override=5)),
        (
            entry(highest_cost_per_1k={"input": 0.01, "output": 0.04}).model_copy(
                update={"cost_per_1k_input_tokens": None}
            ),
            LLMConfigOverrides(max_tokens_override=5),
        ),
        (PRICED, LLMConfigOverrides()),
        (entry(answer_tokens=True), LLMConfigOverrides()),
    ],
)
def test_an_unknown_price_or_length_has_no_bound(model: ModelEntry, judge: LLMConfigOverrides) -> None:
    assert call_at_most_usd(model, prompt_bytes=10, overrides=judge) is None


def test_an_answer_without_a_limit_in_the_request_has_the_models_own() -> None:
    bounds = [
        call_at_most_usd(model, prompt_bytes=0, overrides=LLMConfigOverrides())
        for model in (entry(answer_tokens=70), PRICED.model_copy(update={"max_tokens": 70}))
    ]
    assert bounds == [(TOKENS_AROUND_PROMPT * Decimal("0.001") + 70 * Decimal("0.002")) / 1000] * 2


@pytest.mark.parametrize(
    ("wanted", "tokens"), [(None, TRIAL_TOKENS), (TRIAL_TOKENS - 1, TRIAL_TOKENS - 1), (9000, TRIAL_TOKENS)]
)
def test_the_trial_question_costs_what_a_short_answer_to_it_costs(wanted: int | None, tokens: int) -> None:
    judge = LLMConfigOverrides(max_tokens_override=wanted, system_prompt_override="Be brief.")
    asked = judge.model_copy(update={"max_tokens_override": tokens})
    size = len(trial_prompt().encode())
    assert trial_at_most_usd(PRICED, judge) == call_at_most_usd(PRICED, prompt_bytes=size, overrides=asked)


def test_the_trial_question_is_a_prompt_for_two_texts() -> None:
    text = trial_prompt()
    assert [part in text for part in ("**Student Assignment:**", CRITERIA.text, QUESTION.text)] == [True] * 3
    assert text.index("My friend Ann is kind") < text.index("**Essay B:**") < text.index("My friend Bo run fast.")
