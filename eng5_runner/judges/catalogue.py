"""Every known model, and whether an embedded stack could call it here and now. If not, why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec

from eng5_runner.contracts.request import Provider
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.credentials import PLACES, PLAIN_HTTP, Place, access_to, travels_readable
from eng5_runner.judges.manifest import USERS_FILE, Limits, Manifest, Model, built_in, users_own

READY = "ready"
BASELINE_MODEL = "offline-baseline-2"
SPELLING_MODEL = f"{BASELINE_MODEL}-spelling"
_WORD_LISTS = "symspellpy"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model and what it needs.

    Attributes:
        entry: the model as the service's manifest describes it.
        model: the model as `models.toml` describes it; None for the offline baseline, which is no language model.
        limits: of its provider.
        own: whether it is from the user's own file.
        place: its provider; None for the offline baseline.
        key_set: whether the provider's key is in the environment.
        reachable: whether the environment has a key or an address for the provider.
        at_address: whether the provider's address has the model; a server of the user's own has those of the file.
        state: `ready`, or in a few words why a stack cannot call it.
        remedy: what to do about that; None if there is nothing to do.
    """

    entry: ModelEntry
    model: Model | None = None
    limits: Limits = field(default_factory=Limits)
    own: bool = False
    place: Place | None = None
    key_set: bool = False
    reachable: bool = True
    at_address: bool = True
    state: str = READY
    remedy: str | None = None

    @property
    def is_retired(self) -> bool:
        """Whether it no longer answers today."""
        return self.model is not None and self.model.is_retired(datetime.now(UTC).date())


def baseline_model() -> ModelEntry:
    """The offline baseline judge. It needs no key and no network, and it is not a language model."""
    return ModelEntry(
        model_id=BASELINE_MODEL,
        provider=Provider.MOCK.value,
        display_name="Offline baseline (measured text properties, not a language model)",
        model_family="baseline",
        capabilities={"offline": True, "deterministic": True, "language_model": False},
        cost_per_1k_input_tokens=0.0,
        cost_per_1k_output_tokens=0.0,
        is_deprecated=False,
        recommended_for=("trying the tool", "a baseline to compare language models with"),
    )


def spelling_model() -> ModelEntry:
    """The offline baseline that looks up words, too; it needs the extra `baseline`."""
    return baseline_model().model_copy(
        update={
            "model_id": SPELLING_MODEL,
            "display_name": "Offline baseline with word lists (measured text properties, not a language model)",
        }
    )


def has_word_lists() -> bool:
    """Whether the extra `baseline` is installed."""
    return find_spec(_WORD_LISTS) is not None


def _spelling() -> KnownModel:
    if has_word_lists():
        return KnownModel(entry=spelling_model())
    return KnownModel(
        entry=spelling_model(),
        reachable=False,
        state="its word lists are not installed",
        remedy=f"install the extra `baseline`, or the lists alone: python -m pip install '{_WORD_LISTS}'",
    )


def models_at(provider: Provider, *, own: Manifest, own_server: bool) -> tuple[Model, ...]:
    """The provider's models. A server of the user's own has only those of the user's file, at the file's prices."""
    return (own if own_server else own.before(built_in())).of(provider)


def known_models(environ: Mapping[str, str]) -> Iterator[KnownModel]:
    """The offline baselines, then each provider's models, the provider's default first.

    Raises:
        ConfigurationError: the user's own file of models cannot be used.
    """
    own = users_own(environ)
    yield KnownModel(entry=baseline_model())
    yield _spelling()
    for provider, place in PLACES.items():
        yield from _at(provider, place, own=own, environ=environ)


def _at(provider: Provider, place: Place, *, own: Manifest, environ: Mapping[str, str]) -> Iterator[KnownModel]:
    known = own.before(built_in())
    limits = known.limits_of(provider)
    access = access_to(provider, environ, timeout_seconds=limits.timeout_seconds)
    own_server = access is not None and access.own_server
    offered = models_at(provider, own=own, own_server=own_server)
    for model in known.of(provider):
        state, remedy = READY, None
        if model.is_retired(datetime.now(UTC).date()):
            state = f"retired on {model.retires}"
        elif access is None:
            state, remedy = "needs a key", f"set {place.key}, or {place.base_url} for a server of your own"
        elif travels_readable(place, environ):
            state, remedy = (
                "its address has no encryption",
                f"use https, or set {PLAIN_HTTP}=1 if you trust the network",
            )
        elif model not in offered:
            state = "not on your server"
            remedy = f"{place.base_url} leads to a server of your own; {USERS_FILE} names its models"
        yield KnownModel(
            entry=model.entry(attempts=limits.attempts),
            model=model,
            limits=limits,
            own=model in own.models,
            place=place,
            key_set=bool(environ.get(place.key, "").strip()),
            reachable=access is not None,
            at_address=model in offered,
            state=state,
            remedy=remedy,
        )


# How the names of language models begin, whatever their version; a judge of a table with such a name is no person.
_MODEL_NAMES = (
    "gpt", "chatgpt", "claude", "gemini", "gemma", "llama", "mistral", "mixtral", "deepseek", "qwen", "grok", "phi-",
    "command-r", "o1-", "o3-", "o4-", "kimi", "glm-", "nova-", "offline-baseline",
)  # fmt: skip


def is_model_name(judge: str) -> bool:
    """Whether a judge's name is that of a language model, alone or behind its provider.

    >>> [is_model_name(name) for name in ("gpt-5.1", "anthropic/claude-haiku-4-5", "P07", "Claudette Roux")]
    [True, True, False, False]
    """
    name = judge.casefold().rsplit("/", 1)[-1].replace(" ", "-").replace("_", "-")
    return any(name == known or (name.startswith(known) and not name[len(known)].isalpha()) for known in _MODEL_NAMES)
