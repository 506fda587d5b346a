"""Simulated studies and the reference data, shared by the tests of the statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eng5_runner.measure.design.pairing import Pair, next_round
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"


def reference(name: str) -> Any:
    """Results computed by other programs, named in the file."""
    return json.loads((DATA / f"{name}.json").read_text())


def table_rows(table: Iterable[tuple[str, str, int, int]]) -> list[tuple[str, str, float]]:
    """One row for each single win in a table of (first, second, wins of the first, wins of the second)."""
    return [
        (first, second, outcome)
        for first, second, wins, losses in table
        for outcome, times in ((1.0, wins), (0.0, losses))
        for _ in range(times)
    ]


def balanced_rounds(items: Sequence[str], *, rounds: int, seed: int, done: Sequence[Pair] = ()) -> list[list[Pair]]:
    """The next rounds of a balanced design, after those already done."""
    history = list(done)
    planned = []
    for _ in range(rounds):
        planned.append(next_round(items, history=history, seed=seed))
        history += planned[-1]
    return planned


def judged(
    pairs: Iterable[tuple[str, str]], *, truth: Mapping[str, float], seed: int, advantage: float = 0.0
) -> list[tuple[str, str, float]]:
    """What a judge says who obeys the model exactly."""
    generator = np.random.default_rng([seed, 1])
    return [(a, b, float(generator.random() < 1.0 / (1.0 + np.exp(truth[b] - truth[a] - advantage)))) for a, b in pairs]


def balanced_study(truth: NDArray[np.float64], *, rounds: int, seed: int, advantage: float = 0.0) -> Comparisons:
    """A balanced design of items "0", "1", … with these true positions."""
    items = [str(index) for index in range(len(truth))]
    pairs = [(pair.first, pair.second) for pairs in balanced_rounds(items, rounds=rounds, seed=seed) for pair in pairs]
    by_item = dict(zip(items, truth.tolist(), strict=True))
    return comparisons_from(items, judged(pairs, truth=by_item, seed=seed, advantage=advantage))


def normal_truth(n: int, *, spread: float, seed: int) -> NDArray[np.float64]:
    """True positions drawn from N(0, spread²)."""
    return np.random.default_rng([seed, 2]).normal(0.0, spread, n)


def by_names(values: Mapping[str, float], items: Sequence[str]) -> list[float]:
    """Named values in the order of the items."""
    return [values[item] for item in items]


def large_study(
    *, essays: int, comparisons: int, seed: int, spread: float = 1.8
) -> tuple[Comparisons, list[tuple[int, int]]]:
    """A study in random matchings, quick to make at any size; and its rows as (winner, loser)."""
    generator = np.random.default_rng([seed, 3])
    truth = generator.normal(0.0, spread, essays)
    half = essays // 2
    matchings = [generator.permutation(essays) for _ in range(comparisons // half)]
    first = np.concatenate([matching[:half] for matching in matchings])
    second = np.concatenate([matching[half : 2 * half] for matching in matchings])
    won = generator.random(first.size) < 1.0 / (1.0 + np.exp(truth[second] - truth[first] - 0.2))
    order = np.lexsort((won, second, first))
    study = Comparisons(
        items=tuple(f"essay-{index:05}" for index in range(essays)),
        first=first[order],
        second=second[order],
        outcome=won[order].astype(np.float64),
        weight=np.ones(first.size),
    )
    rows = [(a, b) if a_won else (b, a) for a, b, a_won in zip(first.tolist(), second.tolist(), won, strict=True)]
    return study, rows
