"""Preflight's check of the clocks: tokens, timeouts and records depend on them."""

from __future__ import annotations

from eng5_runner.errors import ConfigurationError
from eng5_runner.run.ports import Clock, Findings
from eng5_runner.transport.http import Alive

# The HTTP header `Date` has whole seconds, and the answer takes time to arrive.
SKEW_WARNED_SECONDS = 5.0
# With a larger difference a token has expired or is not valid yet; no service tolerates so much.
SKEW_REFUSED_SECONDS = 300.0
_REMEDY = "Set the clock of the machine that is wrong, for example by NTP."


def compare_clocks(findings: Findings, *, name: str, alive: Alive, clock: Clock, has_token: bool) -> None:
    """Add a warning if a service's clock differs from ours.

    Raises:
        ConfigurationError: the clocks differ so much that the service cannot accept our token.
    """
    if alive.date is None:
        return
    ahead = (alive.date - clock.now()).total_seconds()
    if abs(ahead) <= SKEW_WARNED_SECONDS:
        return
    difference = f"{name}'s clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if has_token and abs(ahead) > SKEW_REFUSED_SECONDS:
        raise ConfigurationError(f"The {difference}, so it cannot accept our token.", remedy=_REMEDY)
    findings.warn(f"the {difference}", remedy=_REMEDY)
