"""Whatever answers cost and whenever they come: the limit holds, and the same questions are asked."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.stack.cj.spend_limit import SpendLimit
from tests.support.run.messages import comparison_message
from tests.support.run.runs import RUN_ID

CENTS = st.integers(1, 50)
# Of each question: what it can cost at most, which part of that it costs, and whether its provider says so.
QUESTIONS = st.lists(st.tuples(CENTS, st.integers(0, 10), st.booleans()), min_size=1, max_size=25)


def result(number: int, cost: Decimal, *, known: bool) -> LLMComparisonResult:
    told = comparison_message(RUN_ID, number, ("a", "b"), winner="Essay A")["data"]
    assert isinstance(told, dict)
    told |= {"correlation_id": str(number), "cost_estimate": float(cost) if known else 0.0}
    told["request_metadata"] |= {} if known else {"cost_known": False}
    return LLMComparisonResult.model_validate(told, extra="ignore")


async def asked(questions: list[tuple[int, int, bool]], limit: int, *, chance: random.Random) -> tuple[int, Decimal]:
    """How many are asked and what is spent at most, with answers in an order that chance decides."""
    spend_limit, answering = SpendLimit(limit / 100), []

    async def answer(number: int) -> None:
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        bound, tenths, known = questions[number]
        cost = Decimal(bound) * tenths / 1000
        spend_limit.settle(str(number), result(number, cost, known=known), most=lambda: Decimal(bound) / 100)

    spent = Decimal(0)
    for number, (bound, tenths, known) in enumerate(questions):
        admission = await spend_limit.admit(str(number), lambda bound=bound: Decimal(bound) / 100, patience=5)
        if admission == "over the limit":
            return number, spent
        assert admission == "ask"
        spent += Decimal(bound) * (tenths if known else 10) / 1000
        answering.append(asyncio.create_task(answer(number)))
    await asyncio.gather(*answering)
    return len(questions), spent


async def test_an_answer_that_comes_twice_is_paid_once():
    """A callback can be published again; its cost must not eat the limit a second time."""
    spend_limit, most = SpendLimit(1.0), lambda: Decimal("0.5")
    assert await spend_limit.admit("1", most, patience=5) == "ask"
    for _ in range(2):
        spend_limit.settle("1", result(1, Decimal("0.4"), known=True), most=most)
    assert await spend_limit.admit("2", most, patience=5) == "ask"
    assert spend_limit.refused is None


@settings(deadline=None, max_examples=150)
@given(questions=QUESTIONS, limit=st.integers(1, 300), seed=st.integers(0, 2**16))
def test_the_limit_holds_and_who_is_asked_does_not_depend_on_when_answers_come(questions, limit, seed):
    found = {asyncio.run(asked(questions, limit, chance=random.Random(seed + turn))) for turn in range(3)}
    ((number, spent),) = found
    assert spent <= Decimal(limit) / 100
    if number < len(questions):
        assert spent + Decimal(questions[number][0]) / 100 > Decimal(limit) / 100, "the next one did not fit"


def test_answers_above_their_bounds_endanger_the_limit_and_a_closed_one_admits_nothing():
    spend_limit, most = SpendLimit(1.0), lambda: Decimal("0.4")

    async def ask() -> list[str]:
        first = [await spend_limit.admit(name, most, patience=1.0) for name in ("a", "b")]
        assert not spend_limit.is_in_danger
        spend_limit.settle("a", result(1, Decimal("0.7"), known=True), most=most)
        assert spend_limit.is_in_danger
        spend_limit.close()
        return [*first, await spend_limit.admit("c", lambda: Decimal("0.01"), patience=1.0)]

    assert asyncio.run(ask()) == ["ask", "ask", "over the limit"]
    assert spend_limit.refused is not None
    assert spend_limit.refused.spent == Decimal("0.7")
