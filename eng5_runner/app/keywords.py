"""Settings from the keyword arguments of a program."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from eng5_runner.app.settings import Resolved, Settings, resolve
from eng5_runner.errors import UsageError

# They belong to the command line: what is printed, and what a person at a terminal is asked.
_COMMAND_LINE_ONLY = frozenset(("json_lines", "yes"))


def settings_from(keywords: Mapping[str, object], *, mode: str, config: str | Path | None) -> Resolved:
    """Keyword arguments over the settings file over the defaults.

    Raises:
        UsageError: a setting is unknown or does not fit.
        InputsMissing: the settings file is not there.
        ConfigurationError: the settings file cannot be used.
    """
    known = Settings.model_fields.keys() - _COMMAND_LINE_ONLY
    for name in keywords.keys() - known:
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            f"There is no setting {name}.",
            remedy=f"Did you mean {near[0]}?" if near else "See eng5-runner --help for the options.",
        )
    given = {**keywords, "mode": mode}
    return resolve(
        {name: (value, "flag") for name, value in given.items() if value is not None},
        config=None if config is None else Path(config),
    )
