"""Who could judge and at what price: the stack's manifest and templates in the words of a plan."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from eng5_runner.app.assemble import executes_remotely
from eng5_runner.app.settings import Settings
from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import Mode, RunSpec
from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.attempts import ATTEMPTS
from eng5_runner.judges.catalogue import BASELINE_MODEL
from eng5_runner.judges.credentials import PLACES, access_to
from eng5_runner.judges.manifest import Limits, Manifest, Model, Rates, built_in, users_own
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.judges.templates import SYSTEM
from eng5_runner.planning.pilot import read_pilot
from eng5_runner.planning.plan import Candidates
from eng5_runner.planning.pricing import ModelPricing, PromptSize, TokenPrices
from eng5_runner.run.artefact_file import load_artefact

# A plan stays short: the cheapest of those that could be asked.
MOST_CANDIDATES = 5


def candidates_of(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes], settings: Settings) -> Candidates:
    """The judges that come into question for a run.

    Raises:
        ConfigurationError: the user's own file of models cannot be used.
        InputsMissing: there is no artefact in the pilot's directory.
        InputsInvalid: the pilot's artefact does not tell what is needed.
    """
    shelf = ModelCatalogue(_manifest(os.environ), most=spec.judge.max_tokens_override if spec.judge else None)
    remote = executes_remotely(settings)
    chosen = shelf.judge_of(spec, remote=remote)
    undecided = spec.mode is Mode.PLAN and (spec.judge is None or spec.judge.provider_override is None)
    return Candidates(
        chosen=chosen,
        others=tuple(shelf.candidates()) if undecided else (),
        size=_size(spec, inputs, texts=texts),
        own_prompt=not remote,
        pilot=None if settings.pilot is None else read_pilot(load_artefact(settings.pilot)),
        within_one=settings.aim_within_one,
    )


def _manifest(environ: Mapping[str, str]) -> Manifest:
    """The models that can be asked: an address of one's own has those alone that the user's file names."""
    theirs = built_in()
    elsewhere = [provider for provider, place in PLACES.items() if environ.get(place.base_url, "").strip()]
    there = tuple(model for model in theirs.models if model.provider not in elsewhere)
    return users_own(environ).before(theirs.model_copy(update={"models": there}))


class ModelCatalogue:
    """The manifest with its prices; `most` is the run's own limit of an answer's tokens."""

    def __init__(self, manifest: Manifest, *, most: int | None) -> None:
        self._manifest = manifest
        self._most = most

    def judge_of(self, spec: RunSpec, *, remote: bool) -> ModelPricing | None:
        """The run's judge; None where a given service decides."""
        judge = spec.judge or LLMConfigOverrides()
        provider, model = judge.provider_override, judge.model_override
        if provider is Provider.MOCK or (provider is None and not remote):
            free = TokenPrices(input=0.0, output=0.0)
            return ModelPricing(provider=Provider.MOCK.value, model=model or BASELINE_MODEL, offline=True, prices=free)
        if provider is None:
            return None
        known = self._manifest.of(provider)
        for one in known:
            if model in (None, one.id):
                return self._tariff(one)
        return ModelPricing(provider=provider.value, model=model or "its own default", attempts=ATTEMPTS)

    def candidates(self) -> Iterator[ModelPricing]:
        """The cheapest models with a price, cheapest first by what reading and writing a thousand tokens costs."""
        today = datetime.now(UTC).date()
        there = [one for one in self._manifest.models if not one.deprecated and not one.is_retired(today)]
        priced = [(one.price.input + one.price.output, one) for one in there if one.price]
        offered = sorted(priced, key=lambda each: (each[0], each[1].id))
        for _, one in offered[:MOST_CANDIDATES]:
            yield self._tariff(one)

    def _tariff(self, model: Model) -> ModelPricing:
        limits: Limits = self._manifest.limits_of(model.provider)
        price = model.price
        place = model.provider in PLACES
        return ModelPricing(
            provider=model.provider.value,
            model=model.id,
            ready=place and access_to(model.provider, os.environ, timeout_seconds=limits.timeout_seconds) is not None,
            thinks=bool(model.reasoning_efforts),
            max_tokens=self._most or model.max_tokens,
            context=model.context,
            prices=_rates(price) if price else None,
            looked_up=price.looked_up.isoformat() if price else None,
            source=price.source if price else None,
            long_prompt_above=price.long_prompt_above if price else None,
            long_prices=_rates(price.long_prompt) if price and price.long_prompt else None,
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrency=limits.concurrency,
            attempts=ATTEMPTS,
        )


def _rates(rates: Rates) -> TokenPrices:
    return TokenPrices(
        input=float(rates.input),
        output=float(rates.output),
        cached_input=_float(rates.cached_input),
        cache_write=_float(rates.cache_write),
    )


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _size(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes]) -> PromptSize:
    """How long the prompts are that the embedded CJ service sends, with these texts and overrides."""
    judge = spec.judge or LLMConfigOverrides()
    system = judge.system_prompt_override or SYSTEM.text
    criteria = judge.judge_rubric_override or inputs.instructions.text
    blocks = prompt_blocks(task=inputs.prompt.text, criteria=criteria, essay_a="", essay_b="")
    whole, first = len(prompt_text(blocks)), len(blocks[0].content)
    hashes = [*(one.text_sha256 for one in inputs.students), *(one.text_sha256 for one in inputs.anchors)]
    lengths = sorted(len(texts[sha256].decode().strip()) for sha256 in hashes)
    return PromptSize(
        prefix=len(system) + first,
        rest=whole - first,
        form=len(json.dumps(answer_schema())),
        essays=2.0 * sum(lengths) / len(lengths),
        shortest=sum(lengths[:2]),
        longest=sum(lengths[-2:]),
    )
