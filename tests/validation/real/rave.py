"""The same texts judged by people and by a language model: alone, together, and thrown into one pot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.app.fit import fit
from eng5_runner.measure.model.bradley_terry import fit as fit_model
from eng5_runner.measure.model.comparisons import merged
from eng5_runner.measure.quality.misfit import chances
from tests.validation.checks import Row, Table

if TYPE_CHECKING:
    from pathlib import Path

    from eng5_runner.measure.model.comparisons import Comparisons
    from eng5_runner.results.fit import FitResult

_FOLDS = 5
_SEED = 1


def table(path: Path) -> Table:
    """Log loss of people's judgements that were not fitted, and how far both kinds of judges agree."""
    result = fit(path)
    human = result.human
    if human is None or human.agreement is None or human.log_loss_alone is None or human.log_loss_joint is None:
        raise ValueError(f"{path} has no people and models that judged the same texts")
    pooled, alone = _not_told_apart(result)
    among = human.agreement_among_people
    low, high = human.agreement.interval_90
    rows = (
        Row("people alone", (f"{human.log_loss_alone:.3f}", _share(among)), ()),
        Row("model alone", (f"{alone:.3f}", f"{human.agreement.share:.3f} ({low:.3f} to {high:.3f})"), ()),
        Row(
            "both, as the program fits them",
            (f"{human.log_loss_joint:.3f}", "–"),
            (("better than people alone", human.log_loss_joint < human.log_loss_alone),),
        ),
        Row("both, thrown into one pot", (f"{pooled:.3f}", "–"), ()),
    )
    columns = ("log loss of held-out human judgements (a coin: .693)", "agreement with human judgements, 90% interval")
    title = (
        f"People and a model: {human.judgements} human and {human.model_judgements} model judgements of the same texts"
    )
    return Table(title=title, columns=columns, rows=rows)


def _share(agreement: object) -> str:
    share, interval = getattr(agreement, "share", None), getattr(agreement, "interval_90", None)
    return "–" if share is None or interval is None else f"{share:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _not_told_apart(result: FitResult) -> tuple[float, float]:
    """The log loss of people's judgements by all others in one fit, and by the model's alone."""
    judges, models = result.table.judges, result.table.models
    people = merged(tuple(data for judge, data in judges.items() if judge not in models))
    machine = merged(tuple(data for judge, data in judges.items() if judge in models))
    fold = np.random.default_rng(_SEED).permutation(people.first.size) % _FOLDS
    losses = [
        _loss(fit_model(merged((machine, _part(people, fold != held)))), _part(people, fold == held))
        for held in range(_FOLDS)
    ]
    return float(np.concatenate(losses).mean()), float(_loss(fit_model(machine), people).mean())


def _part(data: Comparisons, chosen: np.ndarray) -> Comparisons:
    return type(data)(
        items=data.items,
        first=data.first[chosen],
        second=data.second[chosen],
        outcome=data.outcome[chosen],
        weight=data.weight[chosen],
    )


def _loss(fitted: object, held: Comparisons) -> np.ndarray:
    p = np.clip(chances(fitted, held), 1e-12, 1.0 - 1e-12)
    return -np.repeat(held.outcome * np.log(p) + (1.0 - held.outcome) * np.log1p(-p), held.weight.astype(int))
