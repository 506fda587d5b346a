"""Preflight's checks of this machine: output folder, token, and the keys of the embedded stack's judges."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from eng5_runner.app.judge.check import check_judge
from eng5_runner.app.tokens import SOURCES, Token, doubts, no_token
from eng5_runner.contracts.choices import Provider
from eng5_runner.core.spec import RunSpec
from eng5_runner.effects.disk_space import free_bytes
from eng5_runner.effects.identity.client import claims_of
from eng5_runner.errors import DiskError, NotAllowed
from eng5_runner.judges.credentials import PLACES, shown_address
from eng5_runner.run.ports import Check, Findings, WorkLeft

# What a comparison adds to a run with embedded services, in ledger, outputs and their records, is 9 KB; a stored text
# mostly less. The least is for logs and for new files beside the old ones (bytes).
_SPACE_OF_EACH, _LEAST_SPACE = 10 << 10, 16 << 20
_LOG_IN = "`eng5-runner admin login`, or set HULEEDU_ADMIN_TOKEN; `eng5-runner admin whoami` tells which token is used."


def local_checks(spec: RunSpec, *, folder: Path, left: WorkLeft) -> Iterator[tuple[str, Check]]:
    """The checks of what execute needs of this machine, each with its subject.

    Args:
        spec: of the run.
        folder: where it writes.
        left: what it has before it.
    """
    yield "output folder", partial(_check_space, folder, left)
    if spec.send and spec.target.stack == "embedded":
        yield "keys", partial(_check_keys, spec, os.environ)


def login_check(spec: RunSpec, token: Token | None) -> Iterator[tuple[str, Check]]:
    """The check of the token for the CJ service's admin side; a guest run needs none."""
    if spec.send and spec.target.stack == "remote" and spec.study.assignment_id is not None:
        yield "login", partial(_check_login, token)


async def _check_space(folder: Path, left: WorkLeft) -> Findings:
    free, wanted = free_bytes(folder), _LEAST_SPACE + _SPACE_OF_EACH * (left.comparisons + left.texts)
    if free < wanted:
        raise DiskError(
            f"{folder} has {free >> 20} MiB free; what is left of this run needs up to {(wanted >> 20) + 1} MiB.",
            remedy="Free some space, or name another folder with --output-dir.",
        )
    return Findings(checks=[f"the output folder has {free >> 20} MiB free"])


async def _check_keys(spec: RunSpec, environ: Mapping[str, str]) -> Findings:
    """The keys of the judges that an embedded stack can ask, by name only."""
    findings = Findings()
    for warning in check_judge(spec, environ, remote=False):
        findings.warn(warning, remedy="Leave it out, or choose another judge.")
    for provider, place in PLACES.items():
        named = [name for name in (place.key, place.base_url) if environ.get(name, "").strip()]
        if named:
            address = shown_address(provider, environ)
            findings.checks.append(f"{provider.value} at {address}: {' and '.join(named)} set")
    if not (findings.checks or findings.warnings):
        findings.checks.append("no key of a judge is set: the offline baseline alone can judge")
    return findings


def address_in(check: str, provider: Provider) -> str | None:
    """The provider's address in a sentence of `_check_keys`; None in any other sentence."""
    found = re.fullmatch(rf"{provider.value} at (\S+): .* set", check)
    return found and found[1]


async def _check_login(token: Token | None) -> Findings:
    if token is None:
        raise no_token(os.environ)
    claims = claims_of(token.value)
    findings = Findings(checks=[f"there is a token: {SOURCES[token.source]}"])
    if claims is None:
        findings.warn("the token is no JWT, so it does not tell how long it is valid", remedy=_LOG_IN)
        return findings
    if claims.expires_at is not None and claims.expires_at <= datetime.now(UTC):
        raise NotAllowed(f"The token expired at {claims.expires_at:%Y-%m-%d %H:%M} UTC.", remedy=_LOG_IN)
    for doubt in doubts(claims):
        findings.warn(f"the token will probably be rejected: {doubt}", remedy=_LOG_IN)
    return findings
