"""Which models could judge a run, and how long the prompts are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import judge_overrides
from eng5_runner.core.spec import Mode, RunSpec
from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.catalogue import KnownModel, baseline_model
from eng5_runner.judges.cost_bound import longest_prompt
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.judges.templates import SYSTEM
from eng5_runner.planning.pilot import Pilot
from eng5_runner.planning.pricing import ModelPricing, PromptSize

# A plan shows few of them: the cheapest that can be called.
MOST_CANDIDATES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Who could judge, and how long the prompts are.

    Attributes:
        chosen: the run's judge; None where only the service knows it.
        others: models to compare, if the run names no judge.
        size: of the prompts.
        own_prompt: whether the services, and so the prompts and prices, are ours. Remote services have their own.
        pilot: an earlier run.
        within_one: the share of grades within one step that the plan is asked for.
    """

    chosen: ModelPricing | None
    others: tuple[ModelPricing, ...]
    size: PromptSize
    own_prompt: bool = True
    pilot: Pilot | None = None
    within_one: float | None = None


def find_candidates(
    spec: RunSpec,
    inputs: Inputs,
    *,
    texts: Mapping[str, bytes],
    known: Sequence[KnownModel],
    remote: bool = False,
    pilot: Pilot | None = None,
    within_one: float | None = None,
) -> Candidates:
    """The judges that come into question for a run.

    Args:
        spec: of the run.
        inputs: of the run.
        texts: sha256 → bytes.
        known: every known model.
        remote: whether the services are not ours.
        pilot: an earlier run.
        within_one: the share of grades within one step that the plan is asked for.
    """
    judge = spec.judge or LLMConfigOverrides()
    undecided = spec.mode is Mode.PLAN and judge.provider_override is None
    return Candidates(
        chosen=_judge_of(judge, known, remote=remote),
        others=tuple(ModelPricing.of(model, judge) for model in _cheapest(known)) if undecided else (),
        size=prompt_size(spec, inputs, texts=texts),
        own_prompt=not remote,
        pilot=pilot,
        within_one=within_one,
    )


def _judge_of(judge: LLMConfigOverrides, known: Iterable[KnownModel], *, remote: bool) -> ModelPricing | None:
    """The run's judge; None where a remote service decides."""
    provider, wanted = judge.provider_override, judge.model_override
    if provider is Provider.MOCK or (provider is None and not remote):
        entry = baseline_model()
        return ModelPricing(entry=entry.model_copy(update={"model_id": wanted or entry.model_id}))
    if provider is None:
        return None
    for model in known:
        if model.at_address and model.entry.provider == provider and wanted in (None, model.entry.model_id):
            return ModelPricing.of(model, judge)
    return ModelPricing(entry=ModelEntry(model_id=wanted or "its own default", provider=provider.value), ready=False)


def _cheapest(known: Iterable[KnownModel]) -> Sequence[KnownModel]:
    """The models that cost least for reading and writing a thousand tokens, the cheapest first."""
    priced = [
        (known_model.model.price.input + known_model.model.price.output, known_model.entry.model_id, known_model)
        for known_model in known
        if known_model.at_address
        and known_model.model is not None
        and known_model.model.price is not None
        and not (known_model.model.deprecated or known_model.is_retired)
    ]
    return [model for _, _, model in sorted(priced, key=lambda row: row[:2])[:MOST_CANDIDATES]]


def prompt_size(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes]) -> PromptSize:
    """The length of the prompts that the embedded CJ service sends for these texts and settings."""
    judge = spec.judge or LLMConfigOverrides()
    system = judge.system_prompt_override or SYSTEM.text
    blocks = prompt_blocks(task=inputs.prompt.text, criteria=_criteria(spec, inputs), essay_a="", essay_b="")
    whole, first = len(prompt_text(blocks)), len(blocks[0].content)
    lengths = sorted(len(text.strip()) for text in _essays(inputs, texts))
    return PromptSize(
        prefix=len(system) + first,
        rest=whole - first,
        form=len(json.dumps(answer_schema())),
        essays=2.0 * sum(lengths) / len(lengths),
        longest=sum(lengths[-2:]),
        longest_bytes=longest_study_prompt(spec, inputs, texts=texts),
    )


def longest_study_prompt(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes]) -> int:
    """Bytes of the longest prompt of a study, for `judges.cost_bound.call_at_most_usd`."""
    return longest_prompt(task=inputs.prompt.text, criteria=_criteria(spec, inputs), essays=_essays(inputs, texts))


def _criteria(spec: RunSpec, inputs: Inputs) -> str | None:
    judge = judge_overrides(spec, inputs)
    if judge is not None and judge.judge_rubric_override:
        return judge.judge_rubric_override
    return None if inputs.instructions is None else inputs.instructions.text


def _essays(inputs: Inputs, texts: Mapping[str, bytes]) -> Iterator[str]:
    hashes = [*(student.text_sha256 for student in inputs.students), *(anchor.text_sha256 for anchor in inputs.anchors)]
    return (texts[sha256].decode() for sha256 in hashes)
