"""How often a pair is asked: three times in all, once if it is hopeless, and the service's own ends do not count."""

from __future__ import annotations

import pytest

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.stack.cj.batch_runner import may_ask
from tests.support.run.messages import comparison_message
from tests.support.run.runs import RUN_ID

FAILED: dict[str, bool] = {}
FINAL = {"is_retryable": False}
CUT = {"is_interrupted": True}


def answer(details: dict[str, bool] | None) -> LLMComparisonResult:
    """A failure with these details; None for a verdict."""
    told = comparison_message(RUN_ID, 1, ("a", "b"), winner="Essay A" if details is None else None)["data"]
    if details is not None:
        told["error_detail"]["details"] = details
    return LLMComparisonResult.model_validate(told, extra="ignore")


@pytest.mark.parametrize(
    ("answers", "may"),
    [
        ([], True),
        ([FAILED], True),
        ([FAILED, FAILED], True),
        ([FAILED, FAILED, FAILED], False),
        ([None], False),
        ([FAILED, None], False),
        ([FINAL], False),
        ([CUT, CUT, CUT, FAILED, CUT, FAILED], True),
        ([CUT, FAILED, FAILED, FAILED], False),
    ],
)
def test_a_pair_is_asked_again_while_that_can_help(answers: list[dict[str, bool] | None], *, may: bool) -> None:
    assert may_ask([answer(each) for each in answers]) == may
