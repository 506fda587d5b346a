"""Whether a model takes the parameters of a run: one rule each, in milliseconds."""

from __future__ import annotations

from datetime import date

import pytest

from eng5_runner.contracts.request import BatchingMode, LLMConfigOverrides, OutputVerbosity, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.compatibility import chosen_model, near_models, refusals

TODAY = date(2026, 11, 22)


def refused(judge: LLMConfigOverrides, *, max_tokens: int | None = None, **capabilities: object) -> list[str]:
    entry = ModelEntry(model_id="m", provider="openai", max_tokens=max_tokens, capabilities=capabilities)
    return [refusal.for_people() for refusal in refusals(entry, judge, today=TODAY)]


COOL = LLMConfigOverrides(temperature_override=0.1)
DEEP = LLMConfigOverrides(reasoning_effort=ReasoningEffort.HIGH)


@pytest.mark.parametrize(
    ("judge", "capabilities", "reason"),
    [
        (DEEP, {"reasoning_efforts": ["low"]}, "--reasoning-effort: m takes low, not high"),
        (DEEP, {"reasoning_efforts": []}, "--reasoning-effort: m takes none of its values, not high"),
        (
            LLMConfigOverrides(output_verbosity=OutputVerbosity.LOW),
            {"verbosities": ["high"]},
            "--output-verbosity: m takes high, not low",
        ),
        (
            LLMConfigOverrides(max_tokens_override=11),
            {"max_tokens": 10},
            "--llm-max-tokens: m writes at most 10 tokens, not 11",
        ),
        (COOL, {"temperature": "never"}, "--llm-temperature: m takes no temperature"),
        (COOL, {"temperature": False}, "--llm-temperature: m takes no temperature"),
        (
            COOL,
            {"temperature": "without_reasoning"},
            "--llm-temperature: m takes a temperature only with the reasoning effort none",
        ),
        (LLMConfigOverrides(), {"retires": "2026-11-21"}, "--llm-model: m was retired on 2026-11-21"),
    ],
)
def test_what_a_model_does_not_take_is_refused(judge: LLMConfigOverrides, capabilities: dict, reason: str) -> None:
    assert refused(judge, **capabilities) == [reason]


@pytest.mark.parametrize(
    ("judge", "capabilities"),
    [
        (DEEP, {"reasoning_efforts": ["high"]}),
        (DEEP, {"reasoning_efforts": True}),
        (DEEP, {}),
        (LLMConfigOverrides(max_tokens_override=10), {"max_tokens": 10}),
        (COOL, {"temperature": "always"}),
        (COOL, {"temperature": True}),
        (
            COOL.model_copy(update={"reasoning_effort": ReasoningEffort.NONE}),
            {"temperature": "without_reasoning"},
        ),
        (LLMConfigOverrides(), {"retires": "2026-11-22"}),
        (LLMConfigOverrides(), {"retires": "some day"}),
        (LLMConfigOverrides(), {"temperature": "never", "reasoning_efforts": [], "verbosities": []}),
    ],
)
def test_what_it_takes_and_what_is_not_known_is_not_refused(judge: LLMConfigOverrides, capabilities: dict) -> None:
    assert refused(judge, **capabilities) == []


def test_batches_need_a_provider_whose_batch_api_the_service_speaks() -> None:
    mode = BatchingMode.PROVIDER_BATCH_API

    def told(**capabilities: object) -> list[str]:
        entry = ModelEntry(model_id="m", provider="google", capabilities=capabilities)
        found = refusals(entry, LLMConfigOverrides(), today=TODAY, batching=mode)
        return [refusal.for_people() for refusal in found]

    assert told(batch_api=False) == ["--llm-batching-mode: the service speaks no batch API of google (m)"]
    assert told(batch_api=True) == told() == []


def test_clients_see_the_parameter() -> None:
    entry = ModelEntry(model_id="m", provider="openai", capabilities={"temperature": "never"})
    (refusal,) = refusals(entry, COOL, today=TODAY)
    assert refusal.for_clients() == "temperature_override: m takes no temperature"


def test_the_first_model_is_the_default_and_near_ones_are_named() -> None:
    offered = [ModelEntry(model_id=name, provider="p") for name in ("small-1", "small-2", "large", "huge")]
    assert chosen_model(offered, None) is offered[0]
    assert chosen_model(offered, "large") is offered[2]
    assert chosen_model(offered, "none") is None and chosen_model([], None) is None
    assert list(near_models(offered, "smal-2"))[:1] == ["small-2"]
    assert list(near_models(offered, "zzz")) == ["small-1", "small-2", "large"]
    alike = [ModelEntry(model_id=f"gpt-{number}", provider="openai") for number in range(9)]
    assert len(near_models(alike, "gpt-x")) == len(near_models(alike, "zzz")) == 3
