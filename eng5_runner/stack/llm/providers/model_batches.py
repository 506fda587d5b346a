"""A model that is asked through its provider's batch API."""

from __future__ import annotations

from eng5_runner.judges.manifest import Limits
from eng5_runner.stack.llm.judge import JudgeFailed, Question, Verdict
from eng5_runner.stack.llm.providers.batches import Answer, BatchApi, BatchLimits, Unanswered
from eng5_runner.stack.llm.providers.judge import ModelJudge


class ModelBatches:
    """One model of one provider, in batches.

    Attributes:
        api: of its provider, shared by all its models.
        limits: of its batches.
    """

    def __init__(self, judge: ModelJudge, *, api: BatchApi, limits: Limits) -> None:
        self.api = api
        self.limits = BatchLimits(
            requests=min(api.most_requests, limits.batch_requests or api.most_requests),
            size=min(api.most_bytes, limits.batch_bytes or api.most_bytes),
            collect_seconds=limits.batch_collect_seconds,
            poll_seconds=limits.batch_poll_seconds,
            settle_seconds=limits.batch_settle_seconds,
        )
        self._judge = judge

    def line(self, question: Question) -> bytes:
        """A question as a batch has it."""
        return self.api.line(question.request_id, self._judge.call(question))

    async def recalled(self, question: Question) -> Verdict | None:
        """The verdict on the same question from the cache; None if it has to be asked.

        Raises:
            JudgeFailed: the model cannot be asked it.
        """
        return await self._judge.recalled(question)

    async def verdict(self, question: Question, answer: Answer) -> Verdict:
        """The verdict in an answer, which is kept in the cache, at the price of a batch.

        Raises:
            JudgeFailed: there is none.
        """
        if isinstance(answer, Unanswered):
            raise JudgeFailed(answer.error_code, answer.message, is_final=answer.is_final)
        return await self._judge.verdict_in_batch(question, answer)
