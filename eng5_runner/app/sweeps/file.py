"""The file of a sweep: settings of all runs, and lists of judges, seeds and designs.

    max_cost = 5.0                # USD, all runs together
    seeds = [1, 2]

    [base]                        # any settings of docs/options.md
    assets = "examples/eng5_demo"
    mode = "anchor-align"         # the anchors alone: to choose a judge

    [[judges]]
    llm_provider = "openai"
    llm_model = "gpt-5-mini"

    [[judges]]
    name = "strict"
    llm_provider = "openai"
    llm_model = "gpt-5-mini"
    rubric = "strict.md"

Every judge is combined with every design and every seed. Paths are as in a settings file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eng5_runner.app.options.option import DESIGN
from eng5_runner.app.options.table import SETTINGS
from eng5_runner.app.settings import did_you_mean
from eng5_runner.contracts.bounds import AtLeast, AtMost
from eng5_runner.contracts.choices import CostLimit
from eng5_runner.errors import ConfigurationError, InputsMissing
from eng5_runner.planning.sweep import Cell

Table: TypeAlias = Mapping[str, Any]

JUDGE_KEYS = tuple(setting.key for setting in SETTINGS if setting.option.spec.startswith("judge."))
DESIGN_KEYS = tuple(
    setting.key
    for setting in SETTINGS
    if setting.option.panel == DESIGN and setting.key not in {"max_cost", "pilot", "aim_within_one", "judge_agreement"}
)
# What is not the same in all runs, or is no run's.
ELSEWHERE = MappingProxyType({
    "max_cost": "Put max_cost at the top of the file: it limits all runs together.",
    "seed": "Put seeds = [1] at the top of the file.",
    "batch_id": "Put name at the top of the file.",
    "yes": "Give --yes on the command line.",
    "json": "Give --json on the command line.",
    "no_kafka": "Leave it out: a sweep runs its studies.",
    "await_completion": "Leave it out: a sweep waits for its results.",
    "metrics_port": "Leave it out: several runs cannot share a port.",
    "metrics_host": "Leave it out: several runs cannot share a port.",
    "pilot": "Leave it out: a pilot run is of one judge.",
    "further_models": "Leave it out: each judge of a sweep has runs of its own.",
})  # fmt: skip
BASE_KEYS = tuple(setting.key for setting in SETTINGS if setting.key not in ELSEWHERE)


class _Top(BaseModel):
    """The whole file; the settings in it are checked later, by the option table."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")] | None = None
    max_cost: CostLimit | None = None
    runs_at_once: Annotated[int, AtLeast(1), AtMost(32)] = 4
    seeds: Annotated[list[int], Field(min_length=1)] = [1]
    base: dict[str, Any] = {}
    judges: Annotated[list[dict[str, Any]], Field(min_length=1)]
    designs: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None


