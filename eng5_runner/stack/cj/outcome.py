"""What the comparisons of a batch came to: how many have a winner. `scoring` has the positions and grades."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import msgspec
from pydantic import ValidationError

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.messages import ComparisonEnvelope
from eng5_runner.contracts.published import PublishedEssayResult, PublishedProjections
from eng5_runner.contracts.stopping import CostStop, DecidedPairs, Look

SUCCESS_RATE_THRESHOLD = 0.8
_UNUSABLE = frozenset({"LLM_CONTENT_TOO_LONG", "LLM_INVALID_RESPONSE", "LLM_PARSING_ERROR"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of a batch.

    Attributes:
        results: each pair's last result, in the order of the pairs.
        callbacks: the number of results, failed attempts included.
        wanted: the number of planned pairs, or of compared pairs if the study ended early.
        looks: the checks, one after each wave, whether the study is precise enough.
        cost_stop: the figures at the cost limit, if the study ended there.
        decided: what was saved because pairs of a boundary study were decided.
        is_hopeless: whether the batch ended because none of the judge's first answers could be used.
    """

    results: tuple[LLMComparisonResult, ...]
    callbacks: int
    wanted: int
    looks: tuple[Look, ...] = ()
    cost_stop: CostStop | None = None
    decided: DecidedPairs | None = None
    is_hopeless: bool = False

    @property
    def judged(self) -> tuple[LLMComparisonResult, ...]:
        """The results with a winner."""
        return tuple(result for result in self.results if result.winner is not None)

    @property
    def failed(self) -> tuple[LLMComparisonResult, ...]:
        """The last results of the pairs that failed in every attempt."""
        return tuple(result for result in self.results if result.winner is None)

    @property
    def success_rate(self) -> float:
        """The share of the pairs with a result that have a winner."""
        return len(self.judged) / max(len(self.results), 1)

    @property
    def too_many_failed(self) -> bool:
        """Whether too many pairs failed for a result; never while a higher cost limit could continue the batch."""
        return self.cost_stop is None and (self.is_hopeless or beyond_hope(len(self.failed), wanted=self.wanted))


def beyond_hope(failed: int, *, wanted: int) -> bool:
    """Whether so many comparisons failed in every attempt that the success rate can no longer reach 0.8."""
    return (wanted - failed) / wanted < SUCCESS_RATE_THRESHOLD


def is_unusable(result: LLMComparisonResult) -> bool:
    """Whether the judge gave an answer, which is paid for, that holds no verdict."""
    return result.error_detail is not None and result.error_detail.error_code in _UNUSABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A batch's figures, ready for the rich event.

    Attributes:
        essays: best first.
        summary: grades and positions; a map is empty where nothing is known.
        uncompared: the essays without any comparison that has a winner.
    """

    essays: tuple[PublishedEssayResult, ...]
    summary: PublishedProjections
    uncompared: frozenset[str]


class _Metadata(msgspec.Struct):
    bos_batch_id: object = None
    batch_id: object = None


class _Data(msgspec.Struct):
    request_metadata: _Metadata


class _Message(msgspec.Struct):
    data: _Data


def may_be_of(batches: Container[str], raw: bytes) -> bool:
    """Whether a message of the comparison topic is of one of these batches, or does not say of which it is.

    Most of what a worker gets is of other workers' batches; this takes a tenth of the time of `read_result`.
    """
    try:
        about = msgspec.json.decode(raw, type=_Message).data.request_metadata
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return True
    ids = [each for each in (about.bos_batch_id, about.batch_id) if isinstance(each, str)]
    return not ids or any(each in batches for each in ids)


def read_result(raw: bytes) -> LLMComparisonResult | None:
    """The result in a message of the comparison topic; None if it has none."""
    try:
        return ComparisonEnvelope.model_validate_json(raw, extra="ignore").data
    except ValidationError:
        return None
