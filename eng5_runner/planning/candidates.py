"""Which models could judge a run, and how long the prompts are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.contracts.services import ModelEntry, ModelManifest
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import judge_overrides
from eng5_runner.core.spec import Mode, RunSpec
from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.catalogue import SPELLING_MODEL, KnownModel, baseline_model, spelling_model
from eng5_runner.judges.compatibility import chosen_model
from eng5_runner.judges.cost_bound import longest_prompt
from eng5_runner.judges.prompts import EssayLength, prompt_blocks, prompt_text
from eng5_runner.judges.templates import SYSTEM
from eng5_runner.planning.measured import Pilot
from eng5_runner.planning.precision import GradeAims
from eng5_runner.planning.pricing import ModelPricing, PromptSize

# A plan shows few of them: the cheapest that can be called.
MOST_CANDIDATES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceModels:
    """What a given LLM provider service says of its models.

    Attributes:
        manifest: its answer to `GET /models`.
        day: on which it said so.
    """

    manifest: ModelManifest
    day: date

    def pricing(self, judge: LLMConfigOverrides) -> ModelPricing | None:
        """The price of a run's judge; None where the service lists no such model, or its default is not known."""
        offered = self.manifest.providers
        if judge.provider_override is not None:
            every = offered.get(judge.provider_override, ())
        else:
            every = tuple(entry for entries in offered.values() for entry in entries)
        if judge.model_override is None:  # ours with word lists is never a default
            every = tuple(entry for entry in every if entry.model_id != SPELLING_MODEL)
        # Without a name the service takes a default of its own, which need not be the first.
        is_decided = len(every) == 1 or None not in (judge.provider_override, judge.model_override)
        entry = chosen_model(every, judge.model_override) if is_decided else None
        return None if entry is None else ModelPricing.of_service(entry, judge, day=self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Who could judge, and how long the prompts are.

    Attributes:
        chosen: the run's judge; None where only the service knows it.
        further: the models that judge too.
        others: models to compare, if the run names no judge.
        size: of the prompts.
        own_prompt: whether the services, and so the prompts and prices, are ours. Remote services have their own.
        pilot: an earlier run.
        aims: what the plan of grades is asked for.
    """

    chosen: ModelPricing | None
    others: tuple[ModelPricing, ...]
    size: PromptSize
    own_prompt: bool = True
    pilot: Pilot | None = None
    further: tuple[ModelPricing, ...] = ()
    aims: GradeAims = GradeAims()  # noqa: RUF009 - it is frozen


def find_candidates(
    spec: RunSpec,
    inputs: Inputs,
    *,
    lengths: Mapping[str, EssayLength],
    known: Sequence[KnownModel],
    remote: bool = False,
    service: ServiceModels | None = None,
) -> Candidates:
    """The judges that come into question for a run.

    Args:
        spec: of the run.
        inputs: of the run.
        lengths: of the essays, by the SHA-256 of their texts.
        known: every known model.
        remote: whether the services are not ours.
        service: what the given LLM provider service says of its models, if it was asked.
    """
    judge = spec.judge or LLMConfigOverrides()
    undecided = spec.mode is Mode.PLAN and judge.provider_override is None
    judges = [
        _judge_of(one or judge, known, service=service) if remote else _own_judge(one or judge, known)
        for one in spec.judges
    ]
    return Candidates(
        chosen=judges[0],
        further=tuple(pricing for pricing in judges[1:] if pricing is not None),
        others=tuple(ModelPricing.of(model, judge) for model in _cheapest(known)) if undecided else (),
        size=prompt_size(spec, inputs, lengths=lengths),
        own_prompt=not remote,
    )


def _own_judge(judge: LLMConfigOverrides, known: Iterable[KnownModel]) -> ModelPricing:
    """The judge of a run on the embedded services."""
    if judge.provider_override in (None, Provider.MOCK):
        return ModelPricing(entry=_baseline(judge))
    return _listed(judge, known) or _nameless(judge)


def _baseline(judge: LLMConfigOverrides) -> ModelEntry:
    return spelling_model() if judge.model_override == SPELLING_MODEL else baseline_model()


def _judge_of(
    judge: LLMConfigOverrides, known: Iterable[KnownModel], *, service: ServiceModels | None
) -> ModelPricing | None:
    """The judge of a run on given services; None where only they know it.

    Our list goes first, as its prices have a source. The service's own manifest has the models that our list lacks.
    """
    ours = None if judge.provider_override in (None, Provider.MOCK) else _listed(judge, known)
    if ours is not None and ours.price is not None:
        return ours
    theirs = None if service is None else service.pricing(judge)
    if theirs is not None or ours is not None or judge.provider_override is None:
        return theirs or ours
    return ModelPricing(entry=_baseline(judge)) if judge.provider_override is Provider.MOCK else _nameless(judge)


def _listed(judge: LLMConfigOverrides, known: Iterable[KnownModel]) -> ModelPricing | None:
    provider, wanted = judge.provider_override, judge.model_override
    for model in known:
        if model.at_address and model.entry.provider == provider and wanted in (None, model.entry.model_id):
            return ModelPricing.of(model, judge)
    return None


def _nameless(judge: LLMConfigOverrides) -> ModelPricing:
    """A model of which nothing is known but its name."""
    name, provider = judge.model_override or "its own default", judge.provider_override or ""
    return ModelPricing(entry=ModelEntry(model_id=name, provider=provider), ready=False)


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


def prompt_size(spec: RunSpec, inputs: Inputs, *, lengths: Mapping[str, EssayLength]) -> PromptSize:
    """The length of the prompts that the embedded CJ service sends for texts of these lengths, and these settings."""
    judge = spec.judge or LLMConfigOverrides()
    system = judge.system_prompt_override or SYSTEM.text
    blocks = prompt_blocks(task=inputs.prompt.text, criteria=_criteria(spec, inputs), essay_a="", essay_b="")
    whole, first = len(prompt_text(blocks)), len(blocks[0].content)
    characters = sorted(length.characters for length in _essays(inputs, lengths))
    return PromptSize(
        prefix=len(system) + first,
        rest=whole - first,
        form=len(json.dumps(answer_schema())),
        essays=2.0 * sum(characters) / len(characters),
        longest=sum(characters[-2:]),
        longest_bytes=longest_study_prompt(spec, inputs, lengths=lengths),
    )


def longest_study_prompt(spec: RunSpec, inputs: Inputs, *, lengths: Mapping[str, EssayLength]) -> int:
    """Bytes of the longest prompt of a study, for `judges.cost_bound.call_at_most_usd`."""
    return longest_prompt(task=inputs.prompt.text, criteria=_criteria(spec, inputs), essays=_essays(inputs, lengths))


def _criteria(spec: RunSpec, inputs: Inputs) -> str | None:
    judge = judge_overrides(spec, inputs)
    if judge is not None and judge.judge_rubric_override:
        return judge.judge_rubric_override
    return None if inputs.instructions is None else inputs.instructions.text


def lengths_of(texts: Mapping[str, bytes]) -> dict[str, EssayLength]:
    """The lengths of texts in UTF-8, by the same keys."""
    return {sha256: EssayLength.of(text.decode()) for sha256, text in texts.items()}


def _essays(inputs: Inputs, lengths: Mapping[str, EssayLength]) -> Iterator[EssayLength]:
    hashes = [*(student.text_sha256 for student in inputs.students), *(anchor.text_sha256 for anchor in inputs.anchors)]
    return (lengths[sha256] for sha256 in hashes)
