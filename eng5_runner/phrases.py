"""Counts and lists in the sentences that people read.

>>> print(f"{counted(1, 'comparison')} of {listed(['A', 'B', 'C'], at_most=2)}")
1 comparison of A, B and 1 more
"""

from __future__ import annotations

from collections.abc import Sequence


def counted(many: int, name: str, *, plural: str | None = None, form: str = "") -> str:
    """So many of a thing.

    Args:
        many: how many there are.
        name: of one of them, with what follows it.
        plural: of several, where that is not the name with an s.
        form: how the number is written, such as `,`.

    >>> counted(1, "run"), counted(2, "call has", plural="calls have"), counted(4000, "essay", form=",")
    ('1 run', '2 calls have', '4,000 essays')
    """
    return f"{many:{form}} {name if many == 1 else plural or f'{name}s'}"


def listed(names: Sequence[str], *, at_most: int, separated: str = ", ") -> str:
    """The first of the names, and how many more there are.

    >>> listed(["A", "B"], at_most=2), listed(["A", "B", "C", "D"], at_most=2)
    ('A, B', 'A, B and 2 more')
    """
    more = len(names) - at_most
    return separated.join(names[:at_most]) + (f" and {more} more" if more > 0 else "")
