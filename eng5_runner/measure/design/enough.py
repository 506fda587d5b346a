"""Whether anchors are enough to learn from. A plan asks too, so no numpy is needed here."""

from __future__ import annotations

FEWEST_ANCHORS = 3
_FEWEST_GRADES = 2


def what_anchors_lack(anchors: int, *, kinds: int) -> str | None:
    """Why anchors of so many different grades are too few to learn from; None if they are enough.

    >>> what_anchors_lack(2, kinds=2), what_anchors_lack(5, kinds=1)
    ('too few anchors: 2, and 3 are needed', 'anchors of one grade only: 2 different grades are needed')
    """
    if anchors < FEWEST_ANCHORS:
        return f"too few anchors: {anchors}, and {FEWEST_ANCHORS} are needed"
    if kinds < _FEWEST_GRADES:
        return f"anchors of one grade only: {_FEWEST_GRADES} different grades are needed"
    return None
