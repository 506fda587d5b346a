"""Whether an embedded stack could ask the judge that a run wants: known before anything is started or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.catalogue import READY, KnownModel, known_models
from eng5_runner.judges.compatibility import near_models, refusals
from eng5_runner.judges.credentials import PLACES
from eng5_runner.judges.manifest import USERS_FILE


def check_judge(spec: RunSpec, environ: Mapping[str, str]) -> Sequence[str]:
    """What is to be said of the judge before a run; services that were given answer for theirs in preflight.

    Returns:
        Warnings.

    Raises:
        ConfigurationError: it cannot be asked so; what is missing is named.
    """
    if spec.target.stack != "embedded" or not spec.send:
        return ()
    judge = spec.judge or LLMConfigOverrides()
    provider = judge.provider_override or Provider.MOCK
    known = list(known_models(environ))
    one = _chosen(known, provider=provider, model=judge.model_override)
    if one.state != READY:
        raise ConfigurationError(
            f"The model {one.entry.model_id} of {provider.value} cannot be asked: {one.state}.",
            remedy=_sentence(one.remedy) if one.remedy else "Choose another with --llm-model; see eng5-runner models.",
        )
    if one.model is None:
        return tuple(_ignored(judge))
    refused = [refusal.for_people() for refusal in refusals(one.entry, judge, today=datetime.now(UTC).date())]
    if refused:
        raise ConfigurationError(
            f"The judge does not take these settings: {'; '.join(refused)}.",
            remedy="Leave that option out, change it, or choose another --llm-model; see eng5-runner models.",
        )
    return tuple(_warnings(one))


def _chosen(known: Sequence[KnownModel], *, provider: Provider, model: str | None) -> KnownModel:
    """The model that would be asked: the named one, else the provider's first that can be."""
    there = [one for one in known if one.entry.provider == provider.value]
    if model is None and there:
        return next((one for one in there if one.state == READY), there[0])
    for one in there:
        if one.entry.model_id == model:
            return one
    if not there:
        place = PLACES[provider]
        raise ConfigurationError(
            f"No model of {provider.value} is known.",
            remedy=f"Name its models in a file, the file in {USERS_FILE}, and set {place.key}; see docs/judges.md.",
        )
    raise ConfigurationError(f"{provider.value} has no model {model}.", remedy=_near(known, there, model=model or ""))


def _near(known: Sequence[KnownModel], there: Sequence[KnownModel], *, model: str) -> str:
    elsewhere = [one.entry.provider for one in known if one.entry.model_id == model]
    if elsewhere:
        return f"It is a model of {elsewhere[0]}: choose that with --llm-provider."
    near = near_models((one.entry for one in there), model)
    return f"Near: {', '.join(near)}; `eng5-runner models` lists all."


def _ignored(judge: LLMConfigOverrides) -> Sequence[str]:
    """What the offline baseline, which only measures texts, does nothing with."""
    told = judge.model_dump(exclude_none=True, exclude={"provider_override", "model_override", "judge_rubric_override"})
    names = ", ".join(name.removesuffix("_override").replace("_", " ") for name in told)
    return (f"the offline baseline only measures texts: it does nothing with {names}",) if told else ()


def _warnings(one: KnownModel) -> Sequence[str]:
    if one.model is None or not one.entry.is_deprecated:
        return ()
    until = f"; it answers until {one.model.retires}" if one.model.retires else ""
    return (f"the model {one.entry.model_id} is deprecated{until}: choose another with --llm-model while it is time",)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
