"""What the calls of a run took and what judges were shown, from the callbacks alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias

from eng5_runner.canonical import Json, sha256_hex
from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.results.judgements import Evidence, Judgement

Object: TypeAlias = "dict[str, Json]"


def instant(when: datetime) -> str:
    """RFC 3339 in UTC with microseconds; also before the year 1000, which `strftime` writes without zeros."""
    return f"{when.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def costs_of(calls: Iterable[Judgement]) -> Object:
    """What the calls took, by provider and model; a replay took nothing, and what it took before is told apart."""
    calls = tuple(calls)
    spent: defaultdict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for one in calls:
        spent[one.result.provider, one.result.model].append(one)
    everything = [one.result.cost_estimate for group in spent.values() for one in group]
    return {
        "total_usd": _usd(everything),
        "token_counts": [
            {
                "provider": provider,
                "model": model,
                "comparisons": len(group),
                "prompt_tokens": sum(one.result.token_usage.prompt_tokens for one in group),
                "completion_tokens": sum(one.result.token_usage.completion_tokens for one in group),
                "usd": _usd([one.result.cost_estimate for one in group]),
            }
            for (provider, model), group in sorted(spent.items())
        ],
        **_replayed(calls),
    }


def _usd(amounts: Sequence[float]) -> float:
    """An exactly rounded sum: the same whatever the order."""
    return round(math.fsum(amounts), 9)


def replay_of(result: LLMComparisonResult) -> Object:
    """Of a comparison that was replayed: what it repeats; of any other nothing."""
    about = result.request_metadata
    if not about.cassette:
        return {}
    was = about.replay_of
    if was is None:
        return {"replayed": {}}
    return {
        "replayed": {
            "request_id": was.request_id,
            "recorded_at": instant(was.recorded_at),
            "cost_usd": was.cost_usd,
            "tokens_prompt": was.prompt_tokens,
            "tokens_completion": was.completion_tokens,
        }
    }


def _replayed(calls: Sequence[Judgement]) -> Object:
    """How many of the calls were replays, and what those took when they were asked."""
    again = [one.result.request_metadata for one in calls if one.result.request_metadata.cassette]
    known = [about.replay_of for about in again if about.replay_of is not None]
    told: Object = {
        "comparisons": len(again),
        "saved_usd": _usd([was.cost_usd for was in known if was.cost_usd is not None]),
    }
    return {"replayed": told} if again else {}


def prompt_hashes(evidence: Evidence) -> Object:
    """The prompts of a run by their hashes, and the texts in them that were not its own."""
    hashes = Counter(one.result.request_metadata.prompt_sha256 or "" for one in evidence.judged)
    return {
        "distinct": len(hashes),
        "asked_more_than_once": sum(count > 1 for count in hashes.values()),
        "digest": sha256_hex("\n".join(sorted(hashes)).encode()),
        **_words((*evidence.judged, *evidence.failed)),
    }


def _words(calls: Sequence[Judgement]) -> Object:
    """The system prompts, and the templates that came with the service, by hash; nothing where it does not say."""
    told = [one.result.request_metadata for one in calls]
    systems = sorted({about.system_prompt_sha256 for about in told if about.system_prompt_sha256})
    named = {pair for about in told for pair in (about.prompt_templates or {}).items()}
    templates: list[Json] = [{"name": name, "sha256": sha256} for name, sha256 in sorted(named)]
    found: Object = {"system_prompts": list(systems)} if systems else {}
    return found | ({"templates": templates} if templates else {})
