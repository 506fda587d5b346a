"""How long comparisons take on an embedded stack, in mean times of one answer.

The stack is simulated: a comparison starts when a place is free, the answers are there that it follows from, and the
limits of a minute and of the cost allow it. Answers take lognormal times of `_SIGMA`, as those of language models
roughly do: some take three and more times as long as the mean, so the last ones decide.

    >>> seconds_of_answer = 2.0
    >>> round(answer_times(Schedule(comparisons=440, concurrency=64)) * seconds_of_answer)
    19
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

_SIGMA = 0.7
_SIMULATED_AT_MOST = 20_000
_REPEATED_UP_TO = 2_000
_REPEATS = 5
# The generator of Park and Miller; each simulation begins so many numbers later in its one sequence.
_MULTIPLIER, _MODULUS, _APART = 48_271, 2**31 - 1, 1_000_003
# The stack lets no more calls wait for their answers.
_MOST_OPEN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What decides when a comparison may start.

    Attributes:
        comparisons: in all, at least 1.
        concurrency: calls at the same time.
        wave: pairs of a wave, each essay in one of them at most.
        free_waves: the first waves, which follow from no answers; infinitely many if none does. A later one follows
            from all waves but the last one.
        every: time between two starts, in mean times of an answer, which the limits of a minute ask for.
        one_by_one: whether comparisons with the same first essay wait for each other.
        limit: what all calls may cost, in mean costs of one; a call that is not answered counts with its `most`.
        most: the most that a call can cost, in the same unit.
    """

    comparisons: int
    concurrency: int
    wave: int = 1
    free_waves: float = math.inf
    every: float = 0.0
    one_by_one: bool = False
    limit: float = math.inf
    most: float = 1.0


@lru_cache(maxsize=256)
def answer_times(schedule: Schedule) -> float:
    """The time of a study in mean times of one answer."""
    simulated = replace(schedule, comparisons=min(schedule.comparisons, _SIMULATED_AT_MOST))
    repeats = _REPEATS if simulated.comparisons <= _REPEATED_UP_TO else 1
    times = sorted(_Simulation(simulated, seed=seed).run() for seed in range(repeats))
    # Beyond what is simulated, the pace of what is.
    return times[repeats // 2] * schedule.comparisons / simulated.comparisons


class _Simulation:
    """One run of a schedule with answer times by chance."""

    def __init__(self, schedule: Schedule, *, seed: int) -> None:
        self._schedule = schedule
        self._lot = pow(_MULTIPLIER, _APART * (seed + 1), _MODULUS)
        self._normal = NormalDist(-_SIGMA * _SIGMA / 2, _SIGMA)
        # The ends of the calls that are under way.
        self._open: list[float] = []
        self._answered = 0
        self._begin = 0.0
        self._waves_over: list[float] = []  # by wave, the time at which it and all before it are answered

    def run(self) -> float:
        """The time at which the last answer comes."""
        schedule, last = self._schedule, 0.0
        free: defaultdict[int, float] = defaultdict(float)  # by first essay
        for number in range(schedule.comparisons):
            wave, place = divmod(number, schedule.wave)
            if number and not place:
                self._waves_over.append(last)
            self._begin = max(self._begin, number * schedule.every, self._ready(wave))
            if not self._is_admitted():
                break
            # Either essay of a pair is shown first in every other wave.
            essay = 2 * place + wave % 2 if schedule.one_by_one else number
            begin = max(self._begin, free[essay]) if schedule.one_by_one else self._begin
            end = free[essay] = begin + self._time()
            heapq.heappush(self._open, end)
            last = max(last, end)
        return last

    def _ready(self, wave: int) -> float:
        """When the answers are there that a comparison follows from."""
        if wave < max(self._schedule.free_waves, 1):
            return 0.0
        return self._waves_over[wave - 2] if wave > 1 else 0.0

    def _is_admitted(self) -> bool:
        """Wait for a place and for what the cost limit holds back; false if no answer can make room."""
        schedule, places = self._schedule, min(self._schedule.concurrency, _MOST_OPEN)
        while True:
            while self._open and self._open[0] <= self._begin:
                self._next_answer()
            costs = self._answered + schedule.most * (len(self._open) + 1)
            if len(self._open) < places and costs <= schedule.limit:
                return True
            if not self._open:
                return False
            self._next_answer()

    def _next_answer(self) -> None:
        self._begin = max(self._begin, heapq.heappop(self._open))
        self._answered += 1

    def _time(self) -> float:
        self._lot = self._lot * _MULTIPLIER % _MODULUS
        return math.exp(self._normal.inv_cdf(self._lot / _MODULUS))
