"""Which of two runs decides pairs of anchors more often as the experts did, on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.rounding import rounded
from eng5_runner.measure.quality.paired import LEVEL, mcnemar, pairs_to_tell
from eng5_runner.phrases import counted
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.part import Count, Nullable, Part, Share

_EVEN = 0.5


class PairedVerdicts(Part):
    """Pairs of anchors of different grades that both runs decided; right is the verdict that the grades give."""

    pairs: Count
    """All of them."""
    both_right: Count
    """Pairs that both decided rightly."""
    only_a_right: Count
    """Pairs that only the first run decided rightly."""
    only_b_right: Count
    """Pairs that only the second run decided rightly."""
    p_value: Nullable[Share]
    """Of McNemar's exact test, two-sided; None where the runs never differ."""
    more_pairs: Nullable[Count]
    """About how many more such pairs would show a difference as large as this (level .1, power .8); 0 where there are
    enough, None where neither is right more often."""

    @property
    def verdict(self) -> str:
        """What they tell, in words."""
        if self.p_value is None or self.more_pairs is None:
            return "neither run decides more pairs of anchors as the experts did"
        better = "A" if self.only_a_right > self.only_b_right else "B"
        if self.p_value <= LEVEL:
            return f"{better} decides more pairs of anchors as the experts did"
        more = f"about {counted(self.more_pairs, 'more comparison')}" if self.more_pairs else "a few more comparisons"
        told = f"{more} of such pairs in each run would tell, if {better} is as much better as it looks"
        return f"cannot tell: {told}"


def paired_verdicts(
    shares: Mapping[tuple[str, str], tuple[float, float]], grades: Mapping[str, int]
) -> PairedVerdicts | None:
    """The pairs of anchors among those that both runs judged.

    Args:
        shares: for each pair how often its first essay won, in the first and in the second run.
        grades: anchor → its place on the scale.

    Returns:
        The counts; None where there is no such pair.
    """
    right: list[tuple[bool, bool]] = []
    for (first, second), (in_a, in_b) in shares.items():
        if first not in grades or second not in grades or grades[first] == grades[second] or _EVEN in (in_a, in_b):
            continue
        first_is_better = grades[first] > grades[second]
        right.append(((in_a > _EVEN) == first_is_better, (in_b > _EVEN) == first_is_better))
    if not right:
        return None
    only_a, only_b = right.count((True, False)), right.count((False, True))
    p_value = mcnemar(only_a, only_b)
    return PairedVerdicts(
        pairs=len(right),
        both_right=right.count((True, True)),
        only_a_right=only_a,
        only_b_right=only_b,
        p_value=None if p_value is None else rounded(p_value),
        more_pairs=pairs_to_tell(only_a, only_b, pairs=len(right)),
    )


def grade_places(run: Artefact) -> dict[str, int]:
    """Anchor → the place of its grade on the scale; nothing where the scale is not known."""
    scale = GRADE_SCALES.get(run.metadata.grade_scale)
    return {anchor.anchor_id: scale.index(anchor.grade) for anchor in run.inputs.anchors} if scale else {}
