"""All runs of a folder as rows, newest first: sorted, filtered, as data frames or CSV.

runs = list_runs("runs", where=["outcome=complete", "reliability>=0.8"], sort="cost_usd")
runs.to_pandas()
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import MappingProxyType

from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.outputs import CONFIG_NAME, has_what_was_listed
from eng5_runner.errors import InputsMissing, RunnerError, UsageError
from eng5_runner.results.artefact import parse_artefact
from eng5_runner.results.rows import Rows
from eng5_runner.results.run_summary import RunSummary, summary_of
from eng5_runner.results.tables import Kind, RunTable, table_csv
from eng5_runner.run.artefact_file import artefact_path

COLUMNS = tuple(field.name for field in fields(RunSummary))
_NUMBERS = frozenset({"essays", "comparisons", "reliability", "agreement", "tau_b", "cost_usd"})
_WHOLE = frozenset({"essays", "comparisons"})
_CONDITION = re.compile(r"([a-z_]+)\s*(>=|<=|!=|=|~|>|<)\s*(.*)")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({
    "=": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
})  # fmt: skip
# Of an artefact as it is written: its keys are sorted, and line breaks within texts are escaped.
_LIST, _AFTER = b'\n  "llm_comparisons": [', b'\n  "metadata": {'


def list_runs(folder: str | Path = "runs", *, where: Sequence[str] = (), sort: str = "-started_at") -> Rows[RunSummary]:
    """The runs of a folder.

    Args:
        folder: of the run directories.
        where: conditions that all hold: a column, one of = != > >= < <= or ~ (contains), and a value.
        sort: a column; with a minus in front the largest, or newest, first. Runs without a value are last.

    Raises:
        InputsMissing: there is no such folder.
        UsageError: there is no such column, or a value is no number where numbers are compared.

    Returns:
        A row for each run, with `.to_pandas()` and `.to_polars()`.

    Example:
        >>> import eng5_runner as eng5
        >>> eng5.list_runs(demo.parent, where=["outcome=complete"])[0].outcome
        'complete'
    """
    parent, column = Path(folder), _column(sort.removeprefix("-"))
    conditions = [_condition(text) for text in where]
    if not parent.is_dir():
        raise InputsMissing(f"There is no folder {parent}.", remedy="Name the folder that holds the runs.")
    rows = [row for row in _summaries(parent) if all(holds(row) for holds in conditions)]
    known = sorted(
        (row for row in rows if getattr(row, column) is not None),
        key=lambda row: _key(row, column),
        reverse=sort.startswith("-"),
    )
    return Rows([*known, *(row for row in rows if getattr(row, column) is None)], row_type=RunSummary)


def runs_csv(runs: Rows[RunSummary]) -> bytes:
    """The list as CSV, with types as those of a run's own tables."""
    kinds: dict[str, Kind] = {
        name: "whole" if name in _WHOLE else "number" if name in _NUMBERS else "text" for name in COLUMNS
    }
    return b"".join(table_csv(RunTable(name="runs", columns=kinds, rows=[astuple(row) for row in runs])))


def _summaries(parent: Path) -> Iterator[RunSummary]:
    for directory in sorted(parent.iterdir()):
        if directory.is_dir() and not directory.is_symlink() and (directory / CONFIG_NAME).is_file():
            yield _summary(directory)


def _summary(directory: Path) -> RunSummary:
    try:
        path = artefact_path(directory)
        if not has_what_was_listed(directory, path.name):
            return RunSummary(label=directory.name, outcome="changed", directory=str(directory))
        data = path.read_bytes()
    except (RunnerError, OSError):
        return _without_results(directory)
    try:
        return summary_of(parse_artefact(_without_comparisons(data)), directory=str(directory))
    except ValueError:
        return RunSummary(label=directory.name, outcome="unreadable", directory=str(directory))


def _without_comparisons(data: bytes) -> bytes:
    """The artefact with an empty list of comparisons, which is most of it; a list of runs needs none of them."""
    begin = data.find(_LIST)
    end = data.find(_AFTER, begin)
    return data if min(begin, end) < 0 else b"".join((data[:begin], _LIST, b"],", data[end:]))


def _without_results(directory: Path) -> RunSummary:
    """What the first line of the ledger says of a run that has not ended."""
    try:
        with (directory / LEDGER_NAME).open("rb") as ledger:
            started = json.loads(ledger.readline())
        spec = started["spec"]
        return RunSummary(
            label=str(spec["label"]),
            started_at=str(started["at"]),
            outcome="open",
            run_id=str(spec["run_id"]),
            directory=str(directory),
        )
    except FileNotFoundError:
        return RunSummary(label=directory.name, outcome="planned", directory=str(directory))
    except (OSError, ValueError, LookupError, TypeError):
        return RunSummary(label=directory.name, outcome="unreadable", directory=str(directory))


def _key(row: RunSummary, column: str) -> float | str:
    value = getattr(row, column)
    return float(value) if column in _NUMBERS else str(value).casefold()


def _column(name: str) -> str:
    if name not in COLUMNS:
        raise UsageError(f"There is no column {name}.", remedy=f"The columns are {', '.join(COLUMNS)}.")
    return name


def _condition(text: str) -> Callable[[RunSummary], bool]:
    """A test of a row; an absent value meets no condition."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        remedy = "Write a column, one of = != > >= < <= ~ and a value, such as judge~gpt or 'cost_usd<5'."
        raise UsageError(f"{text} is no condition.", remedy=remedy)
    column, sign, wanted = _column(match[1]), match[2], match[3].strip()
    if sign == "~":
        return lambda row: wanted.casefold() in str(getattr(row, column) or "").casefold()
    compares = _COMPARISONS[sign]
    if column in _NUMBERS:
        try:
            limit = float(wanted)
        except ValueError:
            raise UsageError(f"{wanted} is no number, and {column} is one.", remedy="Give a number.") from None
        return lambda row: getattr(row, column) is not None and compares(float(getattr(row, column)), limit)
    folded = wanted.casefold()
    return lambda row: getattr(row, column) is not None and _compares_texts(sign, str(getattr(row, column)), folded)


def _compares_texts(sign: str, value: str, wanted: str) -> bool:
    have = value.casefold()
    tests = {"=": have == wanted, "!=": have != wanted, ">": have > wanted, "<": have < wanted}
    return tests.get(sign, have == wanted or (have > wanted) == (sign == ">="))
