"""Each essay's judgements: won against, lost to, the surprising ones first; and the inverted pairs of anchors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import number, percent, times
from eng5_runner.reports.html import Child, element
from eng5_runner.reports.inverted_pairs import inverted_pairs
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import InvertedAnchorPair
from eng5_runner.results.artefact.measurement import BTEntry
from eng5_runner.results.artefact.study import Comparison

# A page of a few megabytes opens everywhere: so many rows, and so many letters of them.
_MOST_SHOWN = 12_000
_MOST_CHARACTERS = 2_000_000
_MOST_ESSAYS = 1_500
_FEWEST_SHOWN = 4
# Of a row without its reason; and what stays of a reason where the whole ones do not fit.
_ROW_CHARACTERS, _LONGEST_REASON = 130, 400
# A result that the final order gave less than this chance.
_SURPRISING = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """One judgement as one of its essays sees it."""

    row: Comparison
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """An essay's judgements.

    Attributes:
        shown: the places of its most surprising ones in the artefact's list, with their chances.
        wins: how many it won.
        judged: how many there are.
        surprising: how many of them are.
    """

    shown: tuple[tuple[int, float], ...]
    wins: int
    judged: int
    surprising: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """The essays whose judgements the page shows: all, or those with the most surprising ones.

    Attributes:
        by_essay: of the shown ones.
        note: what is left out, in words; empty where nothing is.
        longest_reason: how many letters of a reason are shown; None for all.
    """

    by_essay: Mapping[str, _Fold]
    note: str
    longest_reason: int | None

    @classmethod
    def of(cls, artefact: Artefact) -> Folds:
        """Choose the judgements, the most surprising first, in one pass over their columns."""
        entries, columns = artefact.bt_summary, artefact.columns
        essays, judged = len(entries), len(columns.first)
        if not judged:
            return cls(by_essay={}, note="", longest_reason=None)
        reason = columns.reason_characters // judged
        is_whole = 2 * judged * (_ROW_CHARACTERS + reason) <= _MOST_CHARACTERS
        each = _ROW_CHARACTERS + (reason if is_whole else min(reason, _LONGEST_REASON))
        in_all = min(_MOST_SHOWN, _MOST_CHARACTERS // each)
        drawn = min(essays, _MOST_ESSAYS, in_all // _FEWEST_SHOWN)
        most = max(in_all // drawn, _FEWEST_SHOWN)
        note = ""
        if drawn < essays:
            note = (
                f"Shown are the {drawn} of {essays} essays with the most surprising results, up to {most} judgements "
                f"of each, {in_all} in all."
            )
        if not is_whole:
            note += f" Reasons end after {_LONGEST_REASON} letters."
        sides = _Sides.of(artefact)
        return cls(
            by_essay={entries[place].essay_id: sides.fold(place, most=most) for place in sides.surprised(drawn)},
            note=note.strip(),
            longest_reason=None if is_whole else _LONGEST_REASON,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sides:
    """Each judgement twice, once for the winner and once for the loser, the most surprising of each essay first.

    Attributes:
        row: the place in the artefact's list, shape (2 judgements,).
        chance: of the result by the final order.
        won: whether the essay won.
        starts: where each essay's begin, and the end of all, shape (essays + 1,).
    """

    row: NDArray[np.int32]
    chance: NDArray[np.float64]
    won: NDArray[np.bool_]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, artefact: Artefact) -> _Sides:
        columns, model = artefact.columns, artefact.bt_model
        effect = None if model is None else model.position_effect
        first, second = np.array(columns.first), np.array(columns.second)
        first_won = np.array(columns.first_won, dtype=bool)
        winner, loser = np.where(first_won, first, second), np.where(first_won, second, first)
        theta = np.array([entry.theta for entry in artefact.bt_summary])
        ahead = 0.0 if effect is None else effect.estimate
        gap = theta[winner] - theta[loser] + np.where(first_won, ahead, -ahead)
        chance = np.tile(1.0 / (1.0 + np.exp(-gap)), 2)
        essay, row = np.concatenate([winner, loser]), np.tile(np.arange(first.size, dtype=np.int32), 2)
        order = np.lexsort((row, chance, essay))
        starts = np.searchsorted(essay[order], np.arange(theta.size + 1))
        return cls(row=row[order], chance=chance[order], won=order < first.size, starts=starts)

    def surprised(self, most: int) -> list[int]:
        """The places of the essays with the most surprising judgement, in the order of the essays."""
        judged = np.flatnonzero(np.diff(self.starts))
        lowest = np.ones(self.starts.size - 1)
        lowest[judged] = self.chance[self.starts[judged]]
        return sorted(np.argsort(lowest, kind="stable")[:most].tolist())

    def fold(self, essay: int, *, most: int) -> _Fold:
        """What is shown of one essay."""
        start, end = int(self.starts[essay]), int(self.starts[essay + 1])
        shown = slice(start, min(start + most, end))
        return _Fold(
            shown=tuple(zip(self.row[shown].tolist(), self.chance[shown].tolist(), strict=True)),
            wins=int(self.won[start:end].sum()),
            judged=end - start,
            surprising=int((self.chance[start:end] < _SURPRISING).sum()),
        )


def essay_by_essay(artefact: Artefact, *, folds: Folds, texts: Mapping[str, str]) -> Iterator[Child]:
    """A fold for each essay that is shown.

    Args:
        artefact: of the run.
        folds: the judgements to show.
        texts: essay id → its text; empty where texts have no place on the page.
    """
    if not folds.by_essay:
        return
    entries = {entry.essay_id: entry for entry in artefact.bt_summary}
    drawn = [
        _essay(entries[essay_id], fold, artefact=artefact, entries=entries, longest=folds.longest_reason)
        for essay_id, fold in folds.by_essay.items()
    ]
    for essay_id, made in zip(folds.by_essay, drawn, strict=True):
        if essay_id in texts:
            made.extend([element("h4", "The text"), element("div", texts[essay_id], class_="essay")])
    yield element(
        "section",
        element("h2", "Essay by essay", id="essays"),
        element(
            "p",
            "Open an essay to see whom it won against and lost to, the most surprising results first, each with the "
            "judge's reason. The chance is what the final positions give the result. "
            f"{f'{folds.note} ' if folds.note else ''}tables/comparisons.csv has all.",
            class_="note",
        ),
        element("div", *drawn, data_search="essays"),
        class_="folds foldable",
    )


def _essay(
    entry: BTEntry, fold: _Fold, *, artefact: Artefact, entries: Mapping[str, BTEntry], longest: int | None
) -> Element:
    shown = [_Judgement(row=artefact.llm_comparisons[place], chance=chance) for place, chance in fold.shown]
    won = [one for one in shown if one.row.winner_id == entry.essay_id]
    lost = [one for one in shown if one.row.winner_id != entry.essay_id]
    grade = entry.anchor_grade or entry.grade_projection
    facts = f"rank {entry.rank}, {'no grade' if grade is None else grade}, {fold.wins} won, "
    facts += f"{fold.judged - fold.wins} lost"
    if fold.surprising:
        facts += f", {fold.surprising} surprising"
    lists = [
        part
        for title, some, other in (("Won against", won, "loser_id"), ("Lost to", lost, "winner_id"))
        if some
        for part in (
            element("h4", title),
            element("ul", *(_judgement(one, entries[getattr(one.row, other)], longest=longest) for one in some)),
        )
    ]
    if len(shown) < fold.judged:
        lists.append(
            element("p", f"The {len(shown)} most surprising of {counted(fold.judged, 'judgement')}.", class_="note")
        )
    title = element("h3", entry.essay_id)
    return element("details", element("summary", title, f" {facts}"), *lists, id=entry.essay_id)


def _judgement(one: _Judgement, other: BTEntry, *, longest: int | None) -> Element:
    grade = other.anchor_grade or other.grade_projection
    facts = [f"rank {other.rank}", *(() if grade is None else (grade,)), f"chance {percent(one.chance)}"]
    return element(
        "li",
        element("strong", other.essay_id),
        f" ({', '.join(facts)}{_sure(one.row)}): ",
        element("q", _cut(one.row.justification, longest)) if one.row.justification else "no reason given",
        class_="surprise" if one.chance < _SURPRISING else "usual",
    )


def _cut(reason: str, longest: int | None) -> str:
    return reason if longest is None or len(reason) <= longest else f"{reason[:longest]}…"


def _sure(row: Comparison) -> str:
    return "" if row.confidence is None else f", confidence {number(row.confidence, 1)}"


def inversions(artefact: Artefact) -> Iterator[Child]:
    """The pairs of anchors that the judge ordered against the experts, each with all reasons."""
    alignment = artefact.anchor_alignment
    found = None if alignment is None else alignment.inversions
    if found is None or not found.pairs:
        return
    shown = inverted_pairs(artefact, found)
    summary = (
        f"Of {counted(found.pairs, 'pair')} of anchors with different grades that were judged, "
        f"{times(found.inverted)} are in "
        f"the wrong order; a judge of this scale would invert {number(found.expected, 1)}."
    )
    yield element(
        "section",
        element("h3", "Inverted pairs of anchors"),
        element("p", summary),
        *(_inverted(pair, rows) for pair, rows in shown.pairs),
        *((element("p", shown.rest, class_="note"),) if shown.rest else ()),
        class_="folds",
    )


def _inverted(pair: InvertedAnchorPair, rows: Sequence[Comparison]) -> Element:
    even = pair.lost_by_higher * 2 == pair.questions
    title = f"{pair.lower} ({pair.lower_grade}) {'even with' if even else 'over'} {pair.higher} ({pair.higher_grade})"
    reasons = [
        element(
            "li",
            f"{row.essay_a_id} shown first, ",
            element("strong", row.winner_id),
            f" won{_sure(row)}: ",
            element("q", row.justification) if row.justification else "no reason given",
        )
        for row in rows
    ]
    return element("details", element("summary", element("h4", title)), element("ul", *reasons))
