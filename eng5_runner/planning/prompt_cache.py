"""How often the beginning of a prompt is in the provider's cache, from the order in which comparisons are asked.

A text is in the cache once the first call with it is answered, and for five minutes after its last use; calls that are
under way at once do not find each other's text. Each range holds what a simulation finds for 12 to 1,000 essays and 1
to 200 calls at once: answers take lognormal times there, as in `pace`.

    asking = Asking(comparisons=440, essays=44, concurrency=64, answer_seconds=2.0, order=Order.BY_FIRST_ESSAY)
    hits_of_task(asking)            (0.85, 0.998): all calls but those that are made at once at the beginning
    hits_of_first_essay(asking)     (0.22, 0.9)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

# The shortest time of the providers that we know; a use begins it again.
_KEPT_SECONDS = 300.0
_VARIES_BY = 2.0  # the time until an essay is first again
# As the embedded CJ service asks by first essay: judgements of an essay in the rounds that are asked together, and the
# essays of which one comparison each comes first.
_FIRST_IN_ROUNDS, _ESSAYS_TOGETHER = 5, 128


class Order(Enum):
    """In which order comparisons are asked: round by round, some rounds by first essay, or an essay's one by one."""

    ROUNDS = "rounds"
    BY_FIRST_ESSAY = "by first essay"
    ONE_BY_ONE = "one by one"
    WITHIN_LIMIT = "by first essay as far as a cost limit is expected to pay, else round by round"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How comparisons are asked.

    Attributes:
        comparisons: in all.
        essays: each of them is first about equally often.
        concurrency: calls at the same time.
        answer_seconds: the mean time of an answer.
        order: of the comparisons; unknown inside a provider's batch.
    """

    comparisons: int
    essays: int
    concurrency: int
    answer_seconds: float
    order: Order


def hits_of_task(asking: Asking) -> tuple[float, float]:
    """The share of comparisons that find what is before the first essay in the cache: at least, at most."""
    at_once = 0 if asking.order is Order.UNKNOWN else asking.comparisons - asking.concurrency
    return max(at_once, 0) / asking.comparisons, (asking.comparisons - 1) / asking.comparisons


def hits_of_first_essay(asking: Asking) -> tuple[float, float]:
    """The share of comparisons that find all up to the end of their first essay in the cache: at least, at most."""
    found = max(asking.comparisons - _missed(asking), 0.0) / asking.comparisons
    return found, max(asking.comparisons - asking.essays, 0) / asking.comparisons


def _missed(asking: Asking) -> float:
    """Comparisons that do not find it, at most."""
    pace = asking.concurrency / asking.answer_seconds
    match asking.order:
        case Order.UNKNOWN:
            return math.inf
        case Order.ROUNDS | Order.ONE_BY_ONE:
            if asking.essays / pace * _VARIES_BY > _KEPT_SECONDS:
                return math.inf
            under_way = 0 if asking.order is Order.ONE_BY_ONE else 2 * asking.concurrency
            return asking.essays + under_way
        case Order.WITHIN_LIMIT:
            orders = (Order.ROUNDS, Order.BY_FIRST_ESSAY)
            return max(_missed(replace(asking, order=order)) for order in orders)
        case Order.BY_FIRST_ESSAY:
            times = math.ceil(asking.comparisons / asking.essays / _FIRST_IN_ROUNDS)
            parts = times * math.ceil(asking.essays / _ESSAYS_TOGETHER)
            part = min(asking.essays, _ESSAYS_TOGETHER) * _FIRST_IN_ROUNDS
            forgotten = part / pace * _VARIES_BY > _KEPT_SECONDS
            if forgotten and asking.concurrency > 1:
                return math.inf
            return asking.essays * times * (2 if forgotten else 1) + parts * min(2 * asking.concurrency, part)
