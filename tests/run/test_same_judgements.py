"""The order and number of the callbacks leave no trace in what a run states."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eng5_runner.cli.exit_codes import exit_code
from tests.support.run.memory_kafka import Where
from tests.support.run.messages import SENT, Callback
from tests.support.run.runs import RUN_ID, Run, claims, essence
from tests.support.run.world import World, whole_story

STORY = whole_story(RUN_ID, list(SENT.values()))
FROM_FIXTURE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def shuffled_world(order: random.Random) -> World:
    """A world in which callbacks come in any order, in any partition, and are read a few at a time from any of them."""

    def script(run_id, essays) -> list[Callback]:
        told = [Callback(one.topic, one.value, partition=order.randrange(2)) for one in whole_story(run_id, essays)]
        order.shuffle(told)
        return told

    def choose(ready: Sequence[Where]) -> Where:
        return order.choice(ready)

    world = World(poll_records=order.choice((1, 2, 7, 500)), choose=choose)
    world.cj.script = script
    return world


@settings(FROM_FIXTURE, max_examples=40)
@given(order=st.randoms(use_true_random=False))
def test_any_interleaving_makes_the_same_claims(order, plain, tmp_path):
    with TemporaryDirectory(dir=tmp_path) as folder:
        run = Run(Path(folder) / "run", shuffled_world(order))
        assert exit_code(run.start()) == 0
        assert claims(run) == claims(plain)


@settings(FROM_FIXTURE, max_examples=6)
@given(order=st.randoms(use_true_random=False))
def test_any_interleaving_gives_the_same_artefact_but_for_times_and_bookkeeping(order, plain_artefact, tmp_path):
    """`runs.essence` names exactly the fields that may differ."""
    with TemporaryDirectory(dir=tmp_path) as folder:
        run = Run(Path(folder) / "run", shuffled_world(order))
        run.start()
        assert essence(run.artefact()) == essence(plain_artefact)


def of_one_instant(run_id: UUID, essays: list[str]) -> list[Callback]:
    """The story with all comparisons asked in the same microsecond."""
    return [
        Callback(one.topic, re.sub(rb'"requested_at": "[^"]+"', b'"requested_at": "2027-03-02T08:00:00Z"', one.value))
        for one in whole_story(run_id, essays)
    ]


def test_also_where_all_time_stamps_are_equal(tmp_path):
    stated = []
    for name, step in (("forwards", 1), ("backwards", -1)):
        world = World()
        world.cj.script = lambda run_id, essays, step=step: of_one_instant(run_id, essays)[::step]
        run = Run(tmp_path / name, world)
        run.start()
        assert len({one.started_at for one in claims(run)[0]}) == 1
        stated.append(essence(run.artefact()))
    assert stated[0] == stated[1]


@settings(FROM_FIXTURE, max_examples=30)
@given(again=st.lists(st.sampled_from(STORY), min_size=1, max_size=30), order=st.randoms(use_true_random=False))
def test_duplicates_change_nothing(again, order, plain, tmp_path):
    """However often a message comes, and whether its double stands in the same poll or a later one."""
    world = shuffled_world(order)
    told = [*STORY, *again]
    order.shuffle(told)
    world.cj.script = lambda _run_id, _essays: told
    with TemporaryDirectory(dir=tmp_path) as folder:
        run = Run(Path(folder) / "run", world)
        state = run.start()
        assert (state.repeated, state.conflicts) == (len(again), 0)
        assert claims(run) == claims(plain)


def test_a_completion_sent_again_with_another_time_stamp_is_no_conflict(tmp_path):
    world = World()
    later = Callback(STORY[-2].topic, STORY[-2].value.replace(b"T10:", b"T11:"))
    world.cj.script = lambda _run_id, _essays: [*STORY, later]
    state = Run(tmp_path / "run", world).start()
    assert (state.repeated, state.conflicts, state.closed.outcome) == (1, 0, "complete")
