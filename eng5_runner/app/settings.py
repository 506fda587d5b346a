"""From what people give to `Settings`: flag over environment over file over default, with the origin of each value.

    resolved = settings_from(mode="execute", assets="study", max_comparisons=440)
    resolved.settings.max_comparisons  # 440
    resolved.origins["seed"]           # "default"

`settings_from` is for Python callers, `resolve` for the command line. Both refuse a value under the name by which it
was given: `--max-cost`, `ENG5_MAX_COST`, or the key of a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, TypeVar

import tomli_w
from pydantic import TypeAdapter, ValidationError

from eng5_runner.app.options.option import Setting
from eng5_runner.app.options.table import CONFIG, SETTINGS, Settings
from eng5_runner.errors import ConfigurationError, InputsMissing, RunnerError, UsageError

__all__ = ("Origin", "Resolved", "Settings", "resolve", "settings_from")

Origin: TypeAlias = Literal["flag", "argument", "environment", "file", "default"]

F = TypeVar("F", bound=Callable[..., object])

_BY_KEY = MappingProxyType({setting.key: setting for setting in SETTINGS})
_CHECKED = TypeAdapter(Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Settings, and where each value came from.

    Attributes:
        settings: all values, checked.
        origins: by the setting's key in files, such as `max_cost`.
    """

    settings: Settings
    origins: Mapping[str, Origin]

    def to_toml(self) -> bytes:
        """`config.resolved.toml`: values and origins. Passwords, tokens and keys are not settings, so none is here."""
        plain = _CHECKED.dump_python(self.settings, mode="json", exclude_none=True)
        values = {setting.key: plain[setting.name] for setting in SETTINGS if setting.name in plain}
        return tomli_w.dumps({"settings": values, "origins": dict(self.origins)}).encode()


def resolve(flags: Mapping[str, object], *, environment: Mapping[str, str]) -> Resolved:
    """The settings of a command line.

    Args:
        flags: values of the flags that were given, by key; texts are converted. `config` names the settings file.
        environment: the process's variables; an empty one counts as not set.

    Raises:
        InputsMissing: there is no such settings file.
        ConfigurationError: the file is no TOML or has an unknown key, or a value in it or in a variable does not fit.
        UsageError: a flag's value does not fit.
    """
    return _resolve(flags, "flag", environment=environment)


def settings_from(*, environment: Mapping[str, str] | None = None, **values: object) -> Resolved:
    """The settings of a Python caller.

    Args:
        environment: variables to read beside the keyword arguments, such as `os.environ`; none by default.
        values: settings by key, as in a settings file: `mode="execute"`, `max_cost=5`, `json=True`. None counts as
            not given. `config` names a settings file, which counts less than the arguments.

    Raises:
        InputsMissing: there is no such settings file.
        ConfigurationError: the file is no TOML or has an unknown key, or a value in it or in a variable does not fit.
        UsageError: an argument is no setting, or its value does not fit.
    """
    if unknown := _unknown(values.keys() - {CONFIG.key}):
        raise UsageError(
            f"There is no setting {unknown}.", remedy=did_you_mean(unknown, _BY_KEY) or "See docs/options.md."
        )
    return _resolve(values, "argument", environment=environment or {})


def names_settings(function: F) -> F:
    """Show every setting in a function's signature in place of `**settings`, so that a notebook completes its name.

    A function without a parameter `mode` has one mode of its own, so its signature has none.
    """
    shown = signature(function)
    own = [parameter for parameter in shown.parameters.values() if parameter.kind is not Parameter.VAR_KEYWORD]
    names = {"mode", *(parameter.name for parameter in own)}
    named = [
        Parameter(setting.key, Parameter.KEYWORD_ONLY, default=setting.default, annotation=_kind_of(setting))
        for setting in SETTINGS
        if setting.key not in names
    ]
    vars(function)["__signature__"] = shown.replace(parameters=[*own, *named])
    return function


