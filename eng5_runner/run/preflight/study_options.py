"""Preflight's question whether the CJ service heeds what is asked of it beyond the contract.

A wish that a service does not know would be ignored without a word, and the study would be another one. A cost limit
can be kept from outside: no more comparisons are asked for than the limit pays at the highest price.
"""

from __future__ import annotations

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import affordable, study_options
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.study_size import comparisons_wanted
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.cost_bound import judging_model, most_usd
from eng5_runner.run.ports import AssignmentRegistry, Findings, Models

_COST = "max_cost_usd"
# Prose of learners has about 1.4 tokens to a word; no language that is assessed here comes near this.
_TOKENS_PER_WORD_AT_MOST = 4


def goes_beyond(spec: RunSpec) -> bool:
    """Whether the run asks for anything that the contract does not have."""
    return bool(study_options(spec, {}).as_metadata())


async def ask_honours(spec: RunSpec, *, inputs: Inputs, cj: AssignmentRegistry, models: Models | None) -> Findings:
    """Whether the service does what the run asks for, and what a comparison costs where there is a cost limit.

    Raises:
        ConfigurationError: it does not, or a cost limit cannot be kept.
        ServiceUnavailable: a service does not say.
        NotAllowed: a service does not let us ask.
    """
    asked = tuple(study_options(spec, {}).as_metadata())
    honoured = await cj.supported_options()
    refused = [wish for wish in asked if wish not in honoured and wish != _COST]
    if refused:
        raise ConfigurationError(
            f"The CJ service does not know {_options(refused)}: it would be ignored without a word.",
            remedy="Leave it out, or use the embedded stack, whose CJ service does.",
        )
    found = Findings(checks=[f"the CJ service heeds {_options([wish for wish in asked if wish in honoured])}"])
    if spec.budget.max_cost_usd is None:
        return found
    at_most = await _comparison_at_most(spec, inputs=inputs, models=models, needed=_COST not in honoured)
    if _COST not in honoured and at_most:
        found.checks.clear()
        found.warn(
            _capped(spec, inputs, at_most=at_most),
            remedy="Go on, or have more of them by a smaller --llm-max-tokens or a higher --max-cost.",
        )
        found.comparison_at_most_usd = at_most
    return found


def _options(study_options: list[str]) -> str:
    names = {_COST: "--max-cost"}
    return ", ".join(names.get(wish, f"--{wish.replace('_', '-')}") for wish in study_options)


async def _comparison_at_most(spec: RunSpec, *, inputs: Inputs, models: Models | None, needed: bool) -> float | None:
    """USD that one comparison costs at most.

    Args:
        spec: of the run.
        inputs: of the run.
        models: the LLM provider's manifest, where its address is known.
        needed: whether the limit is kept by it; otherwise the CJ service itself asks.

    Raises:
        ConfigurationError: the price is not known.
    """
    if models is None:
        if not needed:
            return None
        raise ConfigurationError(
            "The CJ service keeps to no cost limit, and the judge's price is not known.",
            remedy="Give LLM_PROVIDER_SERVICE_URL, so that the price can be asked for, or leave --max-cost out.",
        )
    judge = spec.judge or LLMConfigOverrides()
    # The embedded CJ service's own choice; another service says nothing of its own.
    judge = judge if judge.provider_override else judge.model_copy(update={"provider_override": Provider.MOCK})
    model = judging_model(await models.models(), judge)
    at_most = None if model is None else most_usd(model, prompt_tokens=_longest_prompt(inputs), overrides=judge)
    if at_most is None:
        told = judge.model_override or (model.model_id if model else judge.provider_override)
        raise ConfigurationError(
            f"The price of {told} is not known, so no cost limit can be kept.",
            remedy="Leave --max-cost out, choose a model with a price, or name its price in ENG5_MODELS_FILE.",
        )
    return float(at_most)


def _longest_prompt(inputs: Inputs) -> int:
    """Tokens of the two longest essays with all that goes along, from above."""
    counts = [one.word_count for one in inputs.students] + [one.word_count for one in inputs.anchors]
    words = sum(sorted(counts)[-2:]) + inputs.instructions.word_count + inputs.prompt.word_count
    return words * _TOKENS_PER_WORD_AT_MOST


def _capped(spec: RunSpec, inputs: Inputs, *, at_most: float) -> str:
    """What a limit that is kept from outside means for the number of comparisons.

    Raises:
        ConfigurationError: it does not pay a single one.
    """
    limit = spec.budget.max_cost_usd or 0.0
    number = affordable(limit, each=at_most)
    if number < 1:
        raise ConfigurationError(
            f"One comparison may cost {at_most:.4f} USD, more than the limit of {limit:g} USD.",
            remedy="Give a higher --max-cost, a smaller --llm-max-tokens, or another model.",
        )
    wanted, _ = comparisons_wanted(spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    fewer = "" if wanted <= number else f" of the {wanted} comparisons, and no more are asked for"
    return (
        f"the CJ service keeps to no cost limit itself: at up to {at_most:.4f} USD for a comparison, retries apart, "
        f"{limit:g} USD pay {number}{fewer}"
    )
