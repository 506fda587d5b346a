"""What a row of the option table is, and what follows from it: flag, key, variable, choices, words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from eng5_runner.contracts.bounds import AtLeast, Bound

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RUN, STUDY, DESIGN, JUDGE = "Run", "Study", "Design and budget", "Judge"
SERVICES, KAFKA, OUTPUT = "Services", "Kafka security", "Output"
# In the order of `--help-all` and `docs/options.md`.
PANELS = (RUN, STUDY, DESIGN, JUDGE, SERVICES, KAFKA, OUTPUT)


@dataclass(frozen=True, slots=True)
class Option:
    """How people give a setting.

    Attributes:
        help: one sentence for `--help`.
        panel: its heading in `--help-all`, one of `PANELS`.
        common: whether the short `--help` shows it.
        spec: where the run's spec has the value, as `section.field`; empty where `app.assemble` decides.
        flag: the flag, where it is not the field's name with dashes.
        env: the environment variable, where it is not `ENG5_` and the key in capitals.
        metavar: what `--help` shows in place of a value.
        default: the default in words, where the field's default is None.
        values: the closed list of values, where the type does not have it.
        check: raises ValueError for a text that does not fit.
        expects: what `check` accepts, in words.
    """

    help: str
    panel: str
    common: bool = False
    spec: str = ""
    flag: str = ""
    env: str = ""
    metavar: str = ""
    default: str = ""
    values: tuple[str, ...] = ()
    check: Callable[[str], object] | None = None
    expects: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table: a field of `Settings` with all that follows from it.

    Attributes:
        name: the field.
        kind: the value's type without bounds and None: bool, int, float, str, Path, an enumeration or a Literal.
        bounds: of a number.
        default: None where there is none, or where it depends on other settings.
        option: how people give it.
    """

    name: str
    kind: Any
    bounds: tuple[Bound, ...]
    default: object
    option: Option

    @property
    def flags(self) -> tuple[str, ...]:
        """`--max-cost`; two for a setting that can be switched off."""
        return tuple((self.option.flag or f"--{self.name.replace('_', '-')}").split("/"))

    @property
    def flag(self) -> str:
        """The flag that sets it."""
        return self.flags[0]

    @property
    def key(self) -> str:
        """Its name in files, `config.resolved.toml` and the Python API: the flag with underscores."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def env(self) -> str:
        """Its environment variable."""
        return self.option.env or f"ENG5_{self.key.upper()}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The closed list of values; empty where any value of the type is one."""
        if isinstance(self.kind, type) and issubclass(self.kind, StrEnum):
            return tuple(member.value for member in self.kind)
        return get_args(self.kind) if get_origin(self.kind) is Literal else self.option.values

    @property
    def metavar(self) -> str:
        """What stands for its value in `--help`; empty for a switch."""
        if self.kind is bool:
            return ""
        by_kind = {int: "N", float: "X", Path: "PATH"}
        return self.option.metavar or "|".join(self.choices) or by_kind.get(self.kind, "TEXT")

    @property
    def default_text(self) -> str:
        """Its default for people; empty where there is none to name."""
        if self.default is None or self.default == "":
            return self.option.default
        if isinstance(self.default, bool):
            return "yes" if self.default else ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def expects(self) -> str:
        """What a value must be, for people: `a number above 0 and below 1`."""
        if self.option.expects:
            return self.option.expects
        if self.choices:
            *first, last = self.choices
            return f"{', '.join(first)} or {last}"
        by_kind = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
        kind = by_kind.get(self.kind, "a text")
        of = " of" if self.bounds and isinstance(self.bounds[0], AtLeast) else ""
        return (
            f"{kind}{of} {' and '.join(f'{bound.words} {bound.limit}' for bound in self.bounds)}"
            if self.bounds
            else kind
        )


def rows_of(settings: type[DataclassInstance]) -> Iterator[Setting]:
    """The rows of the table, from the fields of the class that holds the settings."""
    hints = get_type_hints(settings, include_extras=True)
    return (_setting_of(field, hints[field.name]) for field in fields(settings))


def _setting_of(field: Field[Any], hint: object) -> Setting:
    """The row of a field: `Annotated[type, bounds…, Option]`, or with `None` beside the bounded type."""
    kind, *bounds, option = get_args(hint)
    if NoneType in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not NoneType)
        if get_origin(kind) is Annotated:
            kind, *bounds = get_args(kind)
    return Setting(name=field.name, kind=kind, bounds=tuple(bounds), default=field.default, option=option)
