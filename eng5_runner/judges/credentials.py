"""The providers' addresses and keys. Keys come from the environment or a file that it names; they are shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from eng5_runner.contracts.request import Provider

OPENAI_BASE_URL = "ENG5_OPENAI_BASE_URL"
PLAIN_HTTP = "ENG5_ALLOW_PLAIN_HTTP"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a provider is, and what is needed to call it.

    Attributes:
        key: the environment variable of its key.
        base_url: the environment variable of another address.
        url: its usual address.
    """

    key: str
    base_url: str
    url: str

    @property
    def key_file(self) -> str:
        """The environment variable of a file with the key, such as a secret of a container."""
        return f"{self.key}_FILE"


PLACES: Mapping[Provider, Place] = MappingProxyType({
    Provider.OPENAI: Place("OPENAI_API_KEY", OPENAI_BASE_URL, "https://api.openai.com/v1"),
    Provider.OPENROUTER: Place("OPENROUTER_API_KEY", "ENG5_OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
    Provider.ANTHROPIC: Place("ANTHROPIC_API_KEY", "ENG5_ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    # Google's API in OpenAI's form.
    Provider.GOOGLE: Place(
        "GEMINI_API_KEY", "ENG5_GOOGLE_BASE_URL", "https://generativelanguage.googleapis.com/v1beta/openai/"
    ),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a client of the provider is made with.

    Attributes:
        key: the secret; empty where a server of the user's own needs none.
        url: the address.
        own_server: whether the address is not the usual one.
        timeout_seconds: of one attempt.
    """

    key: str = field(repr=False)
    url: str
    own_server: bool
    timeout_seconds: float


def travels_readable(place: Place, environ: Mapping[str, str]) -> bool:
    """Whether key and essays would travel to the provider's address without encryption, and nobody has allowed it.

    An address on this machine needs no encryption.
    """
    url = environ.get(place.base_url, "").strip()
    return bool(url) and not environ.get(PLAIN_HTTP) and not url.startswith("https://") and not is_loopback(url)


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, or no address at all
        return False


def shown_address(provider: Provider, environ: Mapping[str, str]) -> str:
    """The address that a provider's questions go to, without what may be secret in it: `https://host:port/path`."""
    place = PLACES[provider]
    try:
        parts = urlsplit(environ.get(place.base_url, "").strip() or place.url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return f"what {place.base_url} holds"
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def access_to(provider: Provider, environ: Mapping[str, str], *, timeout_seconds: float) -> Access | None:
    """What a client needs; None if the environment has neither a key nor another address for the provider."""
    place = PLACES[provider]
    key, url = environ.get(place.key, "").strip(), environ.get(place.base_url, "").strip()
    if not key and not url:
        return None
    return Access(key=key, url=url or place.url, own_server=bool(url), timeout_seconds=timeout_seconds)


def address_problem(url: str) -> str | None:
    """Why an address cannot be that of a provider's API, in words with the remedy; None if it can.

    >>> address_problem("localhost:11434/v1")
    'it has no scheme: write http://localhost:11434/v1'
    >>> address_problem("http://localhost:11434/v1/chat/completions")
    'it names one question of the API: write http://localhost:11434/v1'
    >>> address_problem("http://localhost:11434/v1")
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        return f"it has no scheme: write http://{without_password(url)}"
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return "it is no address"
    if parts.scheme.lower() not in ("http", "https"):
        return f"its scheme is {parts.scheme}: write http:// or https://"
    if not host or parts.query or parts.fragment:
        return "it is no address of the form http://host:port/path"
    for ending in ("/chat/completions", "/v1/messages"):
        if parts.path.rstrip("/").endswith(ending):
            return f"it names one question of the API: write {without_password(url).rstrip('/').removesuffix(ending)}"
    return None


def without_password(url: str) -> str:
    """An address without the user and the password that it can hold, for messages."""
    return re.sub(r"^((?:[A-Za-z][\w+.-]*:)?//)?[^/?#]*@", lambda match: match[1] or "", url)
