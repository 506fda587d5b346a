"""What came back, in an order of its own: the order of arrival leaves no trace."""

from __future__ import annotations

import itertools
import json
from uuid import UUID

import pytest
from msgspec.structs import replace

from eng5_runner.core.events import RequestPrepared
from eng5_runner.core.inputs import EssayFlag
from eng5_runner.core.state import ImpossibleLedgerError, RunState
from eng5_runner.results.judgements import gather_evidence
from tests.support.results import Arrived, arrived, evidence_of, ledger
from tests.support.run import messages
from tests.support.run.runs import RUN_ID, make_inputs

PAIRS = (("birk", "cleo"), ("cleo", "dag"), ("dag", "birk"))


def same_instant() -> list[Arrived]:
    """Three comparisons, all asked in one microsecond."""
    told = [messages.comparison_message(RUN_ID, n, pair, winner="Essay A") for n, pair in enumerate(PAIRS)]
    for message in told:
        message["data"]["requested_at"] = "2027-03-02T08:00:00.000000Z"
    return [arrived("comparison", message) for message in told]


def test_comparisons_of_one_instant_stand_in_one_order_however_they_came():
    orders = {
        tuple(one.request_id for one in evidence_of(order).judged) for order in itertools.permutations(same_instant())
    }
    assert orders == {("queue-0000", "queue-0001", "queue-0002")}


def test_comparisons_stand_in_the_order_in_which_they_were_asked():
    told = [messages.comparison_message(RUN_ID, n, PAIRS[n % 3], winner="Essay A") for n in (5, 1, 3)]
    found = evidence_of([arrived("comparison", message) for message in told])
    assert [one.request_id for one in found.judged] == ["queue-0001", "queue-0003", "queue-0005"]


def test_a_comparison_is_under_our_ids_and_its_winner_the_essay_that_won():
    told = [messages.comparison_message(RUN_ID, n, ("cleo", "birk"), winner=w) for n, w in enumerate("AB")]
    for message, side in zip(told, "AB", strict=True):
        message["data"]["winner"] = f"Essay {side}"
    found = evidence_of([arrived("comparison", message) for message in told])
    assert [(one.essay_a_id, one.essay_b_id, one.winner_id, one.loser_id) for one in found.judged] == [
        ("cleo", "birk", "cleo", "birk"),
        ("cleo", "birk", "birk", "cleo"),
    ]


def test_a_call_without_a_winner_is_a_failure_and_no_judgement():
    told = [messages.comparison_message(RUN_ID, n, PAIRS[0], winner=w) for n, w in ((0, None), (1, "Essay B"))]
    found = evidence_of([arrived("comparison", message) for message in told])
    assert [one.request_id for one in found.failed] == ["queue-0000"]
    assert [one.request_id for one in found.judged] == ["queue-0001"]


def test_a_comparison_that_is_left_out_was_paid_for_and_what_follows_counts():
    first, *others = same_instant()
    found = evidence_of([replace(first, objection="unasked"), *others])
    assert [one.request_id for one in found.judged] == ["queue-0001", "queue-0002"]
    assert found.spending.costs().token_counts[0].comparisons == 3


def test_calls_whose_price_nobody_knows_are_counted():
    told = [messages.comparison_message(RUN_ID, n, pair, winner="Essay A") for n, pair in enumerate(PAIRS)]
    failed = messages.comparison_message(RUN_ID, 3, PAIRS[0], winner=None)
    for message in (*told[:2], failed):
        message["data"]["request_metadata"]["cost_known"] = False
    bounded, *others = [arrived("comparison", message) for message in [*told, failed]]
    costs = evidence_of([replace(bounded, cost_usd=0.25), *others]).spending.costs()
    assert costs.unpriced == 2


@pytest.mark.parametrize(
    ("flagged", "shown"),
    [((), [None] * 3), (("birk",), ["A", None, "B"]), (("birk", "cleo"), ["both", "A", "B"])],
)
def test_a_judgement_says_which_of_its_essays_has_a_flag(flagged, shown):
    inputs, _ = make_inputs()
    flags = tuple(EssayFlag(essay_id=name, kinds=("hidden_text",)) for name in flagged)
    found = gather_evidence(inputs.model_copy(update={"flags": flags}), [*ledger(), *same_instant()], state=RunState())
    assert [one.flagged for one in found.judged] == shown


