"""How often a worker takes comparisons from the queue, and how many more than it has places for.

Comparisons are taken in groups, as a transaction for each costs more. Of several workers each has a part of the places
and of the work. If each took as often as one alone would, their groups were smaller and a comparison cost all of them
more. So each waits as many times longer as there are workers, and takes those too that it will ask meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

# A short wait for more comparisons to end. On a busy machine, which is slow, it is as long as the last transaction.
_TAKE_TOGETHER_SECONDS, _LONGEST_WAIT_SECONDS = 0.01, 0.1
# Answers are counted for so long, to know how many come in a second.
_COUNTED_SECONDS = 0.25


class Pace:
    """One worker's pace.

    Attributes:
        sharing: workers that take from the queue, this one included.
        took: seconds of the last transaction that took some.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.sharing = 1
        self.took = 0.0
        self._clock = clock
        self._since = clock()
        self._answers = 0
        self._a_second = 0.0

    @property
    def wait(self) -> float:
        """Seconds between two takes."""
        return min(max(self.took, _TAKE_TOGETHER_SECONDS) * self.sharing, _LONGEST_WAIT_SECONDS)

    def answered(self) -> None:
        """Count an answer of a judge."""
        self._answers += 1

    def ahead(self) -> int:
        """Comparisons that will be asked before the next take is over; none of a worker that is alone."""
        counted = self._clock() - self._since
        if counted >= _COUNTED_SECONDS:
            self._a_second = self._answers / counted
            self._answers, self._since = 0, self._clock()
        return int(self._a_second * (self.wait + self.took)) if self.sharing > 1 else 0
