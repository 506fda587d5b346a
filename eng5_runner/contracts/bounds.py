"""Bounds of numbers: pydantic checks them, and the option table tells people about them.

    Share = Annotated[float, Above(0), AtMost(1)]

They are our own because `annotated_types` takes a tenth of the time in which `eng5-runner --help` starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


class Bound:
    """One end of a range of numbers.

    Attributes:
        limit: the number.
        words: such as `at least`.
    """

    words = ""
    _key = ""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((self.words, self.limit))

    def __get_pydantic_core_schema__(
        self, source: object, handler: Callable[[object], Mapping[str, object]]
    ) -> Mapping[str, object]:
        """The schema of an int or a float, with this bound."""
        return {**handler(source), self._key: self.limit}


class AtLeast(Bound):
    """This number or more."""

    words = "at least"
    _key = "ge"


class Above(Bound):
    """More than this number."""

    words = "above"
    _key = "gt"


class AtMost(Bound):
    """This number or less."""

    words = "at most"
    _key = "le"


class Below(Bound):
    """Less than this number."""

    words = "below"
    _key = "lt"
