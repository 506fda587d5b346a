"""How long comparisons take on an embedded stack, in mean times of one answer.

The stack is simulated: a comparison starts when a place is free and the answers are there that it follows from. Answers
take lognormal times of `_SIGMA`, as those of language models roughly do: some take three and more times as long as the
mean, so the last ones decide.

    >>> seconds_of_answer = 2.0
    >>> round(answer_times(440, concurrency=64) * seconds_of_answer)
    18
"""

from __future__ import annotations

import heapq
import math
from functools import lru_cache
from statistics import NormalDist

_SIGMA = 0.7
_SIMULATED_AT_MOST = 20_000
_REPEATED_UP_TO = 2_000
_REPEATS = 5
_MODULUS = 2**31 - 1  # of the generator of Park and Miller


@lru_cache(maxsize=256)
def answer_times(comparisons: int, *, concurrency: int, wave: int = 0, free_waves: int = 0) -> float:
    """The time of a study in mean times of one answer.

    Args:
        comparisons: in all, at least 1.
        concurrency: calls at the same time.
        wave: pairs of a wave; 0 if no pair follows from answers.
        free_waves: the first waves, which follow from no answers. A later one follows from all waves but the last one.
    """
    simulated = min(comparisons, _SIMULATED_AT_MOST)
    repeats = _REPEATS if simulated <= _REPEATED_UP_TO else 1
    times = sorted(
        _simulated(simulated, concurrency=concurrency, wave=wave, free_waves=free_waves, seed=seed)
        for seed in range(repeats)
    )
    # Beyond what is simulated, the pace of what is.
    return times[repeats // 2] * comparisons / simulated


def _simulated(comparisons: int, *, concurrency: int, wave: int, free_waves: int, seed: int) -> float:
    normal, lot = NormalDist(-_SIGMA * _SIGMA / 2, _SIGMA), 7919 * (seed + 1)
    places = [0.0] * min(concurrency, comparisons)
    waves_over: list[float] = []  # by wave, the time at which it and all before it are answered
    last = ready = 0.0
    for number in range(comparisons):
        if wave and number and number % wave == 0:
            waves_over.append(last)
            if len(waves_over) >= max(free_waves, 2):
                ready = waves_over[-2]
        begin = max(heapq.heappop(places), ready)
        lot = lot * 48271 % _MODULUS
        end = begin + math.exp(normal.inv_cdf(lot / _MODULUS))
        heapq.heappush(places, end)
        last = max(last, end)
    return last
