"""Projected grades against teachers' grades that were given for checking, in lines that all views share."""

from __future__ import annotations

from collections.abc import Iterator

from eng5_runner.phrases import counted

_FEW = 10


def grade_check_lines(
    *, students: int, within_one: int, shift: float, interval: tuple[float, float] | None, is_shifted: bool
) -> Iterator[str]:
    """What the check found; `shift` and `interval` in steps, as in `measure.grading.check`."""
    yield (
        f"of {counted(students, 'student')} whose teachers' grade is known, {within_one} "
        f"{'has' if within_one == 1 else 'have'} a projected grade within one step of it"
    )
    if interval is None:
        return
    low, high = interval
    figures = f"projected minus teachers' grades: {shift:+.1f} steps ({low:+.1f} to {high:+.1f})"
    if is_shifted:
        yield f"{figures}; the grades are shifted"
        return
    enough = "" if students >= _FEW else f", but to see a shift of one takes about {_FEW} students"
    yield f"{figures}; no shift is seen{enough}"