def test_prompts_that_were_not_the_run_s_own_are_noted_of_calls_that_failed_too():
    told = [messages.comparison_message(RUN_ID, n, PAIRS[0], winner=w) for n, w in ((0, None), (1, "Essay B"))]
    for message, digit in zip(told, "12", strict=True):
        message["data"]["request_metadata"] |= {
            "system_prompt_sha256": digit * 64,
            "prompt_templates": {"system": digit * 64},
        }
    sources = evidence_of([arrived("comparison", message) for message in told]).sources
    assert sources.systems == {"1" * 64, "2" * 64}
    assert sources.templates == {("system", "1" * 64), ("system", "2" * 64)}


def result(model: str, *, limit: float | None) -> Arrived:
    """A result that names itself by its model, made when a batch stopped at this cost limit."""
    message = json.loads(messages.result(RUN_ID, ["birk"]).value)
    message["data"]["model_used"] = model
    return arrived("result", message, limit_usd=limit)


@pytest.mark.parametrize(
    ("limits", "stands"),
    [
        ((1.0, 2.0), "second"),
        ((2.0, 1.0), "first"),  # the old story came late
        ((None, 2.0), "first"),  # without a limit a batch is done
        ((2.0, None), "second"),
    ],
)
def test_the_result_of_a_lower_cost_limit_never_replaces_that_of_a_higher(limits, stands):
    found = evidence_of([result(name, limit=limit) for name, limit in zip(("first", "second"), limits, strict=True)])
    assert found.result is not None
    assert found.result.model_used == stands


def test_without_a_result_there_is_none():
    assert evidence_of(same_instant()).result is None


def test_a_trace_that_is_no_uuid_gives_way_to_the_envelope_s_and_then_to_the_run_s():
    told = [messages.comparison_message(RUN_ID, n, PAIRS[0], winner="Essay A") for n in range(3)]
    told[0]["data"]["correlation_id"] = "C0FFEE00-1111-4222-8333-444455556666"
    told[1]["data"]["correlation_id"] = "no trace"
    told[2]["data"]["correlation_id"] = None
    traces = [one.correlation_id for one in evidence_of([arrived("comparison", m) for m in told]).judged]
    assert traces == ["c0ffee00-1111-4222-8333-444455556666", told[1]["correlation_id"], told[2]["correlation_id"]]
    assert all(str(UUID(trace)) == trace for trace in traces)


@pytest.mark.parametrize("raw", ["{}", "no JSON"])
def test_an_accepted_message_that_is_none_makes_the_ledger_impossible(raw):
    (one,) = same_instant()[:1]
    with pytest.raises(ImpossibleLedgerError, match="is not one"):
        evidence_of([replace(one, raw=raw)])


def test_an_accepted_comparison_of_a_stranger_makes_the_ledger_impossible():
    stranger = messages.comparison_message(RUN_ID, 0, ("birk", "nobody"), winner="Essay A")
    with pytest.raises(ImpossibleLedgerError, match="stranger"):
        evidence_of([arrived("comparison", stranger)])


def test_the_ledger_is_read_once_and_folded_on_the_way():
    inputs, _ = make_inputs()
    state = RunState()
    found = gather_evidence(inputs, iter([*ledger(), *same_instant()]), state=state)
    assert state.request is not None and (len(found.judged), state.request.heard) == (3, 3)


def test_a_request_that_is_not_for_the_run_s_essays_makes_the_ledger_impossible():
    inputs, _ = make_inputs()
    strange = [
        event.model_copy(update={"payload": "{}"}) if isinstance(event, RequestPrepared) else event
        for event in ledger()
    ]
    with pytest.raises(ImpossibleLedgerError, match=r"a request that was prepared is not one for this run's essays"):
        gather_evidence(inputs, [*strange, *same_instant()], state=RunState())


def test_names_of_a_further_request_are_known_from_then_on():
    inputs, _ = make_inputs()
    begun = ledger()
    (prepared,) = (event for event in begun if isinstance(event, RequestPrepared))
    first, later = (
        begun,
        [
            prepared.model_copy(
                update={"payload": prepared.payload.replace("-essay-", "-later-"), "batch_id": UUID(int=9)}
            ),
            begun[-1],
        ],
    )
    sent = json.loads(later[0].payload)["data"]["essays_for_cj"]
    pair = tuple(essay["essay_id"] for essay in sent[:2])
    message = arrived("comparison", messages.comparison_message(RUN_ID, 9, pair, winner="Essay A"))
    found = gather_evidence(inputs, [*first, *same_instant(), *later, message], state=RunState())
    assert len(found.judged) == 4 and all("-later-" in name for name in pair)
