"""The time that a plan foretells: a study on the embedded stack, in mean times of one answer."""

from __future__ import annotations

import pytest

from eng5_runner.planning.pace import answer_times


@pytest.mark.parametrize(
    ("comparisons", "concurrency", "seconds"),
    # Answers of 2 s on average: what a plain loop with a semaphore took against a server with such times.
    [(440, 8, 113.0), (440, 32, 30.6), (440, 200, 10.6), (2000, 32, 128.0), (2000, 200, 29.8), (10_000, 200, 110.5)],
)
def test_the_time_is_that_of_a_loop_with_a_semaphore(comparisons: int, concurrency: int, seconds: float) -> None:
    assert seconds / 1.3 < 2.0 * answer_times(comparisons, concurrency=concurrency) < seconds * 1.3


def test_where_waves_follow_from_answers_two_of_them_are_under_way() -> None:
    free = answer_times(440, concurrency=200)
    some = answer_times(440, concurrency=200, wave=22, free_waves=6)
    all_wait = answer_times(440, concurrency=200, wave=22)
    assert free < some < all_wait
    assert answer_times(44, concurrency=200, wave=22) == answer_times(44, concurrency=200), "the first two wait not"
    one_at_a_time = answer_times(440, concurrency=1, wave=22)
    assert one_at_a_time == pytest.approx(answer_times(440, concurrency=1))


def test_very_many_comparisons_keep_the_pace_of_many() -> None:
    assert answer_times(1_000_000, concurrency=200) == pytest.approx(1_000_000 / 200, rel=0.1)
