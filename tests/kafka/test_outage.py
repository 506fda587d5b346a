"""The broker goes away in mid-run, in order and by a pulled plug: runner and services wait for it, nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.kafka.cluster import OwnBroker
from tests.support.kafka.followed import assert_complete, ledger, reached
from tests.support.runner import Ran, start, wait_for

LONG = 400
# In an adaptive design pairs follow from answers, which come over the broker: the study cannot end while that is away.
EXECUTE = ("--mode", "execute", "--seed", 3, "--max-comparisons", LONG, "--design", "adaptive")


def test_a_broker_that_goes_and_comes_back_in_mid_run_costs_nothing(
    study: Path, tmp_path: Path, own_broker: OwnBroker, services: Mapping[str, str]
) -> None:
    process = start(*EXECUTE, "--assets", study, cwd=tmp_path, env=services)
    for end, count in ((own_broker.stop, 10), (own_broker.kill, LONG // 2)):
        wait_for(reached(tmp_path, process, "CallbackAccepted", count), what=f"{count} callbacks")
        end()
        assert len(ledger(tmp_path, "CallbackAccepted")) < LONG, "the outage came too late to show anything"
        own_broker.start()
    code = process.wait(timeout=120)
    assert_complete(Ran(code, "", (tmp_path / "err").read_text()), tmp_path, own_broker, comparisons=LONG)
