"""The pairs of anchors that the judge ordered against the experts, as many as a reader looks at, with their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import AnchorInversions, InvertedAnchorPair
from eng5_runner.results.artefact.study import Comparison

_MOST_PAIRS, _MOST_OF_A_PAIR = 200, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedPairs:
    """Pairs with their judgements.

    Attributes:
        pairs: the pairs that are shown, the nearest grades first.
        rest: where the others are, in words; empty where all are shown.
    """

    pairs: Sequence[tuple[InvertedAnchorPair, Sequence[Comparison]]]
    rest: str


def inverted_pairs(artefact: Artefact, inversions: AnchorInversions) -> InvertedPairs:
    """The first 200 pairs with 20 judgements each."""
    every = [pair for row in inversions.by_distance for pair in row.inverted_pairs]
    shown = every[:_MOST_PAIRS]
    is_whole = len(shown) == len(every) and all(len(pair.comparisons) <= _MOST_OF_A_PAIR for pair in every)
    rows = artefact.llm_comparisons
    rest = (
        f"Shown are {len(shown)} of {len(every)} inverted pairs with at most {_MOST_OF_A_PAIR} judgements each; "
        "the artefact's anchor_alignment lists all, and tables/comparisons.csv has every reason."
    )
    return InvertedPairs(
        pairs=[(pair, [rows[number - 1] for number in pair.comparisons[:_MOST_OF_A_PAIR]]) for pair in shown],
        rest="" if is_whole else rest,
    )
