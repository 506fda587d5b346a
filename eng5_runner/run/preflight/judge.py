"""Preflight's questions about the judge: an unknown provider, model or parameter ends a batch without a word."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.services import ModelEntry, ModelManifest
from eng5_runner.core.spec import RunSpec
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.compatibility import refusals
from eng5_runner.run.ports import Findings, Models


async def ask_judge(spec: RunSpec, *, models: Models) -> Findings:
    """Whether the LLM provider service knows the judge, and the judge takes what it is given.

    Raises:
        ConfigurationError: they do not.
        ServiceUnavailable: the service does not say.
    """
    manifest = await models.models()
    found = Findings()
    judge = spec.judge
    if judge is None or judge.provider_override is None:
        found.checks.append(f"the LLM provider service knows {manifest.total_models} models; its default judges")
        if judge is not None and judge.model_override is not None:
            told = f"whether the default provider has the model {judge.model_override} cannot be told"
            found.warn(told, remedy="Name the provider too, with --llm-provider.")
        return found
    provider = judge.provider_override.value
    entries = _models_of(provider, manifest=manifest)
    named = judge.model_override is not None
    asked = [_named(judge.model_override, entries=entries, provider=provider)] if named else entries
    # Without a name the embedded service takes its first model; another service may have another default.
    _require_fit(asked[:1] if spec.target.stack == "embedded" else asked, judge=judge)
    found.checks.append(f"the provider {provider} {'and its model are' if named else 'is'} known")
    if named and asked[0].is_deprecated:
        found.warn(f"the model {judge.model_override} is deprecated", remedy="Choose another with --llm-model.")
    return found


def _models_of(provider: str, *, manifest: ModelManifest) -> Sequence[ModelEntry]:
    entries = manifest.providers.get(provider)
    if entries is None:
        raise ConfigurationError(
            f"The LLM provider service does not know the provider {provider}.",
            remedy=f"It knows {', '.join(sorted(manifest.providers)) or 'none'}; choose with --llm-provider.",
        )
    return entries


def _named(model: str | None, *, entries: Sequence[ModelEntry], provider: str) -> ModelEntry:
    for entry in entries:
        if entry.model_id == model:
            return entry
    ids = [entry.model_id for entry in entries]
    near = get_close_matches(model or "", ids, n=3) or ids[:5]
    raise ConfigurationError(
        f"The provider {provider} has no model {model}.",
        remedy=f"Near: {', '.join(near)}; choose with --llm-model.",
    )


def _require_fit(entries: Sequence[ModelEntry], *, judge: LLMConfigOverrides) -> None:
    """Refuse what no model of those that may be asked takes."""
    refused = [list(refusals(entry, judge)) for entry in entries]
    if refused and all(refused):
        raise ConfigurationError(
            f"The judge does not take what it is given: {'; '.join(refused[0])}.",
            remedy="Leave that option out, change it, or choose another --llm-model.",
        )
