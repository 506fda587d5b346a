"""Whether a service says that it is healthy; loads nothing that it does not need."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request

_SECONDS = 4.0
_LONGEST_ANSWER = 64 * 1024


def health_problem(url: str) -> str | None:
    """Ask a service how it is, such as `http://127.0.0.1:9095/healthz`; gives what is wrong, None if it is healthy."""
    if not url.startswith(("http://", "https://")):
        return "not an address of HTTP"
    # Not by way of a proxy: a health check is for a neighbour.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS) as response:
            told = json.loads(response.read(_LONGEST_ANSWER))
    except urllib.error.HTTPError as error:
        return _reason(error.read(_LONGEST_ANSWER)) or f"HTTP {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    except ValueError:
        return "the answer is no JSON"
    healthy = isinstance(told, dict) and told.get("status") == "healthy"
    return None if healthy else "it does not say that it is healthy"


def _reason(body: bytes) -> str | None:
    """What an unhealthy service of ours says."""
    try:
        told = json.loads(body)
    except ValueError:
        return None
    reason = told.get("reason") if isinstance(told, dict) else None
    return reason if isinstance(reason, str) else None
