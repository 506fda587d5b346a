"""How long a study takes on the embedded stack: by places, waves, limits and bundles."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from eng5_runner.planning.pace import Schedule, answer_times

FREE = Schedule(comparisons=440, concurrency=200, wave=22)


@pytest.mark.parametrize(
    ("comparisons", "concurrency", "seconds"),
    # Answers of 2 s on average: what a plain loop with a semaphore took against a server with such times.
    [(440, 8, 113.0), (440, 32, 30.6), (440, 200, 10.6), (2000, 32, 128.0), (2000, 200, 29.8), (10_000, 200, 110.5)],
)
def test_the_time_is_that_of_a_loop_with_a_semaphore(comparisons: int, concurrency: int, seconds: float) -> None:
    found = 2.0 * answer_times(Schedule(comparisons=comparisons, concurrency=concurrency))
    assert seconds / 1.3 < found < seconds * 1.3


def test_where_waves_follow_from_answers_two_of_them_are_under_way() -> None:
    some, all_wait = (answer_times(replace(FREE, free_waves=waves)) for waves in (6, 0))
    assert answer_times(FREE) < some < all_wait
    two = replace(FREE, comparisons=44)
    assert answer_times(replace(two, free_waves=0)) == answer_times(two), "the first two wait not"
    one_at_a_time = replace(FREE, concurrency=1)
    assert answer_times(replace(one_at_a_time, free_waves=0)) == pytest.approx(answer_times(one_at_a_time))


def test_waves_take_as_long_as_their_slowest_answers() -> None:
    """The median of 101 simulations with other random numbers; few of them give nearly the same."""
    assert answer_times(replace(FREE, concurrency=32, free_waves=3)) == pytest.approx(35.1, rel=0.1)
    assert answer_times(replace(FREE, free_waves=0)) == pytest.approx(35.6, rel=0.1)


def test_a_large_wave_is_asked_beside_the_slow_answers_to_the_last_one() -> None:
    large = Schedule(comparisons=4000, concurrency=200, wave=1000, free_waves=0)
    assert answer_times(large) < 1.1 * answer_times(replace(large, free_waves=math.inf))


def test_the_limits_of_a_minute_space_calls_and_the_last_answers_come_after_them() -> None:
    spaced = answer_times(replace(FREE, every=0.05))
    assert 440 * 0.05 < spaced < 440 * 0.05 + 4
    assert answer_times(replace(FREE, every=0.001)) == pytest.approx(answer_times(FREE), rel=0.1)


def test_comparisons_with_one_first_essay_wait_for_each_other() -> None:
    bundled = answer_times(replace(FREE, one_by_one=True))
    assert 10 < bundled < 20, "44 essays, each first in 10 of 440 pairs"
    assert answer_times(replace(FREE, concurrency=8, one_by_one=True)) == pytest.approx(56.5, rel=0.05)


def test_a_cost_limit_holds_calls_back_and_ends_the_study() -> None:
    ample, tight, small = (answer_times(replace(FREE, limit=limit, most=5.0)) for limit in (5000, 450, 50))
    assert ample == answer_times(FREE)
    assert tight > 2 * ample, "the last calls wait for what the first ones cost less than they may cost"
    assert small < tight, "it pays for few"
    assert answer_times(replace(FREE, limit=1.0, most=5.0)) == 0.0


def test_very_many_comparisons_keep_the_pace_of_many() -> None:
    many = Schedule(comparisons=1_000_000, concurrency=200)
    assert answer_times(many) == pytest.approx(1_000_000 / 200, rel=0.1)
