"""The trial question: one tiny comparison that shows whether a judge answers, before anything is sent.

It is asked as the study's questions are, with the run's own system prompt and parameters, about two invented sentences.

    trial_at_most_usd(model.entry(attempts=1), overrides)    # Decimal, in USD
"""

from __future__ import annotations

from decimal import Decimal

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.cost_bound import call_at_most_usd, prompt_bytes
from eng5_runner.judges.prompts import prompt_blocks, prompt_text

# Enough for a verdict. A model that thinks first is cut off, which shows as well that it answers.
TRIAL_TOKENS = 300


def trial_prompt() -> str:
    """The trial question."""
    blocks = prompt_blocks(
        task="This is a test of the connection. Describe a friend in one sentence.",
        criteria=None,
        essay_a="My friend Ann is kind, because she helps the new pupils to find their way.",
        essay_b="My friend Bo run fast.",
    )
    return prompt_text(blocks)


def trial_at_most_usd(model: ModelEntry, overrides: LLMConfigOverrides) -> Decimal | None:
    """USD that the trial question costs at most; None where the price is not known."""
    tokens = min(overrides.max_tokens_override or TRIAL_TOKENS, TRIAL_TOKENS)
    asked = overrides.model_copy(update={"max_tokens_override": tokens})
    return call_at_most_usd(model, prompt_bytes=prompt_bytes(trial_prompt()), overrides=asked)
