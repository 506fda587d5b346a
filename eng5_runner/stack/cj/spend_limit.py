"""A batch's money: what is spent, what may be spent by what is under way, and whether one more question fits.

Nothing is asked unless everything spent, everything under way at its highest, and the question at its highest are
within the limit. So the limit holds whatever the answers cost, however many are under way at once. PromptBuilder are
admitted in their order, and one waits until the answers before it have made room for it or cannot any more; who is
admitted depends on the costs alone and not on when the answers come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

import structlog

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.compatibility import chosen_model
from eng5_runner.judges.cost_bound import call_at_most_usd
from eng5_runner.stack.cj.clients import LLMProviderClient
from eng5_runner.stack.cj.plan import BatchPlan, RequestRejected

log = structlog.get_logger(__name__)

Admission: TypeAlias = Literal["ask", "over the limit", "no news"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The question that no longer fitted: USD spent when it came, and what it could have cost."""

    spent: Decimal
    most: Decimal


class SpendLimit:
    """The money of one batch; without a limit everything fits."""

    def __init__(self, limit: float | None) -> None:
        self.limit = None if limit is None else Decimal(str(limit))
        self.refused: Refused | None = None
        self._spent = Decimal(0)
        self._under_way: dict[str, Decimal] = {}
        self._settled: set[str] = set()
        self._news = asyncio.Event()

    async def admit(self, key: str, most: Callable[[], Decimal], *, patience: float) -> Admission:
        """Whether the question may be asked; waits while answers under way can still make room for it.

        Args:
            key: of the question. One that is under way already may be asked again.
            most: what it can cost at most, USD.
            patience: seconds to wait for the next answer.

        Returns:
            `no news` if none came for so long.
        """
        if self.limit is None or key in self._under_way:
            return "ask"
        bound = most()
        while self._spent + sum(self._under_way.values()) + bound > self.limit:
            if not self._under_way:
                self.refused = Refused(spent=self._spent, most=bound)
                return "over the limit"
            self._news.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                return "no news"
        self._under_way[key] = bound
        return "ask"

    def settle(self, key: str, result: LLMComparisonResult, *, most: Callable[[], Decimal]) -> None:
        """Take the cost of a question's answer, once; where it is not known, the highest that it can be."""
        if self.limit is None or key in self._settled:
            return
        self._settled.add(key)
        bound = self._under_way.pop(key, None)
        cost = Decimal(str(result.cost_estimate))
        if result.request_metadata.cost_known is False:
            cost = max(cost, most())
        elif bound is not None and cost > bound:
            log.warning("an answer cost more than it should be able to", bound=str(bound), cost=str(cost))
        self._spent += cost
        self._news.set()


async def priced_model(plan: BatchPlan, provider: LLMProviderClient) -> ModelEntry | None:
    """The model whose prices bound the costs of a batch; None for one without a cost limit.

    Raises:
        RequestRejected: there is no such model, or its price is not known.
        NeighbourFailed: the LLM provider does not say.
    """
    if plan.study_options.max_cost_usd is None:
        return None
    wanted = plan.overrides.model_override
    manifest = await provider.models()
    model = chosen_model(manifest.providers.get(plan.overrides.provider_override or "", ()), wanted)
    if model is None or call_at_most_usd(model, prompt_bytes=0, overrides=plan.overrides) is None:
        name = model.model_id if model else wanted or plan.overrides.provider_override
        raise RequestRejected(f"a cost limit needs a model whose price is known, and the price of {name} is not")
    return model