def _kind_of(setting: Setting) -> object:
    return setting.kind | None if setting.default is None else setting.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A value before it is checked; `name` is what an error calls it."""

    value: object
    origin: Origin
    name: str


def _resolve(values: Mapping[str, object], origin: Origin, *, environment: Mapping[str, str]) -> Resolved:
    config = values.get(CONFIG.key) or environment.get(CONFIG.env)
    given = {} if config is None else _from_file(Path(str(config)))
    for setting in SETTINGS:
        if variable := environment.get(setting.env):
            given[setting.key] = _Given(value=variable, origin="environment", name=setting.env)
        if (value := values.get(setting.key)) is not None:
            name = setting.flag if origin == "flag" else setting.key
            given[setting.key] = _Given(value=value, origin=origin, name=name)
    origins: dict[str, Origin] = {key: given[key].origin if key in given else "default" for key in sorted(_BY_KEY)}
    return Resolved(settings=_checked(given), origins=origins)


def _checked(given: Mapping[str, _Given]) -> Settings:
    """Convert and check all values; of several that do not fit, the first is named."""
    try:
        settings = _CHECKED.validate_python({_BY_KEY[key].name: value.value for key, value in given.items()})
    except ValidationError as error:
        name = error.errors(include_input=False)[0]["loc"][0]
        raise _misfit(next((setting, given[setting.key]) for setting in SETTINGS if setting.name == name)) from None
    for key, value in given.items():
        if not _fits(_BY_KEY[key], str(value.value)):
            raise _misfit((_BY_KEY[key], value))
    for setting in SETTINGS:
        if not _is_utf8(getattr(settings, setting.name)):
            name = given[setting.key].name if setting.key in given else setting.flag
            raise UsageError(
                f"{name} has letters that are not in UTF-8, perhaps in a folder above it.",
                remedy="Rename the file or the folder: a run records its paths, which must be text.",
            )
    return settings


def _is_utf8(value: object) -> bool:
    """Whether a text, or a path from the root on, can be written down."""
    with suppress(OSError):  # the present folder may be gone
        value = value.absolute() if isinstance(value, Path) else value
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fits(setting: Setting, text: str) -> bool:
    """Whether a text passes the checks that its type does not make."""
    option = setting.option
    if option.values and text not in option.values:
        return False
    if option.check is not None:
        try:
            option.check(text)
        except ValueError:
            return False
    return True


def _misfit(culprit: tuple[Setting, _Given]) -> RunnerError:
    """The error for a value that does not fit. It shows the value only if that is nearly one of the choices."""
    setting, given = culprit
    near = did_you_mean(str(given.value), setting.choices) or _with_a_point(setting, str(given.value))
    message = f"{given.name} must be {setting.expects}{f', not {given.value}' if near else ''}."
    if given.origin in ("flag", "argument"):
        return UsageError(message, remedy=near or "See eng5-runner --help-all.")
    return ConfigurationError(message, remedy=near or "Correct it there; eng5-runner --help-all lists all settings.")


def _with_a_point(setting: Setting, text: str) -> str:
    """What to write for a number with a decimal comma; empty for any other text."""
    whole, _, part = text.partition(",")
    is_number = setting.kind is float and part.isdecimal() and (whole or "0").isdecimal()
    return f"Write {whole or 0}.{part}, with a decimal point." if is_number else ""


def _from_file(config: Path) -> dict[str, _Given]:
    try:
        tables = tomllib.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        raise InputsMissing(f"There is no settings file {config}.", remedy="Check --config.") from None
    except OSError as error:
        raise ConfigurationError(
            f"{config} cannot be read: {error.strerror}.", remedy="It must be a TOML file."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{config} cannot be read: {error}.", remedy="It must be a TOML file.") from None
    # A run's own config.resolved.toml can be given as it is: there the settings are a table beside their origins.
    values = tables.get("settings", tables)
    keys = {str(key).replace("-", "_"): key for key in values}
    if unknown := _unknown(keys):
        remedy = did_you_mean(unknown, _BY_KEY) or "docs/options.md lists the settings."
        raise ConfigurationError(f"{config}: there is no setting {keys[unknown]}.", remedy=remedy)
    return {
        key: _Given(value=values[written], origin="file", name=f"{written} in {config}")
        for key, written in keys.items()
    }


def _unknown(keys: Iterable[str]) -> str | None:
    return min((key for key in keys if key not in _BY_KEY), default=None)


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """`Did you mean …?`, or nothing where no known text is near."""
    near = get_close_matches(text, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else ""
