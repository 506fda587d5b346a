"""The requests of a batch to the LLM provider, and the most that each can cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from heapq import nlargest

from eng5_runner.contracts.request import BATCHING_MODE
from eng5_runner.contracts.services import ComparisonBody, ModelEntry, PromptBlock
from eng5_runner.contracts.topics import Topic
from eng5_runner.judges.cost_bound import call_at_most_usd, prompt_bytes
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.stack.cj.repository import Batch, PairAttempt


class PromptBuilder:
    """Builds the requests to the LLM provider for one batch."""

    def __init__(self, batch: Batch, texts: Mapping[str, str], *, model: ModelEntry | None) -> None:
        """Set the builder up.

        Args:
            batch: the batch with its plan.
            texts: by essay id.
            model: the model with the prices; needed if the batch has a cost limit.
        """
        self._batch = batch
        self._texts = texts
        self._model = model

    def body(self, asked: PairAttempt, *, repeat: int) -> ComparisonBody:
        """The request of an attempt; `repeat` is how often the pair was asked before in this order, without retries."""
        plan, blocks = self._batch.plan, self._blocks(asked.essay_a_id, asked.essay_b_id)
        options = plan.study_options
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
                **({} if plan.batching_mode is None else {BATCHING_MODE: plan.batching_mode.value}),
                **({} if options.soft_judgements == "off" else {"soft_judgements": options.soft_judgements}),
            },
        )

    def most(self, asked: PairAttempt) -> Decimal:
        """USD that the call of an attempt can cost at most."""
        return self._most(asked.essay_a_id, asked.essay_b_id)

    def most_of_any(self) -> Decimal:
        """USD that a call about any two of the essays can cost at most."""
        return self._most(*nlargest(2, self._texts, key=lambda name: prompt_bytes(self._texts[name])))

    def _most(self, essay_a: str, essay_b: str) -> Decimal:
        size, overrides = prompt_bytes(prompt_text(self._blocks(essay_a, essay_b))), self._batch.plan.overrides
        if self._model is not None:
            batched = self._batch.plan.is_batched
            most = call_at_most_usd(self._model, prompt_bytes=size, overrides=overrides, batched=batched)
            if most is not None:
                return most
        raise AssertionError("a batch with a cost limit has a model whose price is known")

    def _blocks(self, essay_a: str, essay_b: str) -> tuple[PromptBlock, ...]:
        plan = self._batch.plan
        return prompt_blocks(
            task=plan.task,
            criteria=plan.criteria,
            essay_a=self._texts[essay_a],
            essay_b=self._texts[essay_b],
        )
