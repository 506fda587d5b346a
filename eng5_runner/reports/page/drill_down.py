"""Each essay's judgements: won against, lost to, the surprising ones first; and the inverted pairs of anchors."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from eng5_runner.reports.figures import number, percent
from eng5_runner.reports.html import Child, element
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import InvertedAnchorPair
from eng5_runner.results.artefact.measurement import BTEntry
from eng5_runner.results.artefact.study import Comparison

# More judgements make a page of many megabytes; each essay then shows its most surprising ones.
_MOST_SHOWN = 12_000
_FEWEST_SHOWN = 4
# A result that the final order gave less than this chance.
_SURPRISING = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """One judgement as one of its essays sees it."""

    row: Comparison
    chance: float


def essay_by_essay(artefact: Artefact, *, texts: Mapping[str, str]) -> Iterator[Child]:
    """A fold for each essay.

    Args:
        artefact: of the run.
        texts: essay id → its text; empty where texts have no place on the page.
    """
    if not artefact.llm_comparisons:
        return
    entries = {entry.essay_id: entry for entry in artefact.bt_summary}
    judgements = _by_essay(artefact, entries)
    most = max(_MOST_SHOWN // max(len(entries), 1), _FEWEST_SHOWN)
    folds = [
        _essay(entry, judgements[entry.essay_id], entries=entries, most=most, text=texts.get(entry.essay_id))
        for entry in artefact.bt_summary
    ]
    all_of_them = element("div", *folds, data_search="essays")
    yield element(
        "section",
        element("h2", "Essay by essay", id="essays"),
        element(
            "p",
            "Open an essay to see whom it won against and lost to, the most surprising results first, each with the "
            "judge's reason. The chance is what the final positions give the result. tables/comparisons.csv has all.",
            class_="note",
        ),
        all_of_them,
        class_="folds foldable",
    )


def _by_essay(artefact: Artefact, entries: Mapping[str, BTEntry]) -> Mapping[str, list[_Judgement]]:
    effect = None if artefact.bt_model is None else artefact.bt_model.position_effect
    first = 0.0 if effect is None else effect.estimate
    found: defaultdict[str, list[_Judgement]] = defaultdict(list)
    for row in artefact.llm_comparisons:
        gap = entries[row.winner_id].theta - entries[row.loser_id].theta + (first if row.first_won else -first)
        judgement = _Judgement(row=row, chance=1.0 / (1.0 + math.exp(-gap)))
        found[row.winner_id].append(judgement)
        found[row.loser_id].append(judgement)
    return found


def _essay(
    entry: BTEntry, judgements: Sequence[_Judgement], *, entries: Mapping[str, BTEntry], most: int, text: str | None
) -> Element:
    shown = sorted(judgements, key=lambda one: (one.chance, one.row.sequence))[:most]
    won = [one for one in shown if one.row.winner_id == entry.essay_id]
    lost = [one for one in shown if one.row.winner_id != entry.essay_id]
    grade = entry.anchor_grade or entry.grade_projection
    wins = sum(one.row.winner_id == entry.essay_id for one in judgements)
    facts = f"rank {entry.rank}, {'no grade' if grade is None else grade}, {wins} won, {len(judgements) - wins} lost"
    surprising = sum(one.chance < _SURPRISING for one in judgements)
    if surprising:
        facts += f", {surprising} surprising"
    lists = [
        part
        for title, some, other in (("Won against", won, "loser_id"), ("Lost to", lost, "winner_id"))
        if some
        for part in (element("h4", title), _list(some, other=other, entries=entries))
    ]
    if len(shown) < len(judgements):
        lists.append(element("p", f"The {len(shown)} most surprising of {len(judgements)} judgements.", class_="note"))
    if text is not None:
        lists += [element("h4", "The text"), element("div", text, class_="essay")]
    title = element("h3", entry.essay_id)
    return element("details", element("summary", title, f" {facts}"), *lists, id=entry.essay_id)


def _list(judgements: Sequence[_Judgement], *, other: str, entries: Mapping[str, BTEntry]) -> Element:
    return element("ul", *(_judgement(one, entries[getattr(one.row, other)]) for one in judgements))


def _judgement(one: _Judgement, other: BTEntry) -> Element:
    grade = other.anchor_grade or other.grade_projection
    facts = [f"rank {other.rank}", *(() if grade is None else (grade,)), f"chance {percent(one.chance)}"]
    return element(
        "li",
        element("strong", other.essay_id),
        f" ({', '.join(facts)}{_sure(one.row)}): ",
        element("q", one.row.justification) if one.row.justification else "no reason given",
        class_="surprise" if one.chance < _SURPRISING else "usual",
    )


def _sure(row: Comparison) -> str:
    return "" if row.confidence is None else f", confidence {number(row.confidence, 1)}"


def inversions(artefact: Artefact) -> Iterator[Child]:
    """The pairs of anchors that the judge ordered against the experts, each with all reasons."""
    alignment = artefact.anchor_alignment
    found = None if alignment is None else alignment.inversions
    if found is None or not found.pairs:
        return
    pairs = [pair for row in found.by_distance for pair in row.inverted_pairs]
    wanted = {number for pair in pairs for number in pair.comparisons}
    rows = {row.sequence: row for row in artefact.llm_comparisons if row.sequence in wanted}
    summary = (
        f"Of {found.pairs} pairs of anchors with different grades that were judged, {number(found.inverted, 1)} are in "
        f"the wrong order; a judge of this scale would invert {number(found.expected, 1)}."
    )
    yield element(
        "section",
        element("h3", "Inverted pairs of anchors"),
        element("p", summary),
        *(_inverted(pair, [rows[number] for number in pair.comparisons]) for pair in pairs),
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
