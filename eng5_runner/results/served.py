"""What the calls of a run took, and which version of a model made them: a provider can change it in mid-run."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter

from eng5_runner.core.events import JudgeCheck
from eng5_runner.core.rounding import sum_of_usd
from eng5_runner.phrases import counted, listed
from eng5_runner.results.artefact.study import (
    Costs,
    Replayed,
    ReplayedUnknown,
    ReplaySavings,
    ServedModel,
    TokenCounts,
    TrialAnswer,
)

_MOST_NAMED = 4


@dataclass(slots=True)
class _Seen:
    """The comparisons of one version so far."""

    first_at: str
    last_at: str
    comparisons: int = 0


class ServedVersions:
    """Counts which version of each model made the comparisons."""

    def __init__(self) -> None:
        self._judges: defaultdict[tuple[str, str], dict[tuple[str | None, str | None], _Seen]] = defaultdict(dict)

    def note(self, judge: tuple[str, str], version: tuple[str | None, str | None], *, started: Sequence[str]) -> None:
        """Add comparisons: provider and model, the model that served them and its fingerprint, and when."""
        first, last = min(started), max(started)
        seen = self._judges[judge].setdefault(version, _Seen(first, last))
        seen.first_at, seen.last_at = min(seen.first_at, first), max(seen.last_at, last)
        seen.comparisons += len(started)

    def by_judge(self) -> dict[tuple[str, str], tuple[ServedModel, ...]]:
        """Provider and model of each judge → its versions, the earliest first; none where the provider names none."""
        return {judge: _earliest_first(versions) for judge, versions in sorted(self._judges.items())}


def _earliest_first(versions: Mapping[tuple[str | None, str | None], _Seen]) -> tuple[ServedModel, ...]:
    named = (
        ServedModel(
            model=model,
            system_fingerprint=fingerprint,
            comparisons=seen.comparisons,
            first_at=seen.first_at,
            last_at=seen.last_at,
        )
        for (model, fingerprint), seen in versions.items()
        if (model, fingerprint) != (None, None)
    )
    return tuple(sorted(named, key=lambda each: (each.first_at, each.model or "", each.system_fingerprint or "")))


def change_of(model: str, served: Sequence[ServedModel]) -> str | None:
    """That a provider changed what is behind a model's name, in words; None if it did not.

    >>> change_of("gpt-5.1", ())
    """
    if len(served) <= 1:
        return None
    named = listed([_version(each) for each in served], at_most=_MOST_NAMED)
    return f"the provider answered for {model} with {len(served)} versions: {named}"


def _version(served: ServedModel) -> str:
    name = " ".join(part for part in (served.model, served.system_fingerprint) if part)
    return f"{name} ({counted(served.comparisons, 'comparison')})"


@dataclass(slots=True)
class _Spent:
    """What the calls of one model took so far."""

    comparisons: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    unpriced: int = 0
    usd: array[float] = field(default_factory=lambda: array("d"))


class Spending:
    """Adds up what calls took. A replay took nothing; what it took when it was asked is apart."""

    def __init__(self) -> None:
        self._models: defaultdict[tuple[str, str], _Spent] = defaultdict(_Spent)
        self._replays = 0
        self._saved = array("d")

    def note(
        self,
        judge: tuple[str, str],
        *,
        tokens: tuple[int, int, int],
        usd: Sequence[float],
        unpriced: int = 0,
        replayed: Replayed | ReplayedUnknown | None = None,
    ) -> None:
        """Add calls of one model, failed or not.

        Args:
            judge: provider and model.
            tokens: read, written, and those of the first that came from the provider's cache; of all calls together.
            usd: the price of each.
            unpriced: how many of them have no known price.
            replayed: what a single call repeats.
        """
        spent = self._models[judge]
        spent.comparisons += len(usd)
        prompt, completion, cached = tokens
        spent.prompt_tokens += prompt
        spent.completion_tokens += completion
        spent.cached_tokens += cached
        spent.usd.extend(usd)
        spent.unpriced += unpriced
        if replayed is not None:
            self._replays += 1
            if isinstance(replayed, Replayed) and replayed.cost_usd is not None:
                self._saved.append(replayed.cost_usd)

    def costs(self, *, check: JudgeCheck | None = None) -> Costs:
        """The block of the artefact.

        Args:
            check: the answer that the judge's provider was asked for beforehand, if it was asked.
        """
        prices = chain.from_iterable(spent.usd for spent in self._models.values())
        return Costs(
            total_usd=sum_of_usd(chain(prices, [check.usd if check else 0.0])),
            token_counts=tuple(
                TokenCounts(
                    provider=provider,
                    model=model,
                    comparisons=spent.comparisons,
                    prompt_tokens=spent.prompt_tokens,
                    completion_tokens=spent.completion_tokens,
                    usd=sum_of_usd(spent.usd),
                    unpriced=spent.unpriced or None,
                    cached_tokens=spent.cached_tokens or None,
                )
                for (provider, model), spent in sorted(self._models.items(), key=itemgetter(0))
            ),
            test_answer=None if check is None else TrialAnswer(**check.model_dump()),
            replayed=ReplaySavings(comparisons=self._replays, saved_usd=sum_of_usd(self._saved))
            if self._replays
            else None,
        )
