"""Preflight's question whether our clock and a service's agree: tokens, deadlines and records live by it."""

from __future__ import annotations

from eng5_runner.errors import ConfigurationError
from eng5_runner.run.ports import Clock, Findings
from eng5_runner.transport.http import Alive

# The header that tells has whole seconds, and the answer was on its way.
SKEW_TOLD_SECONDS = 5.0
# Beyond this, tokens have expired or are not valid yet, whichever leeway a service allows.
SKEW_REFUSED_SECONDS = 300.0
_REMEDY = "Set the clock (by NTP) of whichever machine is wrong."


def compare_clocks(found: Findings, *, name: str, alive: Alive, clock: Clock, has_token: bool) -> None:
    """Warn of a clock that differs.

    Raises:
        ConfigurationError: it differs by so much that the service cannot take our token.
    """
    if alive.date is None:
        return
    ahead = (alive.date - clock.now()).total_seconds()
    if abs(ahead) <= SKEW_TOLD_SECONDS:
        return
    told = f"the {name}'s clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if has_token and abs(ahead) > SKEW_REFUSED_SECONDS:
        raise ConfigurationError(f"{told[0].upper()}{told[1:]}, so it cannot take our token.", remedy=_REMEDY)
    found.warn(told, remedy=_REMEDY)
