"""What the CJ service asks the LLM provider for a pair, and what that can cost at most."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from eng5_runner.contracts.services import ComparisonBody, ModelEntry, PromptBlock
from eng5_runner.contracts.topics import Topic
from eng5_runner.judges.cost_bound import most_usd
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.stack.cj.repository import Asked, Batch


class Questions:
    """The questions of one batch."""

    def __init__(self, batch: Batch, texts: Mapping[str, str], *, model: ModelEntry | None) -> None:
        """Set the questions up.

        Args:
            batch: what was decided.
            texts: by essay id.
            model: whose prices bound what a question costs; needed where the batch has a cost limit.
        """
        self._batch = batch
        self._texts = texts
        self._model = model

    def body(self, asked: Asked, *, repeat: int) -> ComparisonBody:
        """The question of one asking; `repeat` is how often the pair was asked before in this order, retries apart."""
        plan, blocks = self._batch.plan, self._blocks(asked)
        return ComparisonBody(
            user_prompt=prompt_text(blocks),
            prompt_blocks=blocks,
            callback_topic=Topic.COMPARISON.value,
            llm_config_overrides=plan.overrides,
            correlation_id=asked.correlation_id,
            user_id=plan.user_id,
            metadata={
                "essay_a_id": asked.essay_a_id,
                "essay_b_id": asked.essay_b_id,
                "bos_batch_id": plan.batch_id,
                "cj_batch_id": str(self._batch.number),
                "cj_source": "els",
                "cj_request_type": "cj_retry" if asked.attempt else "cj_comparison",
                "comparison_iteration": asked.wave + 1,
                "repeat_index": repeat,
            },
        )

    def most(self, asked: Asked) -> Decimal:
        """USD that one asking can cost at most."""
        tokens = len(prompt_text(self._blocks(asked)).encode())
        overrides = self._batch.plan.overrides
        most = None if self._model is None else most_usd(self._model, prompt_tokens=tokens, overrides=overrides)
        if most is None:
            raise AssertionError("a batch with a cost limit has a model whose price is known")
        return most

    def _blocks(self, asked: Asked) -> tuple[PromptBlock, ...]:
        plan = self._batch.plan
        return prompt_blocks(
            task=plan.task,
            criteria=plan.criteria,
            essay_a=self._texts[asked.essay_a_id],
            essay_b=self._texts[asked.essay_b_id],
        )
