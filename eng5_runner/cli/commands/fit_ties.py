"""What `fit` says of ties: how they were counted, what that makes of the standard errors, and the model of its own."""

from __future__ import annotations

from collections.abc import Iterator

from eng5_runner.cli.commands.fit_table import Judged
from eng5_runner.measure.model.comparisons import Comparisons
from eng5_runner.measure.model.davidson import MOST_ITEMS, TiedFit

_DECIMALS = 9
_TIE = 0.5


def in_ties(comparisons: Comparisons) -> frozenset[str]:
    """The items that tied: a tie counts half a win for each, and their standard errors are those of no model."""
    tied = comparisons.outcome == _TIE
    places = {*comparisons.first[tied].tolist(), *comparisons.second[tied].tolist()}
    return frozenset(comparisons.items[place] for place in places)


def ties_columns(tied: TiedFit | None) -> dict[str, dict[str, float]]:
    """More columns for a table of items: heading → item → θ or its standard error with ties as answers of their own."""
    if tied is None:
        return {}
    figures = {"davidson_theta": tied.theta, "davidson_se": tied.standard_errors}
    return {
        heading: {item: round(value, _DECIMALS) + 0.0 for item, value in zip(tied.items, column.tolist(), strict=True)}
        for heading, column in figures.items()
    }


def ties_words(judged: Judged, tied: TiedFit | None) -> Iterator[str]:
    """For people."""
    yield (
        f"{judged.ties} ties count half a win for each side; the standard errors above are then quasi-likelihood, with "
        "many ties too large"
    )
    if tied is None:
        yield f"Davidson's model, with ties as answers of their own, takes at most {MOST_ITEMS} items, not all tied"
        return
    yield (
        f"with ties as answers of their own (Davidson): two equals tie {tied.equals_tie:.0%} of the time, mean "
        f"standard error {tied.standard_errors.mean():.2f} at a spread of {tied.theta.std():.2f} logits; "
        "--out has them all"
    )
