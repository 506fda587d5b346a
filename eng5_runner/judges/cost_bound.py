"""What one comparison can cost at most, by what the LLM provider's manifest says of its model.

A byte-pair token is at least one byte of UTF-8, so a text has no more tokens than bytes; an answer has no more than
its limit. The provider service tries again by itself only where an attempt cannot have been charged.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import JsonValue

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.services import ModelEntry, ModelManifest

# The provider's own words around a prompt: system prompt, the form of the answer, marks between messages (tokens).
PROVIDERS_WORDS = 4000
_PER = 1000


def judging_model(manifest: ModelManifest, overrides: LLMConfigOverrides) -> ModelEntry | None:
    """The model that these overrides lead to: the one named, or the provider's first; None if there is none."""
    entries = manifest.providers.get(overrides.provider_override or "", ())
    wanted = overrides.model_override
    return next((entry for entry in entries if wanted in (None, entry.model_id)), None)


def most_usd(model: ModelEntry, *, prompt_tokens: int, overrides: LLMConfigOverrides) -> Decimal | None:
    """USD that one comparison costs at most; None where nobody knows.

    Args:
        model: who judges.
        prompt_tokens: the prompt's, counted from above; what goes along with it is added here.
        overrides: of the request.
    """
    beside = (overrides.system_prompt_override or "") + (overrides.judge_rubric_override or "")
    read = prompt_tokens + len(beside.encode()) + PROVIDERS_WORDS
    each = _highest(model, "input"), _highest(model, "output")
    written = overrides.max_tokens_override or _answer_tokens(model) or model.max_tokens
    if each[0] is None or each[1] is None or (each[1] and not written):
        return None
    return (read * each[0] + (written or 0) * each[1]) / _PER


def _highest(model: ModelEntry, side: str) -> Decimal | None:
    """USD per 1,000 tokens at the model's highest rate: long prompts and cache writes can cost more than the plain."""
    told = (model.capabilities or {}).get("highest_cost_per_1k")
    highest = told.get(side) if isinstance(told, dict) else None
    plain = model.cost_per_1k_input_tokens if side == "input" else model.cost_per_1k_output_tokens
    known = [Decimal(str(rate)) for rate in (plain, highest) if _is_rate(rate)]
    return max(known) if known and plain is not None else None


def _is_rate(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _answer_tokens(model: ModelEntry) -> int | None:
    """What an answer may have where the request does not say."""
    value = (model.capabilities or {}).get("answer_tokens")
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
