"""The most that a comparison can cost, in USD, from what the LLM provider's manifest says of its model.

Three readers use the same formula: `plan` for its promise, preflight where it has to cap the number of comparisons,
and the embedded CJ service for its spend limit.

A *call* is one question to a model. A comparison is one call, and up to `ATTEMPTS` calls when calls fail. A byte-pair
token is at least one byte of UTF-8, so a text has no more tokens than bytes. An answer has no more tokens than its
limit. The provider service repeats a request by itself only where the first one cannot have been charged.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from decimal import Decimal

from pydantic import JsonValue

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.prompts import EssayLength, prompt_blocks, prompt_text

# Calls that the embedded CJ service makes for a comparison at most, the first included.
ATTEMPTS = 3
# Tokens around a prompt: our own system prompt, the schema of the answer, the provider's marks between messages.
TOKENS_AROUND_PROMPT = 4000
_PER = 1000


def longest_prompt(*, task: str | None, criteria: str | None, essays: Iterable[EssayLength]) -> int:
    """Bytes (UTF-8) of the prompt with the two longest essays: no pair has a longer one.

    Args:
        task: the students' task, if it is known.
        criteria: a rubric or assessment instructions; None for the default sentence.
        essays: the lengths of all essays that may be compared.
    """
    longest = heapq.nlargest(2, (essay.shown - EssayLength.of("").shown for essay in essays))
    without = prompt_text(prompt_blocks(task=task, criteria=criteria, essay_a="", essay_b=""))
    return prompt_bytes(without) + sum(longest)


def prompt_bytes(prompt: str) -> int:
    """Bytes (UTF-8) of a prompt."""
    return len(prompt.encode())


def call_at_most_usd(
    model: ModelEntry, *, prompt_bytes: int, overrides: LLMConfigOverrides, batched: bool = False
) -> Decimal | None:
    """USD that one call costs at most; None where the price, or the length of an answer, is not known.

    Args:
        model: the model that judges, as the manifest describes it.
        prompt_bytes: bytes of the user prompt. What goes along with it is added here.
        overrides: the judge's settings in the request.
        batched: whether the call is one of a provider's batch.
    """
    beside = (overrides.system_prompt_override or "") + (overrides.judge_rubric_override or "")
    read = prompt_bytes + len(beside.encode()) + TOKENS_AROUND_PROMPT
    written = answer_tokens(model, overrides) or model.max_tokens
    read_rate, write_rate = _highest_rate(model, "input"), _highest_rate(model, "output")
    if read_rate is None or write_rate is None or (write_rate and not written):
        return None
    factor = (batch_factor(model) or Decimal(1)) if batched else Decimal(1)
    return (read * read_rate + (written or 0) * write_rate) * factor / _PER


def batch_factor(model: ModelEntry) -> Decimal | None:
    """What an answer in a batch costs, as a part of the plain price; None if there is no batch API or no such price."""
    factor = (model.capabilities or {}).get("batch_factor")
    return Decimal(str(factor)) if has_batch_api(model) and _is_rate(factor) and factor else None


def has_batch_api(model: ModelEntry) -> bool:
    """Whether the service can ask the model in the batches of its provider."""
    return (model.capabilities or {}).get("batch_api") is True


def answer_tokens(model: ModelEntry, overrides: LLMConfigOverrides) -> int | None:
    """Tokens that an answer may have, thinking included: by the request, else by the model's own default."""
    default = (model.capabilities or {}).get("answer_tokens")
    known = isinstance(default, int) and not isinstance(default, bool) and default > 0
    return overrides.max_tokens_override or (default if known and isinstance(default, int) else None)


def _highest_rate(model: ModelEntry, side: str) -> Decimal | None:
    """USD per 1,000 tokens at the model's highest rate: long prompts and cache writes can cost more than the plain."""
    highest = (model.capabilities or {}).get("highest_cost_per_1k")
    plain = model.cost_per_1k_input_tokens if side == "input" else model.cost_per_1k_output_tokens
    rates = (plain, highest.get(side) if isinstance(highest, dict) else None)
    known = [Decimal(str(rate)) for rate in rates if _is_rate(rate)]
    return max(known) if known and plain is not None else None


def _is_rate(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
