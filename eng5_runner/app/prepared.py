"""A new run, ready for its first event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A new run before its first event; `texts` is sha256 → UTF-8 bytes."""

    spec: RunSpec
    inputs: Inputs
    texts: Mapping[str, bytes]
    plan: Plan
    directory: Path
