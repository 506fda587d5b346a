"""The judge's quality card in the anchor report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from eng5_runner.reports.markdown import Object, between, inline, items_of, number, object_of, table

_Row = tuple[str, str, str]


def judge_card(quality: Object) -> Iterator[str]:
    """The section: each figure with its interval, and what a judge of the fitted model would show."""
    yield from ("## The judge", "")
    yield from table(("", "found", "expected of a judge of this scale"), list(_rows(quality)))
    judges = items_of(quality["judges"])
    if len(judges) > 1:
        yield from table(
            ("model", "judgements", "infit", "outfit"),
            [
                (
                    f"{inline(one['provider'])} {inline(one['model'])}",
                    *(str(one["judgements"]), number(one["infit"]), number(one["outfit"])),
                )
                for one in judges
            ],
        )


def _rows(quality: Object) -> Iterator[_Row]:
    told: tuple[tuple[str, str, Callable[[Object], tuple[str, str]]], ...] = (
        ("advantage of being shown first, in logits", "position_effect", _position),
        ("flips when the order of a pair is swapped", "swap", _flips),
        ("same question again: same winner", "repeats", _consistency),
        ("circular triads", "circular_triads", _triads),
        ("lapses (answers without looking)", "lapse", _lapse),
        ("a doubling of the words at one grade, in logits", "length", _length),
        ("the longer of two essays won", "length", _longer),
        ("failed calls", "failures", _failures),
        ("misfit, infit and outfit", "misfit", _misfit),
        ("price of a judgement, USD", "price", _price),
    )
    for name, key, say in told:
        figures = object_of(quality[key])
        if "not_measured" in figures:
            yield name, f"not measured: {inline(figures['not_measured'])}", ""
        else:
            yield (name, *say(figures))


def _position(found: Object) -> tuple[str, str]:
    effect = f"{number(found['estimate'], sign=True)} {between(found['interval_90'])}"
    equals = f"of two equals the first wins {_percent(found['first_wins_of_equals'])}"
    return f"{effect}; {equals}; {found['first_won']} of {found['judgements']} were won by the first", "0"


def _consistency(found: Object) -> tuple[str, str]:
    interval = found["interval_90"]
    told = f"{_percent(found['share'])} of {number(found['compared'], 0)} {between(interval)}, {found['pairs']} pairs"
    return told, _percent(found["expected_share"])


def _flips(found: Object) -> tuple[str, str]:
    share, ends, expected = found["share"], found["interval_90"], found["expected_share"]
    if not (isinstance(share, int | float) and isinstance(ends, Sequence) and isinstance(expected, int | float)):
        raise TypeError("a share has an interval and an expectation")
    low, high = (1.0 - float(str(end)) for end in reversed(ends))
    told = f"{_percent(1.0 - share)} of {number(found['compared'], 0)} {between([low, high])}, {found['pairs']} pairs"
    return told, _percent(1.0 - expected)


def _triads(found: Object) -> tuple[str, str]:
    zeta = "" if found["zeta"] is None else f", consistence ζ {number(found['zeta'])}"
    return f"{found['circular']} of {found['complete']}{zeta}", number(found["expected"], 1)


def _lapse(found: Object) -> tuple[str, str]:
    return f"{number(found['rate'])} {between(found['interval_90'])}", "0"


def _length(found: Object) -> tuple[str, str]:
    return f"{number(found['logits_a_doubling'], sign=True)} {between(found['interval_90'])}", "0"


def _longer(found: Object) -> tuple[str, str]:
    return f"{number(found['longer_won'], 0)} of {number(found['judgements'], 0)}", (
        f"{number(found['longer_won_by_grades'], 1)} by the experts' grades"
    )


def _failures(found: Object) -> tuple[str, str]:
    codes = ", ".join(f"{inline(code)} {count}" for code, count in object_of(found["by_code"]).items())
    return f"{found['failed']} of {found['calls']} {between(found['interval_90'])}{'; ' if codes else ''}{codes}", "0"


def _misfit(found: Object) -> tuple[str, str]:
    return f"{number(found['infit'])}, {number(found['outfit'])}", "about 1"


def _price(found: Object) -> tuple[str, str]:
    return f"{number(found['usd_a_judgement'], 6)} ({number(found['usd'], 4)} in all, failed calls included)", ""


def _percent(share: object) -> str:
    return f"{share:.0%}" if isinstance(share, int | float) else "–"
