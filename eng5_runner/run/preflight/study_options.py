"""Preflight's check whether the CJ service supports the study options of the run.

A service silently ignores an option that it does not know, which changes the study. The one exception is a cost limit,
which the runner can keep from outside: it requests no more comparisons than the limit pays for at the highest price.
"""

from __future__ import annotations

from collections.abc import Mapping

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import judge_overrides
from eng5_runner.core.request import affordable, study_options
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.study_size import FIELD_CAP, FIELD_CAP_VARIABLE, comparisons_wanted
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.compatibility import chosen_model
from eng5_runner.judges.cost_bound import call_at_most_usd
from eng5_runner.phrases import counted
from eng5_runner.planning.candidates import lengths_of, longest_study_prompt
from eng5_runner.run.ports import AssignmentRegistry, Findings, Models

_COST = "max_cost_usd"
# Nothing is lost where a service does not know it: judgements then come without probabilities.
_SOFT = "soft_judgements"


async def check_study_options(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], cj: AssignmentRegistry, models: Models | None
) -> Findings:
    """Whether the service supports what the run asks for, and how many comparisons it may make of them.

    If there is a cost limit, also what a comparison can cost.

    Args:
        spec: of the run.
        inputs: of the run.
        texts: sha256 → bytes.
        cj: the CJ service.
        models: the LLM provider service, if its address is known.

    Raises:
        ConfigurationError: an option is not supported, or a cost limit cannot be kept.
        ServiceUnavailable: a service does not answer.
        NotAllowed: a service refuses to answer.
    """
    options = tuple(option for option in study_options(spec, {}).as_metadata() if option != _SOFT)
    supported = await cj.supported_options()
    unsupported = [option for option in options if option not in supported and option != _COST]
    if unsupported:
        raise ConfigurationError(
            f"The CJ service does not support {_named(unsupported)}: it would silently ignore it.",
            remedy="Leave it out, or use the embedded stack, whose CJ service supports it.",
        )
    findings = Findings()
    if known := [option for option in options if option in supported]:
        findings.checks.append(f"the CJ service supports {_named(known)}")
    if not supported:
        _warn_of_cap(findings, spec, inputs=inputs)
    if spec.budget.max_cost_usd is None:
        return findings
    service_keeps_limit = _COST in supported
    prices = [
        await _call_at_most(one, inputs=inputs, texts=texts, models=models, needed=not service_keeps_limit)
        for one in spec.of_each_judge()
    ]
    at_most = max((price for price in prices if price is not None), default=None)
    findings.call_at_most_usd = at_most
    if at_most and not service_keeps_limit:
        findings.checks.clear()
        findings.warn(
            _capped(spec, inputs, at_most=at_most),
            remedy="Go on, or get more comparisons with a smaller --llm-max-tokens or a higher --max-cost.",
        )
        findings.comparison_at_most_usd = at_most
    return findings


def _warn_of_cap(findings: Findings, spec: RunSpec, *, inputs: Inputs) -> None:
    """What it means for the run that the service may make fewer comparisons than a request asks for."""
    wanted, _ = comparisons_wanted(spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    needed = -(-wanted // FIELD_CAP)
    text = (
        f"the CJ service lists no study options: such a service makes at most {FIELD_CAP} comparisons a request unless "
        f"its operator raised {FIELD_CAP_VARIABLE}, and may end earlier; this run asks for {wanted}"
    )
    if not spec.budget.top_up:
        findings.warn(text, remedy=f"With --no-top-up, {min(wanted, FIELD_CAP)} or fewer may come.")
    elif needed <= spec.budget.max_requests:
        findings.warn(
            text, remedy=f"The run sends further requests for what is missing: {needed} in all, or some more."
        )
    else:
        most = spec.budget.max_requests * FIELD_CAP
        remedy = f"--max-requests {spec.budget.max_requests} may allow {most} of them; {needed} requests are needed."
        findings.warn(text, remedy=remedy)


def _named(options: list[str]) -> str:
    names = {_COST: "--max-cost"}
    return ", ".join(names.get(option, f"--{option.replace('_', '-')}") for option in options)


async def _call_at_most(
    spec: RunSpec, *, inputs: Inputs, texts: Mapping[str, bytes], models: Models | None, needed: bool
) -> float | None:
    """USD that one call to the judge costs at most; None if the price can be known to the CJ service only.

    Args:
        spec: of the run.
        inputs: of the run.
        texts: sha256 → bytes.
        models: the LLM provider service, if its address is known.
        needed: whether the runner itself keeps the cost limit.

    Raises:
        ConfigurationError: the price is not known.
    """
    if models is None:
        if not needed:
            return None
        raise ConfigurationError(
            "The CJ service does not support --max-cost, and the judge's price is not known.",
            remedy="Set LLM_PROVIDER_SERVICE_URL, so that the price can be read there, or leave --max-cost out.",
        )
    judge = judge_overrides(spec, inputs) or LLMConfigOverrides()
    provider = judge.provider_override or Provider.MOCK  # the embedded CJ service's default; others do not say theirs
    model = chosen_model((await models.models()).providers.get(provider, ()), judge.model_override)
    prompt = longest_study_prompt(spec, inputs, lengths=lengths_of(texts))
    at_most = None if model is None else call_at_most_usd(model, prompt_bytes=prompt, overrides=judge)
    if at_most is None:
        name = judge.model_override or (model.model_id if model else provider)
        raise ConfigurationError(
            f"The price of {name} is not known, so no cost limit can be kept.",
            remedy="Leave --max-cost out, choose a model with a price, or name its price in ENG5_MODELS_FILE.",
        )
    return float(at_most)


def _capped(spec: RunSpec, inputs: Inputs, *, at_most: float) -> str:
    """How many comparisons a limit pays for that the runner itself keeps.

    Raises:
        ConfigurationError: it pays for none.
    """
    limit = spec.budget.max_cost_usd or 0.0
    number = affordable(limit, each=at_most)
    if number < 1:
        raise ConfigurationError(
            f"One comparison may cost {at_most:.4f} USD, more than the limit of {limit:g} USD.",
            remedy="Give a higher --max-cost, a smaller --llm-max-tokens, or another model.",
        )
    wanted, _ = comparisons_wanted(spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    fewer = "" if wanted <= number else f" of the {counted(wanted, 'comparison')}, and no more are requested"
    return (
        f"the CJ service does not support a cost limit: at up to {at_most:.4f} USD for a comparison without retries, "
        f"{limit:g} USD pay for {number}{fewer}"
    )
