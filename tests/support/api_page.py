"""Writes docs/api.md from the docstrings of what `eng5_runner` exports (`make api`)."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import eng5_runner as eng5
from eng5_runner.app.plan import PlannedRun
from eng5_runner.measure.quality.misfit import Consistency, PositionEffect
from eng5_runner.measure.quality.triads import Triads
from eng5_runner.planning.plan import Plan
from eng5_runner.results.fit import FitReliability, FitResult, FittedItem, JudgeFit
from eng5_runner.results.rows import Rows
from eng5_runner.results.run_rows import AnchorPosition, ComparisonRow, EssayPosition, FailedRow
from eng5_runner.run.verify import Verified

FUNCTIONS = ("plan", "execute", "resume", "open_run", "verify", "compare", "fit")
TYPES = (
    eng5.Run, Rows, EssayPosition, ComparisonRow, AnchorPosition, FailedRow, PlannedRun, Plan, Verified, FitResult,
    FittedItem, FitReliability, JudgeFit, PositionEffect, Consistency, Triads,
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
  `max_comparisons=200`. A settings file is `config="study.toml"`. Environment variables such as `ENG5_SEED` are for the
  command line and are not read.
- **Keys of judges and passwords** come from the environment, as on the command line. The file `.env` is read by the
  command line only; in a notebook call `dotenv.load_dotenv()` first.
- **Money**: `execute` and `resume` ask nobody. Give `max_cost`.
- **Ctrl-C**, or interrupting a notebook's kernel, ends a run in order; `KeyboardInterrupt` is raised once the outputs
  are written, and `eng5.resume` continues. A second one cuts the run off; its ledger stays whole.
- **Units**: positions and their standard errors are in logits, money in USD, times in seconds or as UTC datetimes,
  probabilities and reliabilities from 0 to 1. 90% intervals are marked as such.

`examples/demo.ipynb` shows the whole way through a study.
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


def members(cls: type) -> Iterator[str]:
    """The documented public properties and methods of a class."""
    for name, member in vars(cls).items():
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
        lines += [f"### `{cls.__name__}`", "", *body(cls.__doc__ or ""), "", *members(cls), ""]
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
    """The signature with one parameter a line, without annotations of our private modules."""
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    shown, keyword_only = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(f"{'**' if parameter.kind is parameter.VAR_KEYWORD else ''}{parameter.name}{default}")
    return f"eng5.{name}({', '.join(shown)})"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
