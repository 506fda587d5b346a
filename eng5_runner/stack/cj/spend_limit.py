"""The spend limit of a batch: admits a call only if the cost limit holds whatever the call costs.

The sum of all costs so far, of the highest costs of all open calls, and of the highest cost of the new call has to be
within the limit. Calls are admitted in their order: a call waits until earlier answers make room for it, or cannot any
more. So the costs alone decide which calls are made, and not the times at which answers arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
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
    """The call that no longer fitted: USD spent at that time, and the most that it could have cost."""

    spent: Decimal
    most: Decimal


class SpendLimit:
    """The cost limit of one batch; without a limit every call is admitted."""

    def __init__(self, limit: float | None) -> None:
        self.limit = None if limit is None else Decimal(str(limit))
        self.refused: Refused | None = None
        self._spent = Decimal(0)
        self._open: dict[str, Decimal] = {}
        self._held = Decimal(0)  # by the open calls
        self._settled: dict[str, Decimal] = {}
        self._answered = asyncio.Event()

    async def admit(self, key: str, most: Callable[[], Decimal], *, patience: float) -> Admission:
        """Whether a call may be made; waits while answers to open calls can still make room for it.

        Args:
            key: of the call. A call that is open already may be repeated.
            most: the most that it can cost, USD.
            patience: seconds to wait for the next answer.

        Returns:
            `ask`, `over the limit`, or `no news` if no answer arrived in time.
        """
        if self.limit is None or key in self._open:
            return "ask"
        bound = most()
        while self.refused is not None or self._spent + self._held + bound > self.limit:
            if self.refused is not None or not self._open:
                self.refused = self.refused or Refused(spent=self._spent, most=bound)
                return "over the limit"
            self._answered.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._answered.wait()
            except TimeoutError:
                return "no news"
        self._open[key] = bound
        self._held += bound
        return "ask"

    @property
    def is_in_danger(self) -> bool:
        """Whether the open calls could exceed the limit, because earlier answers cost more than their bounds."""
        return self.limit is not None and self._spent + self._held > self.limit

    def close(self) -> None:
        """Admit no more calls."""
        most = max(self._open.values(), default=Decimal(0))
        self.refused = self.refused or Refused(spent=self._spent, most=most)
        self._answered.set()

    def settle(self, key: str, result: LLMComparisonResult, *, most: Callable[[], Decimal]) -> None:
        """Add the cost of a call's answer, once; the most that it can be if it is not known."""
        if self.limit is None or key in self._settled:
            return
        bound = self._open.pop(key, None)
        self._held -= bound or 0
        cost = Decimal(str(result.cost_estimate))
        if result.request_metadata.cost_known is False:
            cost = max(cost, most())
        elif bound is not None and cost > bound:
            log.warning("an answer cost more than its bound", bound=str(bound), cost=str(cost))
        self._settled[key] = cost
        self._spent += cost
        self._answered.set()

    def cost_of(self, keys: Iterable[str]) -> Decimal:
        """USD that answered calls cost; nothing for those without an answer, and without a limit."""
        return sum((self._settled[key] for key in keys if key in self._settled), Decimal(0))


async def priced_model(plan: BatchPlan, provider: LLMProviderClient) -> ModelEntry | None:
    """The model that judges a batch, with its prices; None if the batch has no cost limit.

    Raises:
        RequestRejected: there is no such model, or its price is not known.
        NeighbourFailed: the LLM provider does not answer.
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