_EXPECTED = MappingProxyType({
    "name": "at most 40 letters, digits, dots, dashes and underscores",
    "max_cost": "a number above 0",
    "runs_at_once": "a whole number from 1 to 32",
    "seeds": "a list of whole numbers, such as [1, 2]",
    "base": "a table of settings, [base]",
    "judges": "tables of a judge's settings, each under [[judges]], at least one",
    "designs": "tables of a design's settings, each under [[designs]]",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFile:
    """A sweep as its file asks for it.

    Attributes:
        path: of the file.
        name: of the sweep, and of its folder.
        max_cost: in USD, of all runs together; None without a limit.
        runs_at_once: how many runs are worked on at the same time.
        seeds: of the pairing, in the order of the file.
        base: settings of all runs, by key.
        cells: the runs.
    """

    path: Path
    name: str
    max_cost: float | None
    runs_at_once: int
    seeds: Sequence[int]
    base: Table
    cells: Sequence[Cell]


def read_sweep_file(path: Path) -> SweepFile:
    """The sweep of a file.

    Raises:
        InputsMissing: there is no such file.
        ConfigurationError: it is no TOML, has an unknown key, lacks judges, or names two judges or designs alike.
    """
    top = _top(path)
    base = _known(top.base, keys=BASE_KEYS, where=f"{path}, [base]")
    judges = _named(top.judges, kind="judge", keys=JUDGE_KEYS, path=path)
    designs = _named(top.designs or [{}], kind="design", keys=DESIGN_KEYS, path=path)
    if len(set(top.seeds)) < len(top.seeds):
        raise ConfigurationError(f"{path}: a seed stands twice in seeds.", remedy="Name each seed once.")
    cells = [
        Cell(judge=judge, design=design, seed=seed, settings=base | dict(chosen) | dict(asked) | {"seed": seed})
        for (judge, asked), (design, chosen), seed in product(judges.items(), designs.items(), top.seeds)
    ]
    return SweepFile(
        path=path,
        name=top.name or path.stem,
        max_cost=top.max_cost,
        runs_at_once=top.runs_at_once,
        seeds=top.seeds,
        base=base,
        cells=cells,
    )


def _top(path: Path) -> _Top:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputsMissing(
            f"There is no file {path}.", remedy="Name the TOML file of a sweep; see README.md."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.", remedy="It must be a TOML file."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", remedy="It must be a TOML file.") from None
    if unknown := sorted(tables.keys() - _EXPECTED.keys()):
        raise ConfigurationError(f"{path}: there is no key {unknown[0]}.", remedy=_remedy(unknown[0], list(_EXPECTED)))
    try:
        return _Top.model_validate(tables)
    except ValidationError as error:
        key = str(error.errors(include_input=False)[0]["loc"][0])
        raise ConfigurationError(f"{path}: {key} must be {_EXPECTED[key]}.", remedy="Correct it there.") from None


def _remedy(key: str, known: Sequence[str]) -> str:
    if key in BASE_KEYS and key not in known:
        return "It is a setting of all runs: put it under [base]."
    return did_you_mean(key, known) or f"There are {', '.join(known)}."


def _known(table: Table, *, keys: Sequence[str], where: str) -> dict[str, Any]:
    """The table's settings under the keys of the option table.

    Raises:
        ConfigurationError: a key is none of these.
    """
    settings = {str(key).replace("-", "_"): value for key, value in table.items()}
    for key in settings:
        if key in keys:
            continue
        if key in ELSEWHERE:
            raise ConfigurationError(f"{where}: {key} has no place here.", remedy=ELSEWHERE[key])
        raise ConfigurationError(f"{where}: there is no setting {key} here.", remedy=_remedy(key, keys))
    return settings


def _named(tables: Iterable[Table], *, kind: str, keys: Sequence[str], path: Path) -> dict[str, Table]:
    """Name → settings of each judge, or of each design.

    Raises:
        ConfigurationError: a key is unknown, a name is no text, or two have the same name.
    """
    named: dict[str, Table] = {}
    for number, table in enumerate(tables, start=1):
        where = f"{path}, [[{kind}s]] number {number}"
        settings = _known({key: value for key, value in table.items() if key != "name"}, keys=keys, where=where)
        name = table.get("name") or " ".join(_words(settings)) or ("service's own" if kind == "judge" else "balanced")
        if not isinstance(name, str) or not name.isprintable():
            raise ConfigurationError(f"{where}: name must be a text of one line.", remedy="Correct it there.")
        if name in named:
            raise ConfigurationError(
                f"{where}: another {kind} is called {name}, too.", remedy="Give each a name of its own."
            )
        named[name] = settings
    return named


def _words(settings: Table) -> Iterator[str]:
    """What a judge or a design is called that has no name of its own."""
    for key, value in settings.items():
        if key == "llm_provider" and "llm_model" in settings:
            continue
        if key in {"llm_provider", "llm_model", "reasoning_effort", "design"}:
            yield str(value)
        elif key in {"system_prompt", "rubric", "pairs"}:
            yield Path(str(value)).stem
        else:
            yield f"{key}={value}"
