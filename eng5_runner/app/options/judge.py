"""The settings of the judge: which model is asked, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from eng5_runner.app.options.option import JUDGE, Option
from eng5_runner.contracts.choices import (
    BatchingMode,
    JudgeCalls,
    MaxTokens,
    OutputVerbosity,
    Provider,
    ReasoningEffort,
    Temperature,
)


def models_in(text: str) -> tuple[tuple[Provider, str], ...]:
    """The models of a list, each with its provider.

    >>> [(provider.value, model) for provider, model in models_in("openai/gpt-5.1, openrouter/a/b")]
    [('openai', 'gpt-5.1'), ('openrouter', 'a/b')]

    Raises:
        ValueError: a part has no provider that is known, or no model.
    """
    parts = [name.strip().partition("/") for name in text.split(",")] if text else []
    if not all(model for _, _, model in parts):
        raise ValueError("a part of the list has no model")
    return tuple((Provider(provider.lower()), model) for provider, _, model in parts)


@dataclass(init=False, repr=False, eq=False, frozen=True, kw_only=True)  # `Settings` makes these methods of all fields
class JudgeSettings:
    """The settings of the judge: which model is asked, and how."""

    llm_provider: Annotated[
        Provider | None,
        Option(
            "Provider of the judge: anthropic, openai, google, openrouter or mock.",
            JUDGE,
            common=True,
            spec="judge.provider_override",
            metavar="NAME",
            default="the service's",
        ),
    ] = None
    llm_model: Annotated[
        str | None,
        Option(
            "Model of the judge; see `eng5-runner models`.",
            JUDGE,
            common=True,
            spec="judge.model_override",
            metavar="NAME",
            default="the service's",
        ),
    ] = None
    further_models: Annotated[
        str | None,
        Option(
            "Models that judge too, each an equal share of the comparisons; --llm-model is the first.",
            JUDGE,
            metavar="PROVIDER/MODEL,…",
            check=models_in,
            expects="providers and models with commas between, such as openai/gpt-5.1,google/gemini-3-pro",
        ),
    ] = None
    llm_temperature: Annotated[
        Temperature | None,
        Option("Sampling temperature, 0 to 2.", JUDGE, spec="judge.temperature_override", default="the service's"),
    ] = None
    llm_max_tokens: Annotated[
        MaxTokens | None,
        Option("Most tokens of one answer.", JUDGE, spec="judge.max_tokens_override", default="the service's"),
    ] = None
    system_prompt: Annotated[
        Path | None,
        Option(
            "Text file with the judge's system prompt.",
            JUDGE,
            common=True,
            spec="judge.system_prompt_override",
            metavar="FILE",
            default="the service's",
        ),
    ] = None
    rubric: Annotated[
        Path | None,
        Option(
            "Text file with the judge's rubric.",
            JUDGE,
            common=True,
            spec="judge.judge_rubric_override",
            metavar="FILE",
            default="the study's instructions",
        ),
    ] = None
    reasoning_effort: Annotated[
        ReasoningEffort | None,
        Option(
            "How much the model thinks before it answers.",
            JUDGE,
            spec="judge.reasoning_effort",
            default="the service's",
        ),
    ] = None
    output_verbosity: Annotated[
        OutputVerbosity | None,
        Option("How much the model writes.", JUDGE, spec="judge.output_verbosity", default="the service's"),
    ] = None
    llm_batching_mode: Annotated[
        BatchingMode | None,
        Option(
            "How the service groups its calls to the provider: each by itself, by first essay, or in the provider's "
            "batches.",
            JUDGE,
            spec="budget.batching_mode",
            default="the service's",
        ),
    ] = None
    batch: Annotated[
        bool,
        Option(
            "The same as --llm-batching-mode provider_batch_api: about half the price, and answers within hours.",
            JUDGE,
        ),
    ] = False
    no_cache: Annotated[
        bool, Option("Ask the judge every question: neither read nor keep earlier judgements.", JUDGE)
    ] = False
    judge_concurrency: Annotated[
        JudgeCalls | None,
        Option("Calls to the provider at the same time, at most.", JUDGE, spec="judge_concurrency", default="64"),
    ] = None
    no_judge_check: Annotated[
        bool, Option("Do not ask the judge's provider for one test answer before anything is sent.", JUDGE)
    ] = False
