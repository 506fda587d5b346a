"""What `fit` tells people: the items in order, and below them how far the order can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.cli.commands.fit_table import Judged
from eng5_runner.measure.model.bradley_terry import Fit
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import (
    Consistency,
    misfit,
    position_effect,
    repeat_consistency,
    swap_consistency,
)
from eng5_runner.measure.quality.triads import circular_triads

# The number of triads grows with the cube of an item's comparisons.
_CLOSE_LOOK_UP_TO = 1_500

Value: TypeAlias = int | float | str | list[str] | dict[str, float] | None
Entry: TypeAlias = Mapping[str, Value]


def show(
    console: Console,
    fitted: Fit,
    *,
    items: Sequence[Entry],
    judged: Judged,
    reliability: Mapping[str, object],
    refusal: str | None,
) -> None:
    """Print the items, the highest first, and a few lines on the whole."""
    console.print(_table(items))
    for line in (*_whole(fitted, judged), *_reliability(reliability), *_consistency(fitted), *_judges(fitted, judged)):
        console.print(line, markup=False)
    if refusal is not None:
        console.print(f"no grades are projected: {refusal}", markup=False)


def _table(items: Sequence[Entry]) -> Table:
    table = Table("rank", "item", "θ ± SE", "judged", "won", "infit", "grade", "P", "", box=SIMPLE)
    for rank, entry in enumerate(items, start=1):
        shares, grade, flags = entry["grade_probabilities"], str(entry["grade"] or ""), entry["flags"]
        infit = entry["infit"]
        table.add_row(
            str(rank),
            escape(str(entry["item"])),
            f"{entry['theta']:+.2f} ± {entry['se']:.2f}",
            f"{entry['comparisons']:.0f}",
            f"{entry['wins']:g}",
            f"{infit:.2f}" if isinstance(infit, float) else "",
            escape(grade),
            f"{shares[grade]:.2f}" if isinstance(shares, dict) else "",
            escape(", ".join(flags).replace("_", " ") if isinstance(flags, list) else ""),
        )
    return table


def _whole(fitted: Fit, judged: Judged) -> Iterator[str]:
    known = "estimated" if fitted.prior_sd_estimated else "as given"
    yield (
        f"{judged.comparisons.weight.sum():.0f} comparisons of {len(fitted.items)} items, {judged.missing} missing; "
        f"prior sd {fitted.prior_sd:.2f} logits ({known})"
    )
    if fitted.components > 1:
        yield (
            f"the comparisons fall into {fitted.components} parts that nothing links; "
            "items of different parts are placed against each other by the prior alone"
        )
    if not fitted.converged:
        yield "the fit has not converged; do not use it"
    effect = position_effect(fitted)
    if effect is not None:
        low, high = effect.interval
        yield (
            f"advantage of being shown first: {effect.estimate:+.2f} logits (90% interval {low:+.2f} to {high:+.2f}): "
            f"of two equal items the first wins {effect.first_wins:.0%}"
        )


def _reliability(reliability: Mapping[str, object]) -> Iterator[str]:
    interval, ssr = reliability["interval"], reliability["ssr"]
    if isinstance(interval, list):
        yield f"reliability: {reliability['eb']:.2f} (90% interval {interval[0]:.2f} to {interval[1]:.2f})"
    told = "undefined here" if ssr is None else f"{ssr:.2f}"
    yield f"scale separation reliability, to compare with other studies: {told}; inflated where pairing was adaptive"


def _consistency(fitted: Fit) -> Iterator[str]:
    for name, found in (
        ("same pair in the same order", repeat_consistency(fitted)),
        ("same pair in the other order", swap_consistency(fitted)),
    ):
        if found.asked:
            yield f"{name}: {_share(found)} of {found.asked:.0f} agree"
    if len(fitted.items) > _CLOSE_LOOK_UP_TO:
        return
    robust = errors_by_pair(fitted)
    if robust is not None:
        ratio = robust.mean() / fitted.standard_errors.mean()
        yield f"clustered by pair, the standard errors are {ratio:.2f} times as large"
    triads = circular_triads(fitted)
    if triads.complete:
        yield (
            f"circular triads: {triads.circular} of {triads.complete}, {triads.expected:.0f} expected by the positions"
        )


def _share(found: Consistency) -> str:
    return f"{found.agreed / found.asked:.0%} ({found.expected / found.asked:.0%} expected)"


def _judges(fitted: Fit, judged: Judged) -> Iterator[str]:
    for name, own in judged.judges.items():
        surprise = misfit(fitted, own)
        if own.weight.size:
            yield (
                f"judge {name or '(not named)'}: {own.weight.sum():.0f} comparisons, "
                f"infit {surprise.infit_overall:.2f}, outfit {surprise.outfit_overall:.2f}"
            )
