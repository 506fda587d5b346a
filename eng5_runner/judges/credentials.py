"""Where the providers are, and the keys to them: from the environment only, shown nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import MappingProxyType

from eng5_runner.contracts.request import Provider

OPENAI_BASE_URL = "ENG5_OPENAI_BASE_URL"


@dataclass(frozen=True, slots=True)
class Place:
    """A provider: the variables of its key and of its address, its usual address, and how it is asked.

    Attributes:
        key: the variable.
        base_url: the variable of another address.
        url: the usual address.
        library: the package of its client, and the extra that installs it is `judges-` with the extra's name.
        extra: that installs the library.
        client: module and class.
    """

    key: str
    base_url: str
    url: str
    library: str
    extra: str
    client: tuple[str, str]


_OPENAI = ("eng5_runner.stack.llm.providers.openai_chat", "Chat")
PLACES: Mapping[Provider, Place] = MappingProxyType({
    Provider.OPENAI: Place(
        "OPENAI_API_KEY", OPENAI_BASE_URL, "https://api.openai.com/v1", "openai", "judges-openai", _OPENAI
    ),
    Provider.OPENROUTER: Place(
        "OPENROUTER_API_KEY", "ENG5_OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1", "openai", "judges-openai",
        _OPENAI,
    ),
    Provider.ANTHROPIC: Place(
        "ANTHROPIC_API_KEY", "ENG5_ANTHROPIC_BASE_URL", "https://api.anthropic.com", "anthropic", "judges-anthropic",
        ("eng5_runner.stack.llm.providers.anthropic_messages", "Messages"),
    ),
    # Google's own API in OpenAI's form: its client library (google-genai 3) and stamina want different tenacities.
    Provider.GOOGLE: Place(
        "GEMINI_API_KEY", "ENG5_GOOGLE_BASE_URL", "https://generativelanguage.googleapis.com/v1beta/openai/", "openai",
        "judges-openai", _OPENAI,
    ),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to get to a provider.

    Attributes:
        key: its secret; empty where an own server needs none.
        url: its address.
        own_server: whether the address is not the usual one.
        timeout_seconds: for one attempt.
    """

    key: str = field(repr=False)
    url: str
    own_server: bool
    timeout_seconds: float


def is_installed(place: Place) -> bool:
    """Whether the client library of a provider is there."""
    try:
        return find_spec(place.library) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def install_command(place: Place) -> str:
    """How to get the client library of a provider."""
    return f"pip install 'eng5-runner[{place.extra}]'"


def access_to(provider: Provider, environ: Mapping[str, str], *, timeout_seconds: float) -> Access | None:
    """How to get to a provider; None where the environment has neither a key nor an address of its own for it."""
    place = PLACES[provider]
    key, url = environ.get(place.key, "").strip(), environ.get(place.base_url, "").strip()
    if not key and not url:
        return None
    return Access(key=key, url=url or place.url, own_server=bool(url), timeout_seconds=timeout_seconds)
