"""Two runs side by side: how far positions, grades and verdicts agree, and what each cost.

Essays are the same where their texts are (SHA-256), whatever they are called. Intervals are of 90%, by drawing essays
(or anchors) anew with a fixed seed; of fewer than six there is none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from eng5_runner.canonical import Json
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.measure.quality.alignment import adjacent_agreement, bias, exact_agreement
from eng5_runner.measure.quality.inversions import wilson
from eng5_runner.measure.quality.resampling import (
    Measure,
    bootstrap_interval,
    kendall_tau_b_of_each,
    of_one,
    pearson_of_each,
    spearman_of_each,
    weighted_kappa_of_each,
)
from eng5_runner.results.reading import Object, number, rows, table_of

SEED = 1
DRAWS = 1000
_FEWEST = 3
_DECIMALS = 6
Found: TypeAlias = "dict[str, Json]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """An essay of both runs, under its names there."""

    a: str
    b: str
    is_anchor: bool


def compare_artefacts(a: Object, b: Object) -> Found:
    """All figures, each None where it is not defined.

    Returns:
        An object for JSON: `runs`, `essays`, `positions`, `grades`, `verdicts`, `anchors`, `costs`.
    """
    pairs = _same_essays(a, b)
    return {
        "runs": [_run(each) for each in (a, b)],
        "essays": {"shared": len(pairs), "only_in_a": _essays(a) - len(pairs), "only_in_b": _essays(b) - len(pairs)},
        "positions": _positions(a, b, pairs=pairs),
        "grades": _grades(a, b, pairs=pairs),
        "verdicts": _verdicts(a, b, pairs=pairs),
        "anchors": _anchors(a, b, pairs=pairs),
        "costs": [_cost(each) for each in (a, b)],
    }


def _run(artefact: Object) -> Found:
    metadata, hashes = table_of(artefact["metadata"]), table_of(artefact["prompt_hashes"])
    kept = ("batch_label", "batch_uuid", "runner_version", "grade_scale", "seed", "inputs_sha256", "judges")
    return {key: metadata.get(key) for key in kept} | {
        "outcome": table_of(artefact["runner_status"]).get("outcome"),
        "reliability": table_of(table_of(artefact["bt_model"]).get("reliability")).get("empirical_bayes"),
        "prompts": hashes.get("digest"),
    }


def _essays(artefact: Object) -> int:
    inputs = table_of(artefact["inputs"])
    return len(rows(inputs.get("anchors"))) + len(rows(inputs.get("students")))


def _same_essays(a: Object, b: Object) -> list[_Pair]:
    there = {sha256: name for sha256, name, _ in _named(b)}
    return [_Pair(a=name, b=there[sha256], is_anchor=anchor) for sha256, name, anchor in _named(a) if sha256 in there]


def _named(artefact: Object) -> list[tuple[str, str, bool]]:
    """The text's checksum, the name and whether it is an anchor."""
    inputs = table_of(artefact["inputs"])
    anchors = [(str(one["text_sha256"]), str(one["anchor_id"]), True) for one in rows(inputs.get("anchors"))]
    return anchors + [(str(one["text_sha256"]), str(one["essay_id"]), False) for one in rows(inputs.get("students"))]


def _positions(a: Object, b: Object, *, pairs: Sequence[_Pair]) -> Found | None:
    one, other = (_by_essay(each["bt_summary"]) for each in (a, b))
    both = [pair for pair in pairs if pair.a in one and pair.b in other]
    if len(both) < _FEWEST:
        return None
    sides = ([number(one[p.a]["theta"]) for p in both], [number(other[p.b]["theta"]) for p in both])
    r = of_one(pearson_of_each, sides)
    # What two judges would agree if each were asked without end: r over the root of both reliabilities. Only where
    # their errors are independent: the same judge errs alike when it is asked the same.
    reliable = [number(_run(each)["reliability"]) for each in (a, b)]
    apart = all(reliable) and not (_same_prompts(a, b) and _judges(a) & _judges(b))
    moves = sorted(both, key=lambda p: -abs(number(one[p.a]["rank"]) - number(other[p.b]["rank"])))
    return {
        "essays": len(both),
        "pearson": _with_interval(pearson_of_each, sides),
        "pearson_disattenuated": _rounded(r / math.sqrt(reliable[0] * reliable[1])) if apart and r else None,
        "spearman": _with_interval(spearman_of_each, sides),
        "kendall_tau_b": _with_interval(kendall_tau_b_of_each, sides),
        "moves": [
            {"essay_a": p.a, "essay_b": p.b, "rank_a": one[p.a]["rank"], "rank_b": other[p.b]["rank"]} for p in moves
        ],
    }


def _same_prompts(a: Object, b: Object) -> int:
    """How many comparisons of B asked the very text that one of A asked."""
    asked = {one.get("prompt_hash") for one in rows(a["llm_comparisons"])} - {None}
    return sum(one.get("prompt_hash") in asked for one in rows(b["llm_comparisons"]))


def _judges(artefact: Object) -> set[tuple[str, str]]:
    return {(str(one["provider"]), str(one["model"])) for one in rows(artefact["llm_comparisons"])}


def _by_essay(entries: Json) -> dict[str, Object]:
    return {str(entry["essay_id"]): entry for entry in rows(entries)}


