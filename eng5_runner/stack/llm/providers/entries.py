"""The judges that the service offers: each with its entry in the model manifest, and what its provider lets it do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from eng5_runner.contracts.services import ModelEntry, ProviderTrouble
from eng5_runner.judges.catalogue import baseline_model, has_word_lists, spelling_model
from eng5_runner.stack.llm.baseline.word_lists import with_word_lists
from eng5_runner.stack.llm.judge import BaselineJudge, Judge, Question
from eng5_runner.stack.llm.providers.batches import BatchJudge

# The baseline waits for nobody; so many comparisons share a transaction.
_JUDGED_TOGETHER = 128


def _never_pauses() -> float:
    return 0.0


def _calls_nobody() -> int:
    """For a judge without a provider."""
    return 0


def _no_trouble() -> None:
    """For a judge without a provider."""


def _keeps_all(_: int) -> None:
    """For a judge without limits."""


def _no_system_prompt(_: Question) -> None:
    """For a judge without a system prompt."""


@dataclass(frozen=True, slots=True)
class JudgeEntry:
    """A judge and its entry in the model manifest.

    Attributes:
        model: the entry.
        judge: the judge.
        pauses: seconds until its provider is called again, after too many failures; 0 if it can be called now.
        trouble: that its provider gives no answer at the moment; None if it does.
        calls: the number of calls to its provider that wait for their answers.
        system: the exact system prompt of a question; None without one.
        concurrency: questions that its provider takes at the same time.
        batches: asks its provider's batch API; None if there is none that the service speaks.
        share: makes it keep to an equal part of its provider's limits, which so many workers have together.
    """

    model: ModelEntry
    judge: Judge
    pauses: Callable[[], float] = _never_pauses
    trouble: Callable[[], ProviderTrouble | None] = _no_trouble
    calls: Callable[[], int] = _calls_nobody
    system: Callable[[Question], str | None] = _no_system_prompt
    concurrency: int = 16
    batches: BatchJudge | None = None
    share: Callable[[int], None] = _keeps_all


def calls_under_way(judges: Iterable[JudgeEntry]) -> int:
    """How many calls to providers of paid judges wait for their answers; the judges of a provider share its count."""
    paid = (e for e in judges if (e.model.cost_per_1k_input_tokens, e.model.cost_per_1k_output_tokens) != (0, 0))
    return sum({entry.model.provider: entry.calls() for entry in paid}.values())


def offline_baseline() -> JudgeEntry:
    """The judge that needs no key and no network."""
    return JudgeEntry(baseline_model(), BaselineJudge(), concurrency=_JUDGED_TOGETHER)


def offline_baselines() -> Iterator[JudgeEntry]:
    """All judges that need no key and no network; the one with word lists only where these are installed."""
    yield offline_baseline()
    if has_word_lists():
        judge = BaselineJudge(properties=with_word_lists)
        yield JudgeEntry(spelling_model(), judge, concurrency=_JUDGED_TOGETHER)
