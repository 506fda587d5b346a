"""What the columns of a table of comparisons mean: the forms that programs and studies write.

A table either names the pair as it was shown and who won (`item_a`, `item_b`, `winner`), or the winner and the loser
(`candidate_chosen`, `candidate_not_chosen`), which leaves open who was shown first. Capitals, spaces and underscores in
a heading do not matter.

>>> columns = read_heading(["judgeId", "chosen", "notChosen", "timeTaken"])
>>> columns.winner, columns.loser, columns.judge, columns.first
('chosen', 'notChosen', 'judgeId', None)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType

from eng5_runner.canonical import Json

# The first name of a role that a heading has is taken. No More Marking writes chosen and notChosen, pairwiseLLM writes
# ID1, ID2 and better_id, or object1, object2 and result; essay_a_id, essay_b_id and winner_id are our own table's.
_FIRST = ("item_a", "essay_a_id", "id1", "object1", "item1", "candidate_a", "essay_a", "text_a", "option_a", "player1")
_SECOND = ("item_b", "essay_b_id", "id2", "object2", "item2", "candidate_b", "essay_b", "text_b", "option_b", "player2")
_SHORT_PAIRS = (("a", "b"), ("left", "right"), ("first", "second"))
_WINNER = (
    *("winner", "winner_id", "better_id", "result", "outcome", "winner_position", "better_sample", "preferred"),
    *("preference", "chosen", "choice", "candidate_chosen", "selected", "chose_a", "better", "verdict"),
)
_CHOSEN = (
    *("candidate_chosen", "chosen", "winner", "won", "winner_id", "preferred", "selected", "better", "better_id"),
    *("chosen_item", "item_chosen", "winning_item", "win"),
)
_NOT_CHOSEN = (
    *("candidate_not_chosen", "not_chosen", "loser", "lost", "loser_id", "rejected", "not_selected", "worse"),
    *("worse_id", "unchosen", "not_preferred", "item_not_chosen", "losing_item", "loss"),
)
_JUDGE = (
    *("judge", "judge_id", "judge_name", "judges", "assessor", "assessor_id", "rater", "rater_id", "comparer"),
    *("evaluator", "annotator", "model"),
)
# `id` after names that say more: a table may number its rows so. A student's essay, or its text, may stand in a cell.
ITEM_NAMES = (
    *("item", "anchor_id", "essay_id", "id", "file", "file_name", "student"),
    *("essay", "candidate", "object", "text", "option", "player"),
)
"""What a table of grades may call its items; the first that the heading has is taken."""
_CONFIDENCE = ("confidence", "certainty", "confidence_rating")
_PROBABILITY = ("probability_a", "probability_first", "prob_a", "p_a", "probability")
_COUNT = ("count", "n_comparisons", "freq", "frequency")

_FIRST_WON = frozenset({"a", "first", "left", "itema", "essaya", "candidatea", "sample1", "id1", "item1"})
_SECOND_WON = frozenset({"b", "second", "right", "itemb", "essayb", "candidateb", "sample2", "id2", "item2"})
_NEITHER_WON = frozenset({"tie", "draw", "equal", "tied", "both", "neither", "="})
# In a column called winner, 1 and 2 are the places; in one called result, 1 is a win of the first and 0 of the second.
_NUMBERED = MappingProxyType({"1": 1.0, "2": 0.0})
_RESULTS = MappingProxyType({"1": 1.0, "10": 1.0, "0": 0.0, "00": 0.0, "05": 0.5, "true": 1.0, "false": 0.0})
_RESULT_NAMES = frozenset({"result", "outcome", "chosea"})
_MODELS = frozenset({"model", "llm", "ai", "machine"})
_PEOPLE = frozenset({"human", "person", "people", "teacher", "expert", "student"})
_MISSING = frozenset({"", "na", "nan", "null", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The headings that have each role; None for a role that no column has.

    Attributes:
        first: the item shown first.
        second: the item shown second.
        winner: who won: an item, or a place where `first` and `second` are known.
        loser: the item that lost, where the table names winner and loser only.
        judge: who judged.
        count: how many judgements a row stands for.
        confidence: how sure the judge was; higher is surer.
        probability: that the first is better, 0 to 1; only where it is known who was shown first.
        kind: whether the judge is a person or a model.
        bound: whether the winner's probability is at least that.
    """

    first: str | None
    second: str | None
    winner: str
    loser: str | None
    judge: str | None
    count: str | None
    confidence: str | None = None
    probability: str | None = None
    bound: str | None = None
    kind: str | None = None

    @property
    def are_ours(self) -> bool:
        """Whether the columns have the names that this program gives them."""
        return [_key(name or "") for name in (self.first, self.second, self.winner)] == ["itema", "itemb", "winner"]

    def to_json(self) -> dict[str, Json]:
        """Role → heading of the roles that a column has."""
        return {role: heading for role, heading in asdict(self).items() if heading is not None}

    @property
    def pair(self) -> tuple[str, str]:
        """The headings of the two items: first and second shown, or winner and loser."""
        return self.first or self.winner, self.second or self.loser or ""

    def __str__(self) -> str:
        pair = (
            f"{self.winner} as the winner and {self.loser} as the loser"
            if self.loser is not None
            else f"{self.first} as the item shown first, {self.second} as the one shown second, "
            f"{self.winner} as the winner"
        )
        others = (
            (self.judge, "the judge"),
            (self.kind, "its kind"),
            (self.count, "the number of comparisons"),
            (self.confidence, "the judge's confidence"),
            (self.probability, "the probability that the first is better"),
        )
        return ", ".join([pair, *(f"{heading} as {role}" for heading, role in others if heading is not None)])


