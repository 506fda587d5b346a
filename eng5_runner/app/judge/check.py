"""Whether the judge that a run wants can be asked, by what is known here: before anything is started or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from eng5_runner.contracts.request import BatchingMode, LLMConfigOverrides, Provider, batching_mode
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.catalogue import READY, KnownModel, known_models
from eng5_runner.judges.compatibility import refusals
from eng5_runner.judges.credentials import PLACES, address_problem, without_password
from eng5_runner.judges.manifest import USERS_FILE

_SHOWN = 3


def check_judge(spec: RunSpec, environ: Mapping[str, str], *, remote: bool) -> Sequence[str]:
    """What is to be said of the judge before a run.

    A run that sends its request needs everything. A plan or a dry run asks nobody: a key can still come, so its
    absence is a warning.

    Args:
        spec: of the run.
        environ: the keys and addresses of the providers.
        remote: whether an execution uses given services. They may know more models than this program: what it does not
            know is a warning, and preflight asks them.

    Returns:
        Warnings.

    Raises:
        ConfigurationError: it cannot be asked so; what is missing is named.
    """
    return tuple(
        dict.fromkeys(warning for one in spec.of_each_judge() for warning in _check_one(one, environ, remote=remote))
    )


def _check_one(spec: RunSpec, environ: Mapping[str, str], *, remote: bool) -> Sequence[str]:
    """The same of the only judge of a spec."""
    judge = spec.judge or LLMConfigOverrides()
    known, mode = list(known_models(environ)), batching_mode(spec.budget.batching_mode)
    if remote:
        return tuple(_doubts(known, judge))
    one = _chosen(known, provider=judge.provider_override or Provider.MOCK, model=judge.model_override)
    if problem := _address_problem(one, environ):
        raise ConfigurationError(
            f"{problem[0]} cannot be used: {problem[1]}.", remedy=f"Correct {problem[0]}, or leave it out."
        )
    if one.state != READY:
        cannot = f"The model {one.entry.model_id} of {one.entry.provider} cannot be asked: {one.state}."
        remedy = _sentence(one.remedy) if one.remedy else "Choose another with --llm-model; see eng5-runner models."
        may_come = one.at_address or not one.reachable
        if spec.send or one.is_retired or not may_come:
            raise ConfigurationError(cannot, remedy=remedy)
        return (f"{cannot} {remedy}", *_parameters(one, judge, batching=mode))
    if one.model is None:
        return tuple(_ignored(judge))
    return tuple(_parameters(one, judge, batching=mode))


def known_judge(spec: RunSpec, environ: Mapping[str, str]) -> KnownModel:
    """The model that an embedded stack asks.

    Raises:
        ConfigurationError: it is not known.
    """
    judge = spec.judge or LLMConfigOverrides()
    known = list(known_models(environ))
    return _chosen(known, provider=judge.provider_override or Provider.MOCK, model=judge.model_override)


def _address_problem(one: KnownModel, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable of an address that can be no provider's, and why; None if the address is good."""
    url = "" if one.place is None else environ.get(one.place.base_url, "").strip()
    why = address_problem(url) if url else None
    return None if one.place is None or why is None else (f"{one.place.base_url} ({without_password(url)})", why)


def _parameters(one: KnownModel, judge: LLMConfigOverrides, *, batching: BatchingMode | None) -> Sequence[str]:
    """Warnings about a model that takes the run's parameters.

    Raises:
        ConfigurationError: it does not take them.
    """
    today = datetime.now(UTC).date()
    refused = [refusal.for_people() for refusal in refusals(one.entry, judge, today=today, batching=batching)]
    if refused:
        raise ConfigurationError(
            f"The judge does not take these settings: {'; '.join(refused)}.",
            remedy="Leave that option out, change it, or choose another --llm-model; see eng5-runner models.",
        )
    return _warnings(one)


def _doubts(known: Sequence[KnownModel], judge: LLMConfigOverrides) -> Iterator[str]:
    """What this program does not know of a judge of given services."""
    model, provider = judge.model_override, judge.provider_override
    if model is None or provider is Provider.MOCK:
        return
    theirs = [one for one in known if provider in (None, one.entry.provider)]
    if any(one.entry.model_id == model for one in theirs) and provider is not None:
        return
    whose = "the service's default provider" if provider is None else provider.value
    near = _near(known, theirs, model=model)
    yield f"it is not known here whether {whose} has the model {model}; the given services may know it. {near}"


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
    providers = {one.entry.model_id: one.entry.provider for one in known}
    ours = [one.entry.model_id for one in there]
    close = get_close_matches(model, ours) or get_close_matches(model, list(providers))
    near = [name if name in ours else f"{name} (--llm-provider {providers[name]})" for name in close]
    return f"Near: {', '.join(near or ours[:_SHOWN])}; `eng5-runner models` lists all."


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
    # No full stop behind a command: a person copies it to the end of the line.
    stop = "" if words.endswith("'") else "."
    return f"{words[0].upper()}{words[1:]}{stop}"
