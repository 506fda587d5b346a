"""Comparative-judgement experiments on English 5 essays, end to end and provably.

    import eng5_runner as eng5

    eng5.plan(assets="essays", max_comparisons=600)  # what it would do and cost; nothing is sent
    run = eng5.execute(assets="essays", max_comparisons=600, llm_provider="openai", max_cost=5.0)
    run.essays.to_pandas()  # positions in logits, grades, one row for each essay
    eng5.verify(run)

What is listed in `__all__` is public; docs/api.md describes it. Everything else is private and may change.
The functions load their modules when they are first used, so the import itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from eng5_runner.errors import (
    ConfigurationError,
    DiskError,
    InputsInvalid,
    InputsMissing,
    NotAllowed,
    RunnerError,
    ServiceUnavailable,
    TemporaryFailure,
    UsageError,
    VerificationFailed,
)

if TYPE_CHECKING:
    from eng5_runner.app.collection.export import export
    from eng5_runner.app.collection.import_run import import_run
    from eng5_runner.app.collection.public import export_public
    from eng5_runner.app.collection.runs import list_runs
    from eng5_runner.app.execute import execute
    from eng5_runner.app.fit import fit
    from eng5_runner.app.inspect import Run, compare, open_run, verify
    from eng5_runner.app.look_ahead import plan
    from eng5_runner.app.resume import resume
    from eng5_runner.app.sweeps.sweep import Sweep, sweep

__version__ = "0.2.0"

__all__ = [
    "ConfigurationError",
    "DiskError",
    "InputsInvalid",
    "InputsMissing",
    "NotAllowed",
    "Run",
    "RunnerError",
    "ServiceUnavailable",
    "Sweep",
    "TemporaryFailure",
    "UsageError",
    "VerificationFailed",
    "compare",
    "execute",
    "export",
    "export_public",
    "fit",
    "import_run",
    "list_runs",
    "open_run",
    "plan",
    "resume",
    "sweep",
    "verify",
]

_MODULES = MappingProxyType({
    "Run": "inspect", "compare": "inspect", "execute": "execute", "export": "collection.export",
    "export_public": "collection.public", "fit": "fit", "import_run": "collection.import_run",
    "list_runs": "collection.runs", "open_run": "inspect", "plan": "look_ahead", "resume": "resume",
    "verify": "inspect", "Sweep": "sweeps.sweep", "sweep": "sweeps.sweep",
})  # fmt: skip


def __getattr__(name: str) -> object:
    """Load a public function when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"eng5_runner.app.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
