"""Comparisons in the plain form as the artefact's rows, in columns: of some hundred a field is read in one go.

    plain_rows(results, names, usd=[.002, …])["winner_id"]    the winner of each, as one of the run's essay ids

To make the fields of each row by itself takes three times as long, and a run can have a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.plain import PlainComparison
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.rounding import usable
from eng5_runner.core.state import ImpossibleLedgerError


def plain_rows(
    results: Sequence[PlainComparison],
    names: EssayNames,
    *,
    usd: Sequence[float],
    flagged: frozenset[str] = frozenset(),
) -> dict[str, Sequence[object]]:
    """The values of each field of a `Comparison` but its number.

    Args:
        results: what the provider says of each.
        names: the essays' names on the wire.
        usd: what counts as the cost of each.
        flagged: the ids of the essays with flags.

    Raises:
        ImpossibleLedgerError: one is of an essay that the run does not have.
    """
    metadata = [result.request_metadata for result in results]
    first = [names.our_id(one.essay_a_id) for one in metadata]
    second = [names.our_id(one.essay_b_id) for one in metadata]
    if None in first or None in second:
        pairs = zip(results, first, second, strict=True)
        raise stranger(next(result.request_id for result, *pair in pairs if None in pair))
    first_won = [result.winner == "Essay A" for result in results]
    shown = list(zip(first_won, first, second, strict=True))
    reasons = [result.justification for result in results]
    return {
        "request_id": [result.request_id for result in results],
        "correlation_id": [result.correlation_id for result in results],
        "essay_a_id": first,
        "essay_b_id": second,
        "provider": [result.provider for result in results],
        "model": [result.model for result in results],
        "tokens_prompt": [result.token_usage.prompt_tokens for result in results],
        "tokens_completion": [result.token_usage.completion_tokens for result in results],
        "cost_usd": usd,
        "started_at": [result.requested_at for result in results],
        "completed_at": [result.completed_at for result in results],
        "response_time_ms": [result.response_time_ms for result in results],
        "request_type": [one.cj_request_type for one in metadata],
        "iteration": [usable(one.comparison_iteration) for one in metadata],
        "repeat_index": [usable(one.repeat_index) for one in metadata],
        "replayed": [None] * len(results),
        "served_model": [one.served_model for one in metadata],
        "system_fingerprint": [one.system_fingerprint for one in metadata],
        "flagged": [flagged_of(a or "", b or "", flagged=flagged) for a, b in zip(first, second, strict=True)],
        "batched": [one.batched or None for one in metadata],
        "tokens_cached": [cached_of(result) for result in results],
        "winner_id": [a if won else b for won, a, b in shown],
        "loser_id": [b if won else a for won, a, b in shown],
        "winner_position": ["A" if won else "B" for won in first_won],
        "prompt_hash": [one.prompt_sha256 for one in metadata],
        "confidence": [usable(result.confidence) for result in results],
        "probability_a": [one.probability_a for one in metadata],
        "probability_is_bound": [one.probability_is_bound or None for one in metadata],
        "justification": [None if text is None else names.with_our_ids(text) for text in reasons],
    }


def stranger(request_id: str) -> ImpossibleLedgerError:
    """The error for a comparison of an essay that the run does not have."""
    return ImpossibleLedgerError(f"the accepted comparison {request_id} names a stranger")


def cached_of(result: LLMComparisonResult | PlainComparison) -> int | None:
    """Tokens from the provider's cache; None where there are none, or more than were read."""
    tokens = result.request_metadata.cached_tokens
    return tokens if tokens and tokens <= result.token_usage.prompt_tokens else None


def flagged_of(first: str, second: str, *, flagged: frozenset[str]) -> Literal["A", "B", "both"] | None:
    """Which of the two essays has flags."""
    if first in flagged:
        return "both" if second in flagged else "A"
    return "B" if second in flagged else None
