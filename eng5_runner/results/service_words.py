"""In words: whether the CJ service's figures agree with the runner's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eng5_runner.canonical import Json


def disagreements(compared: Json) -> tuple[str, ...]:
    """The sentences of the artefact's `comparison_with_service`, empty where there is none."""
    found = compared.get("findings") if isinstance(compared, Mapping) else None
    return tuple(str(one) for one in found) if isinstance(found, Sequence) else ()


def agreement(compared: Json) -> str | None:
    """What was compared and agrees; None where nothing was compared or something differs."""
    if not isinstance(compared, Mapping) or disagreements(compared):
        return None
    counts = compared["compared"]
    if not isinstance(counts, Mapping):
        raise TypeError("counts are an object")
    lacking = [
        name
        for name, key in (("positions", "theta"), ("standard errors", "standard_error"), ("grades", "grade"))
        if not counts[key]
    ]
    told = f"{counts['theta']} positions, {counts['standard_error']} standard errors, {counts['grade']} grades"
    if len(lacking) == len(("theta", "standard_error", "grade")):
        return "the service gave no figures to compare with the runner's"
    missing = f"; it gave no {' and no '.join(lacking)} to compare" if lacking else ""
    return f"the service's figures agree with the runner's within their precision ({told}){missing}"
