"""The command of a pilot run: the call that planned it, as it was typed, with another mode and size."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from types import MappingProxyType

from eng5_runner.app.options.option import Setting
from eng5_runner.app.options.table import SETTINGS
from eng5_runner.app.plan import PlannedRun
from eng5_runner.errors import PROGRAM

# A pilot has its own mode and size, stops at no target, and a person reads it and agrees to its price.
_LEFT_OUT = frozenset((
    "mode", "max_comparisons", "comparisons_per_essay", "target_se", "target_reliability", "aim_within_one",
    "judge_agreement", "pilot", "json", "yes", "batch_id",
))  # fmt: skip
_BY_FLAG = MappingProxyType({flag: setting for setting in SETTINGS for flag in setting.flags})


def pilot_command(planned: PlannedRun, arguments: Sequence[str]) -> str:
    """The command of the plan's pilot run, for a shell; empty where no pilot is worth it.

    Args:
        planned: the plan.
        arguments: of the command line that planned it.
    """
    pilot, settings = planned.plan.pilot_run, planned.settings.settings
    if pilot is None:
        return ""
    size = ("--max-comparisons", str(pilot.comparisons))
    if settings.comparisons_per_essay is not None:  # perhaps from a variable or a file: only one of both may be given
        size = ("--comparisons-per-essay", f"{2 * pilot.comparisons / planned.plan.essays:g}")
    return shlex.join((PROGRAM, "--mode", "execute", *_kept(arguments), *size))


def _kept(arguments: Sequence[str]) -> Iterator[str]:
    words = iter(arguments)
    for word in words:
        flag, equals, _ = word.partition("=")
        setting = _BY_FLAG.get(flag)
        given = [word]
        if setting is not None and not equals and setting.kind is not bool:
            given += [value for value in [next(words, None)] if value is not None]
        if not _is_left_out(setting):
            yield from given


def _is_left_out(setting: Setting | None) -> bool:
    return setting is not None and setting.key in _LEFT_OUT
