"""Tables in a terminal of any width: no name and no figure is ever cut.

    show_named(console, ("rank", "student", "grade"), rows=[("1", "essay-of-a-long-name", "B")], title="Students")

Where a row of a table of essays does not fit into the terminal, its name gets a line of its own above its figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

# The name's place in a row, and what stands before the figures in the second line of a row.
_NAME, _INDENT = 1, "      "
_AT_EACH_END = 100
_AS_WIDE_AS_NEEDED = 100_000


def plain_table(*headings: str, title: str | None = None) -> Table:
    """A table whose cells go on in the next line where they are too long."""
    table = Table(box=SIMPLE, title=title)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def show_named(
    console: Console,
    headings: Sequence[str],
    *,
    rows: Iterable[Sequence[str]],
    title: str,
    whole: str = "--json has all",
) -> None:
    """Show essays with their figures; of more than 200 the first and the last 100.

    Args:
        console: where.
        headings: of rank, name and figures.
        rows: one for each essay, with as many cells; a name may have several lines.
        title: of the table.
        whole: where the others are.
    """
    cells = [tuple(row) for row in rows]
    if (between := len(cells) - 2 * _AT_EACH_END) > 0:
        cells[_AT_EACH_END:-_AT_EACH_END] = [("…", f"{between:,} more: {whole}", *[""] * (len(headings) - 2))]
    table = plain_table(*headings, title=title)
    for row in cells:
        table.add_row(*map(escape, row))
    width = Measurement.get(console, console.options.update_width(_AS_WIDE_AS_NEEDED), table).maximum
    if width <= console.width:
        console.print(table)
        return
    names, figures = [row[_NAME] for row in cells], [_without_name(row) for row in cells]
    heads = _without_name(headings)
    widths = [max(map(len, column)) for column in zip(heads, *figures, strict=True)]
    console.print(
        f"{title}: {headings[_NAME]}, and below {', '.join(filter(None, heads))}", style="italic", markup=False
    )
    console.print(_line(heads, widths), style="bold", markup=False)
    for name, row in zip(names, figures, strict=True):
        console.print(name, markup=False)
        console.print(_line(row, widths), markup=False)


def _without_name(row: Sequence[str]) -> tuple[str, ...]:
    return (*row[:_NAME], *row[_NAME + 1 :])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return (_INDENT + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()
