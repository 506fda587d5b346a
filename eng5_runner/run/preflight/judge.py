"""Preflight's check of the judge: a service stays silent about an unknown provider, model or parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.contracts.services import ModelEntry, ModelManifest
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.compatibility import chosen_model, near_models, refusals
from eng5_runner.phrases import counted
from eng5_runner.run.ports import Clock, Findings, Models


async def check_judge_known(spec: RunSpec, *, models: Models, clock: Clock) -> Findings:
    """Whether the LLM provider service knows the judge, and the judge takes the run's parameters.

    Raises:
        ConfigurationError: one of the two is not so.
        ServiceUnavailable: the service does not answer.
    """
    manifest = await models.models()
    findings = Findings(checks=list(system_prompt_notes(spec)))
    if spec.target.stack == "remote":
        findings.checks.append("the judge itself was not asked: only the given LLM provider service can ask it")
    judge = spec.judge
    if judge is None or judge.provider_override is None:
        known = counted(manifest.total_models, "model")
        findings.checks.append(f"the LLM provider service knows {known}; the judge is its default one")
        if judge is not None and judge.model_override is not None:
            text = f"it is not known whether the default provider has the model {judge.model_override}"
            findings.warn(text, remedy="Name the provider too, with --llm-provider.")
        return findings
    provider, wanted = judge.provider_override.value, judge.model_override
    offered = _models_of(provider, manifest=manifest)
    model = chosen_model(offered, wanted)
    if wanted is not None and model is None:
        raise ConfigurationError(
            f"The provider {provider} has no model {wanted}.",
            remedy=f"Near: {', '.join(near_models(offered, wanted))}; choose with --llm-model.",
        )
    # Without a name the embedded service takes its first model; another service may have another default.
    one_model = wanted is not None or spec.target.stack == "embedded"
    _require_one_that_fits([model] if one_model and model else offered, judge=judge, clock=clock)
    findings.checks.append(f"the provider {provider} {'is' if wanted is None else 'and its model are'} known")
    if wanted is not None and model is not None and model.is_deprecated:
        findings.warn(f"the model {wanted} is deprecated", remedy="Choose another with --llm-model.")
    return findings


def system_prompt_notes(spec: RunSpec) -> Iterator[str]:
    """Whose system prompt a language model gets where the run gives none: two judges can differ in that alone."""
    judge = spec.judge or LLMConfigOverrides()
    may_be_model = spec.target.stack == "remote" or judge.provider_override not in (None, Provider.MOCK)
    if judge.system_prompt_override is None and may_be_model:
        yield "no --system-prompt is given: the judge gets the service's own"


def _models_of(provider: str, *, manifest: ModelManifest) -> Sequence[ModelEntry]:
    entries = manifest.providers.get(provider)
    if entries is None:
        raise ConfigurationError(
            f"The LLM provider service does not know the provider {provider}.",
            remedy=f"It knows {', '.join(sorted(manifest.providers)) or 'none'}; choose with --llm-provider.",
        )
    return entries


def _require_one_that_fits(models: Sequence[ModelEntry], *, judge: LLMConfigOverrides, clock: Clock) -> None:
    """Refuse parameters that none of the models takes."""
    today = clock.now().date()
    refused = [list(refusals(model, judge, today=today)) for model in models]
    if refused and all(refused):
        reasons = "; ".join(refusal.for_people() for refusal in refused[0])
        raise ConfigurationError(
            f"The judge does not take these settings: {reasons}.",
            remedy="Leave that option out, change it, or choose another --llm-model.",
        )