def read_heading(heading: Sequence[str]) -> Columns:
    """The role of each column.

    Raises:
        LookupError: a column that is needed is missing, or there twice; it holds the column's name.
    """
    has = _Heading.of(heading)
    first, second, winner = has.named(*_FIRST), has.named(*_SECOND), has.named(*_WINNER)
    if first is None and second is None and winner is not None:
        first, second = next(
            ((has.named(a), has.named(b)) for a, b in _SHORT_PAIRS if has.named(a) and has.named(b)), (None, None)
        )
    chosen, not_chosen = has.named(*_CHOSEN), has.named(*_NOT_CHOSEN)
    judge, count, confidence = has.named(*_JUDGE), has.named(*_COUNT), has.named(*_CONFIDENCE)
    kind = has.named("judge_kind", "judge_type")
    if first is None and second is None and chosen is not None and not_chosen is not None:
        return Columns(
            first=None,
            second=None,
            winner=chosen,
            loser=not_chosen,
            judge=judge,
            count=count,
            confidence=confidence,
            kind=kind,
        )
    if first is None and second is None and (chosen or not_chosen):
        raise LookupError("candidate_chosen" if chosen is None else "candidate_not_chosen")
    if first is None or second is None:
        raise LookupError("item_a" if first is None else "item_b")
    if winner is None:
        raise LookupError("winner")
    return Columns(
        first=first,
        second=second,
        winner=winner,
        loser=None,
        judge=judge,
        count=count,
        confidence=confidence,
        probability=has.named(*_PROBABILITY),
        bound=has.named("probability_is_bound"),
        kind=kind,
    )


def read_grades_heading(heading: Sequence[str]) -> tuple[str, str]:
    """The columns of the items and of their grades, as the heading writes them.

    >>> read_grades_heading(["Essay", "Grade"])
    ('Essay', 'Grade')

    Raises:
        LookupError: a column is missing, or there twice; it holds the column's name.
    """
    has = _Heading.of(heading)
    item, grade = has.named(*ITEM_NAMES), has.named("grade")
    if item is None or grade is None:
        raise LookupError("item" if item is None else "grade")
    return item, grade


def names_win(rows: Sequence[tuple[str, str, str]], *, column: str) -> bool:
    """Whether the column of winners holds names of items, and not places.

    Args:
        rows: first, second and winner of each row.
        column: its heading. Under `winner` and `result`, what can be both is a place.
    """
    decided = [row for row in rows if not says_nothing(row[2])]
    named = sum(winner in {first, second} for first, second, winner in decided)
    placed = sum(place_of(winner, column=column) is not None for _, _, winner in decided)
    return named > placed or (named == placed > 0 and _key(column) not in {"winner", *_RESULT_NAMES})


def place_of(winner: str, *, column: str) -> float | None:
    """1 if the cell says that the first won, 0 for the second, .5 for neither; None if it is no place."""
    word = _key(winner) or winner
    if word in _NEITHER_WON:
        return 0.5
    if word in _FIRST_WON or word in _SECOND_WON:
        return float(word in _FIRST_WON)
    return (_RESULTS if _key(column) in _RESULT_NAMES else _NUMBERED).get(word)


def is_kind_of_model(kind: str) -> bool | None:
    """Whether the cell says that the judge is a model; None if it says nothing known.

    >>> [is_kind_of_model(kind) for kind in ("LLM", "teacher", "?")]
    [True, False, None]
    """
    key = _key(kind)
    return key in _MODELS if key in _MODELS | _PEOPLE else None


def says_nothing(cell: str) -> bool:
    """Whether the cell is one of the ways to write that there is no value."""
    return _key(cell) in _MISSING and cell != "="


@dataclass(frozen=True, slots=True)
class _Heading:
    """Heading → how it stands in the table, under a key without capitals, spaces and underscores."""

    places: dict[str, list[str]]

    @classmethod
    def of(cls, heading: Sequence[str]) -> _Heading:
        places: dict[str, list[str]] = {}
        for name in heading:
            places.setdefault(_key(name), []).append(name)
        return cls(places)

    def named(self, *names: str) -> str | None:
        """The heading of the first of these names that the table has.

        Raises:
            LookupError: the table has it twice.
        """
        for name in names:
            spelled = self.places.get(_key(name), [])
            if len(spelled) > 1:
                raise LookupError(name)
            if spelled:
                return spelled[0]
        return None


def _key(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
