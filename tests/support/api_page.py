"""Writes docs/api.md from the docstrings of what `eng5_runner` exports (`make api`)."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import eng5_runner as eng5
from eng5_runner.app.plan import PlannedRun
from eng5_runner.measure.quality.misfit import Consistency, PositionEffect
from eng5_runner.measure.quality.triads import Triads
from eng5_runner.planning.plan import Plan
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.study import Comparison, FailedComparison
from eng5_runner.results.compare import (
    Agreement,
    AnchorOrders,
    EssayCounts,
    GradeAgreement,
    PositionAgreement,
    RunCost,
    RunsCompared,
    VerdictAgreement,
)
from eng5_runner.results.fit import FitReliability, FitResult, FittedItem, JudgeFit
from eng5_runner.results.rows import Rows
from eng5_runner.results.run_rows import AnchorPosition, EssayPosition
from eng5_runner.results.run_summary import RunSummary
from eng5_runner.results.sweep.figures import SweptFigure, SweptRun
from eng5_runner.results.sweep.leaderboard import JudgeDifference, Leaderboard, LeaderboardRow
from eng5_runner.run.verify import Verified

FUNCTIONS = (
    *("plan", "execute", "resume", "open_run", "verify", "compare", "sweep", "fit"),
    *("list_runs", "export", "export_public", "import_run"),
)
TYPES = (
    eng5.Run, Rows, EssayPosition, AnchorPosition, Comparison, FailedComparison, Artefact, PlannedRun, Plan, Verified,
    RunsCompared, EssayCounts, PositionAgreement, GradeAgreement, VerdictAgreement, AnchorOrders, RunCost, Agreement,
    eng5.Sweep, Leaderboard, LeaderboardRow, JudgeDifference, SweptRun, SweptFigure, RunSummary,
    FitResult, FittedItem, FitReliability, JudgeFit, PositionEffect, Consistency, Triads,
)  # fmt: skip
HEAD = """\
<!-- Generated from the docstrings by `make api`; a test holds it to them and runs every example. -->
# The library

```python
import eng5_runner as eng5
```

The functions work in a script and in a notebook. What this page names is public. Everything else in `eng5_runner` is
private and may change.

- **Settings** are keyword arguments, under the names of the command line's options: `--max-comparisons 200` is
  `max_comparisons=200`; `docs/options.md` lists them. A settings file is `config="study.toml"`. Environment variables
  such as `ENG5_SEED` are for the command line and are not read.
- **Keys of judges and passwords** come from the environment, as on the command line. The file `.env` is read by the
  command line only; in a notebook call `dotenv.load_dotenv()` first.
- **Money**: `execute`, `resume` and `sweep` ask nobody. Give `max_cost`.
- **Ctrl-C**, or interrupting a notebook's kernel, ends a run in order; `KeyboardInterrupt` is raised once the outputs
  are written, and `eng5.resume` continues. A second one cuts the run off; its ledger stays whole.
- **Units**: positions and their standard errors are in logits, money in USD, times in seconds or as UTC texts
  (RFC 3339), probabilities and reliabilities from 0 to 1. 90% intervals are marked as such.

The file of a run's artefact has the JSON Schema `schemas/eng5_np/assessment_run.schema.json`, which describes every
field of `Run.artefact`. `examples/demo.ipynb` shows the whole way through a study.
"""
SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Example):$")


def sections(docstring: str) -> dict[str, list[str]]:
    """A Google docstring by section; the text before the first is under ``."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if match := SECTION.match(line):
            name = match[1]
            found[name] = []
        else:
            found[name].append(line if not name else line.removeprefix("    "))
    return found


def entries(lines: list[str]) -> Iterator[str]:
    """`name: text` with its continuation lines, as items of a list."""
    for line in lines:
        if line and not line.startswith(" "):
            name, _, text = line.partition(": ")
            yield f"- `{name}`: {text}"
        elif line:
            yield f"  {line.strip()}"


def body(docstring: str) -> Iterator[str]:
    parts = sections(docstring)
    yield from parts.pop("")
    for name, lines in parts.items():
        yield ""
        if name == "Example":
            yield from ("```python", *lines, "```")
        elif name == "Returns":
            yield f"**Returns** {' '.join(line.strip() for line in lines).strip()}"
        else:
            yield from (f"**{name}**", "", *entries(lines))


def described_fields(cls: type) -> Iterator[str]:
    """The fields that have their meaning as a text below them, those of parents first."""
    for kind in reversed(cls.__mro__):
        if not kind.__module__.startswith("eng5_runner"):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        for field, text in itertools.pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                yield f"- `.{ast.unparse(field.target)}`: {' '.join(str(text.value.value).split())}"


def members(cls: type) -> Iterator[str]:
    """The documented public properties and methods of a class."""
    for name, member in list(vars(cls).items()):
        function = getattr(member, "fget", None) or getattr(member, "func", None) or member
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        parts = sections(function.__doc__)
        yield f"- `.{name}{'()' if function is member else ''}`: {' '.join(line for line in parts[''] if line)}"
        yield from (f"  Raises `{line.strip().replace(': ', '`: ', 1)}" for line in parts.get("Raises", []) if line)


def page() -> str:
    lines = [HEAD, "## Functions", ""]
    for name in FUNCTIONS:
        function = getattr(eng5, name)
        lines += [f"### `eng5.{name}`", "", "```python", signature(name, function), "```", ""]
        lines += [*body(function.__doc__), ""]
    lines += ["## What they return", ""]
    for cls in TYPES:
        lines += [f"### `{cls.__name__}`", "", *body(cls.__doc__ or ""), "", *described_fields(cls), *members(cls), ""]
    lines += ["## Errors", "", "Each has `.message` (what happened), `.remedy` (what to do next) and `.exit_code`.", ""]
    for name in eng5.__all__:
        error = getattr(eng5, name)
        if isinstance(error, type) and issubclass(error, eng5.RunnerError):
            summary = inspect.cleandoc(error.__doc__ or "").splitlines()[0]
            code = f" (exit code {error.exit_code})" if hasattr(error, "exit_code") else ""
            lines.append(f"- `eng5.{name}`{code}: {summary}")
    text = "\n".join(lines)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def signature(name: str, function: object) -> str:
    """The signature without annotations of our private modules; docs/options.md lists the settings."""
    code = function.__code__  # type: ignore[attr-defined]
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    shown, keyword_only = [], False
    for parameter in (parameters[name] for name in own):
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(parameter.name + default)
    if parameters.keys() - set(own):
        shown.append("**settings")
    return f"eng5.{name}({', '.join(shown)})"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
