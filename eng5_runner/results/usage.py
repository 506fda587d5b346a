"""What the calls of a run took, and what the judge was shown: costs, prompts, and the request to the judge."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.flaws import NO_HASH
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.events import JudgeCheck
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import judge_overrides
from eng5_runner.core.rounding import sum_of_usd
from eng5_runner.core.spec import RunSpec
from eng5_runner.results.artefact.study import (
    ComparisonCall,
    Costs,
    JudgeRequest,
    PromptHashes,
    PromptTemplate,
    PromptText,
    Replayed,
    ReplaySavings,
    TokenCounts,
    TrialAnswer,
)
from eng5_runner.results.judgements import Evidence

_SETTINGS = frozenset(
    (
        *("provider_override", "model_override", "temperature_override", "max_tokens_override"),
        *("reasoning_effort", "output_verbosity"),
    )
)


def costs_of(calls: Iterable[ComparisonCall], *, check: JudgeCheck | None = None) -> Costs:
    """What the calls took, by provider and model. A replay took nothing; what it took when it was asked is apart.

    Args:
        calls: failed ones included.
        check: the answer that the judge's provider was asked for beforehand, if it was asked.
    """
    by_model: defaultdict[tuple[str, str], list[ComparisonCall]] = defaultdict(list)
    for call in calls:
        by_model[call.provider, call.model].append(call)
    return Costs(
        total_usd=sum_of_usd(
            (*(call.cost_usd for group in by_model.values() for call in group), check.usd if check else 0.0)
        ),
        token_counts=tuple(
            TokenCounts(
                provider=provider,
                model=model,
                comparisons=len(group),
                prompt_tokens=sum(call.tokens_prompt for call in group),
                completion_tokens=sum(call.tokens_completion for call in group),
                usd=sum_of_usd(call.cost_usd for call in group),
            )
            for (provider, model), group in sorted(by_model.items())
        ),
        test_answer=None if check is None else TrialAnswer(**check.model_dump()),
        replayed=_savings([call for group in by_model.values() for call in group if call.replayed is not None]),
    )


def _savings(replays: Sequence[ComparisonCall]) -> ReplaySavings | None:
    if not replays:
        return None
    known = [call.replayed for call in replays if isinstance(call.replayed, Replayed)]
    return ReplaySavings(
        comparisons=len(replays),
        saved_usd=sum_of_usd(replay.cost_usd for replay in known if replay.cost_usd is not None),
    )


def prompt_hashes(evidence: Evidence) -> PromptHashes:
    """The prompts of a run by their hashes, and the texts in them that were not its own."""
    hashes = Counter(row.prompt_hash for row in evidence.judged if row.prompt_hash != NO_HASH)
    sources = evidence.sources
    return PromptHashes(
        distinct=len(hashes),
        asked_more_than_once=sum(count > 1 for count in hashes.values()),
        digest=sha256_hex("\n".join(sorted(hashes)).encode()),
        system_prompts=tuple(sorted(sources.systems)) or None,
        templates=tuple(PromptTemplate(name=name, sha256=sha256) for name, sha256 in sorted(sources.templates)) or None,
    )


def judge_request(spec: RunSpec, inputs: Inputs) -> JudgeRequest:
    """The settings and prompts that went along with the request, whole, each prompt with its hash."""
    overrides = judge_overrides(spec, inputs) or LLMConfigOverrides()
    given = spec.judge is not None and spec.judge.judge_rubric_override is not None
    system_prompt, rubric = overrides.system_prompt_override, overrides.judge_rubric_override
    return JudgeRequest(
        settings=overrides.model_dump(mode="json", include=set(_SETTINGS), exclude_none=True),
        system_prompt=None if system_prompt is None else _text(system_prompt, origin="--system-prompt"),
        rubric=None if rubric is None else _text(rubric, origin="--rubric" if given else "the instructions"),
        task=_text(inputs.prompt.text, origin="the students' task"),
    )


def _text(content: str, *, origin: str) -> PromptText:
    return PromptText(origin=origin, content=content, sha256=sha256_hex(content.encode()))
