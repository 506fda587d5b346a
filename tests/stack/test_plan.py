"""What a CJ service reads out of a message that came before."""

from __future__ import annotations

import json

import pytest

from eng5_runner.stack.cj.plan import is_raised
from tests.support.stack.driver import request

ESSAYS = [{"essay_id": f"student_{number}", "text_storage_id": "0" * 32} for number in range(3)]
BEFORE = request(ESSAYS, metadata={"max_cost_usd": 1.0})


def again(*, limit: float | None, **data: object) -> bytes:
    """The request as it is sent later, with another cost limit."""
    message = json.loads(BEFORE)
    message["event_timestamp"] = "2026-11-23T09:00:00.000000Z"
    message["metadata"] |= {"max_cost_usd": limit}
    message["data"] |= data
    return json.dumps(message).encode()


@pytest.mark.parametrize(("limit", "raised"), [(1.01, True), (1.0, False), (0.99, False), (None, False)])
def test_only_a_higher_limit_is_a_raised_one(limit, raised):
    assert is_raised(again(limit=limit), than=BEFORE) is raised


def test_a_higher_limit_on_another_request_is_no_raised_one():
    assert not is_raised(again(limit=2.0, user_id="another"), than=BEFORE)


def test_the_very_same_bytes_are_not_raised_and_neither_is_what_is_no_request():
    assert not is_raised(BEFORE, than=BEFORE)
    assert not is_raised(b"{}", than=BEFORE)
    assert not is_raised(again(limit=2.0), than=b"{}")
    assert not is_raised(again(limit=-2.0), than=BEFORE)
