"""Whether a model takes what a run asks of it, as far as the LLM provider's manifest says.

Every service fills the manifest's `capabilities` in its own way. Ours has `temperature` (`always`, `without_reasoning`
or `never`), `reasoning_efforts`, `verbosities` and `retires` (the last day, ISO 8601). A yes or no for `temperature`
is understood too. What the manifest leaves out is not known, and is no reason to refuse.

Plan, preflight and the LLM provider service all use `refusals`. People see the option (`for_people`), clients of the
service see the parameter (`for_clients`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from types import MappingProxyType

from pydantic import JsonValue

from eng5_runner.contracts.request import BATCHING_MODE, BatchingMode, LLMConfigOverrides, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry

_NEAR = 3
_OPTIONS: Mapping[str, str] = MappingProxyType({
    "model_override": "--llm-model",
    "reasoning_effort": "--reasoning-effort",
    "output_verbosity": "--output-verbosity",
    "max_tokens_override": "--llm-max-tokens",
    "temperature_override": "--llm-temperature",
    BATCHING_MODE: "--llm-batching-mode",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A parameter that a model does not take.

    Attributes:
        parameter: its name in the request.
        reason: why, in a few words.
    """

    parameter: str
    reason: str

    def for_people(self) -> str:
        """With the runner's option: `--llm-temperature: m takes no temperature`."""
        return f"{_OPTIONS[self.parameter]}: {self.reason}"

    def for_clients(self) -> str:
        """With the request's parameter: `temperature_override: m takes no temperature`."""
        return f"{self.parameter}: {self.reason}"


def refusals(
    model: ModelEntry, judge: LLMConfigOverrides, *, today: date, batching: BatchingMode | None = None
) -> Iterator[Incompatibility]:
    """The parameters that the model does not take on that day, and a batching mode that its provider does not have."""
    capabilities, name = model.capabilities or {}, model.model_id
    retires = _as_date(capabilities.get("retires"))
    if retires is not None and today > retires:
        yield Incompatibility("model_override", f"{name} was retired on {retires}")
    for parameter, key, wanted in (
        ("reasoning_effort", "reasoning_efforts", judge.reasoning_effort),
        ("output_verbosity", "verbosities", judge.output_verbosity),
    ):
        taken = capabilities.get(key)
        if wanted is not None and isinstance(taken, list) and wanted.value not in taken:
            values = ", ".join(map(str, taken)) or "none of its values"
            yield Incompatibility(parameter, f"{name} takes {values}, not {wanted.value}")
    if batching is BatchingMode.PROVIDER_BATCH_API and capabilities.get("batch_api") is False:
        yield Incompatibility(BATCHING_MODE, f"the service speaks no batch API of {model.provider} ({name})")
    longest, most = judge.max_tokens_override, model.max_tokens
    if longest is not None and most is not None and longest > most:
        yield Incompatibility("max_tokens_override", f"{name} writes at most {most} tokens, not {longest}")
    if judge.temperature_override is not None:
        yield from _temperature(capabilities.get("temperature"), judge, name=name)


def _temperature(taken: JsonValue, judge: LLMConfigOverrides, *, name: str) -> Iterator[Incompatibility]:
    if taken in ("never", False):
        yield Incompatibility("temperature_override", f"{name} takes no temperature")
    elif taken == "without_reasoning" and judge.reasoning_effort is not ReasoningEffort.NONE:
        yield Incompatibility("temperature_override", f"{name} takes a temperature only with the reasoning effort none")


def _as_date(value: JsonValue) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def chosen_model(offered: Iterable[ModelEntry], wanted: str | None) -> ModelEntry | None:
    """The wanted one of a provider's models, else its first, which is the default; None if there is none."""
    return next((entry for entry in offered if wanted in (None, entry.model_id)), None)


def close_names(wanted: str, names: Iterable[str]) -> Sequence[str]:
    """The names that look like a wanted one; the first few where none does."""
    known = list(names)
    return get_close_matches(wanted, known, n=_NEAR) or known[:_NEAR]


def near_models(offered: Iterable[ModelEntry], wanted: str) -> Sequence[str]:
    """Ids that look like a wanted one; the first few where none does."""
    return close_names(wanted, (entry.model_id for entry in offered))
