"""Whether a model takes what a run asks of it, as far as the LLM provider's manifest tells.

The manifest's `capabilities` are each service's own. Ours names `temperature` (always, without_reasoning, never),
`reasoning_efforts` and `verbosities` (those that the model takes); a yes or no is understood too. What it does not name
is not known, and what is not known is no reason to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from eng5_runner.contracts.request import LLMConfigOverrides, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry


def refusals(entry: ModelEntry, judge: LLMConfigOverrides) -> Iterator[str]:
    """What the model does not take, each naming the run's option."""
    known = entry.capabilities or {}
    yield from _not_among(known, key="reasoning_efforts", option="--reasoning-effort", wanted=judge.reasoning_effort)
    yield from _not_among(known, key="verbosities", option="--output-verbosity", wanted=judge.output_verbosity)
    most = entry.max_tokens
    if judge.max_tokens_override is not None and most is not None and judge.max_tokens_override > most:
        yield f"--llm-max-tokens {judge.max_tokens_override}: {entry.model_id} writes at most {most} tokens"
    if judge.temperature_override is None:
        return
    takes = known.get("temperature")
    if takes in ("never", False):
        yield f"--llm-temperature: {entry.model_id} takes no temperature"
    elif takes == "without_reasoning" and judge.reasoning_effort is not ReasoningEffort.NONE:
        yield f"--llm-temperature: {entry.model_id} takes one only with --reasoning-effort none"


def _not_among(known: Mapping[str, JsonValue], *, key: str, option: str, wanted: str | None) -> Iterator[str]:
    taken = known.get(key)
    if wanted is None or not isinstance(taken, list) or wanted in taken:
        return
    yield f"{option} {wanted}: the model takes {', '.join(map(str, taken)) or 'none'}"