def _grades(a: Object, b: Object, *, pairs: Sequence[_Pair]) -> Found | None:
    scales = [str(table_of(each["metadata"]).get("grade_scale")) for each in (a, b)]
    one, other = (_by_essay(each["grade_projections"]) for each in (a, b))
    both = [pair for pair in pairs if pair.a in one and pair.b in other]
    if scales[0] != scales[1] or not both:
        return None
    outcomes = GRADE_SCALES[scales[0]].outcomes
    first = [outcomes.index(str(one[p.a]["grade"])) for p in both]
    second = [outcomes.index(str(other[p.b]["grade"])) for p in both]
    return {
        "students": len(both),
        "exact": _rounded(exact_agreement(first, second)),
        "within_one": _rounded(adjacent_agreement(first, second)),
        "quadratic_weighted_kappa": _with_interval(weighted_kappa_of_each, (first, second)),
        "b_higher_by_steps": _rounded(bias(first, second)),
    }


def _verdicts(a: Object, b: Object, *, pairs: Sequence[_Pair]) -> Found:
    """Pairs that both judged, in whatever order and however often: does the majority prefer the same essay?"""
    names = {pair.b: pair.a for pair in pairs}
    one = _wins(a["llm_comparisons"], {pair.a: pair.a for pair in pairs})
    other = _wins(b["llm_comparisons"], names)
    shared = sorted(one.keys() & other.keys())
    decided = [pair for pair in shared if one[pair].share != 0.5 and other[pair].share != 0.5]  # noqa: PLR2004 - a tie
    flips = [pair for pair in decided if (one[pair].share > 0.5) != (other[pair].share > 0.5)]  # noqa: PLR2004 - a tie
    agree = len(decided) - len(flips)
    interval = wilson(agree, len(decided)) if decided else None
    return {
        "shared_pairs": len(shared),
        "same_prompts": _same_prompts(a, b),
        "decided_by_both": len(decided),
        "agreement": _rounded(agree / len(decided)) if decided else None,
        "interval_90": None if interval is None else [_rounded(end) for end in interval],
        "flips": [
            {
                "essays": list(pair),
                "why_a": one[pair].why,
                "why_b": other[pair].why,
                "a_prefers": one[pair].better(pair),
            }
            for pair in flips
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How often the first of a pair's names won, and a reason that was given."""

    share: float
    why: str | None

    def better(self, pair: tuple[str, str]) -> str:
        """The essay that won more often."""
        return pair[0] if self.share > 0.5 else pair[1]  # noqa: PLR2004 - the half


def _wins(comparisons: Json, names: Mapping[str, str]) -> dict[tuple[str, str], _Verdict]:
    """For each pair of A's names in the alphabet's order."""
    found: defaultdict[tuple[str, str], list[Object]] = defaultdict(list)
    for one in rows(comparisons):
        essays = [names.get(str(one[key])) for key in ("essay_a_id", "essay_b_id")]
        if essays[0] is not None and essays[1] is not None:
            first, second = sorted((essays[0], essays[1]))
            found[first, second].append(one)
    return {pair: _verdict(pair, calls, names=names) for pair, calls in found.items()}


def _verdict(pair: tuple[str, str], calls: Sequence[Object], *, names: Mapping[str, str]) -> _Verdict:
    won = [names[str(one["winner_id"])] == pair[0] for one in calls]
    reasons = [str(one["justification"]) for one in calls if one.get("justification")]
    return _Verdict(share=sum(won) / len(won), why=reasons[0] if reasons else None)


def _anchors(a: Object, b: Object, *, pairs: Sequence[_Pair]) -> Found | None:
    """Which of the two orders the anchors more as the experts did, on the anchors that both have."""
    one, other = (_by_essay(each["bt_summary"]) for each in (a, b))
    scale = GRADE_SCALES.get(str(table_of(a["metadata"]).get("grade_scale")))
    both = [p for p in pairs if p.is_anchor and p.a in one and p.b in other and "anchor_grade" in one[p.a]]
    if scale is None or len(both) < _FEWEST:
        return None
    grades = [float(scale.index(str(one[p.a]["anchor_grade"]))) for p in both]
    places = [float(place) for place in range(len(both))]
    thetas = ([number(one[p.a]["theta"]) for p in both], [number(other[p.b]["theta"]) for p in both])

    def difference(drawn: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
        taus = [kendall_tau_b_of_each(np.asarray(theta)[drawn.astype(np.int64)], known) for theta in thetas]
        return taus[1] - taus[0]

    found = _with_interval(difference, (places, grades))
    return {
        "anchors": len(both),
        "tau_b_a": _with_interval(kendall_tau_b_of_each, (thetas[0], grades)),
        "tau_b_b": _with_interval(kendall_tau_b_of_each, (thetas[1], grades)),
        "b_minus_a": found,
        "verdict": _better(found),
    }


def _better(difference: Found) -> str:
    interval = difference["interval_90"]
    if not isinstance(interval, list) or number(interval[0]) <= 0.0 <= number(interval[1]):
        return "cannot tell"
    return "b agrees more with the experts" if number(interval[0]) > 0.0 else "a agrees more with the experts"


def _cost(artefact: Object) -> Found:
    costs = table_of(artefact["costs"])
    counts, judged = rows(costs.get("token_counts")), len(rows(artefact["llm_comparisons"]))
    usd = number(costs.get("total_usd"))
    return {
        "judged": judged,
        "failed": len(rows(artefact["failed_comparisons"])),
        "usd": usd,
        "usd_per_comparison": round(usd / judged, 9) if judged else None,
        "prompt_tokens": round(sum(number(one["prompt_tokens"]) for one in counts)),
        "completion_tokens": round(sum(number(one["completion_tokens"]) for one in counts)),
    }


def _with_interval(measure: Measure, sides: tuple[Sequence[float], Sequence[float]]) -> Found:
    value = of_one(measure, sides)
    interval = bootstrap_interval(measure, sides, seed=SEED, draws=DRAWS)
    return {
        "estimate": None if value is None else _rounded(value),
        "interval_90": None if interval is None else [_rounded(end) for end in interval],
    }


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0
