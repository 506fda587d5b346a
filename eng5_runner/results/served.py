"""Which version of a model made the comparisons: a provider can change what is behind a name while a run goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from eng5_runner.results.artefact.study import ComparisonCall, ServedModel

_MOST_NAMED = 4


def served_models(calls: Iterable[ComparisonCall]) -> tuple[ServedModel, ...]:
    """The versions that answered, the earliest first; none where the provider names none.

    Args:
        calls: of one judge.
    """
    by_version: defaultdict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    for call in calls:
        by_version[call.served_model, call.system_fingerprint].append(call.started_at)
    by_version.pop((None, None), None)
    versions = (
        ServedModel(
            model=model,
            system_fingerprint=fingerprint,
            comparisons=len(times),
            first_at=min(times),
            last_at=max(times),
        )
        for (model, fingerprint), times in by_version.items()
    )
    return tuple(sorted(versions, key=lambda each: (each.first_at, each.model or "", each.system_fingerprint or "")))


def change_of(model: str, served: Sequence[ServedModel]) -> str | None:
    """That a provider changed what is behind a model's name, in words; None if it did not.

    >>> change_of("gpt-5.1", ())
    """
    if len(served) <= 1:
        return None
    named = ", ".join(_version(each) for each in served[:_MOST_NAMED])
    more = f" and {len(served) - _MOST_NAMED} more" if len(served) > _MOST_NAMED else ""
    return f"the provider answered for {model} with {len(served)} versions: {named}{more}"


def _version(served: ServedModel) -> str:
    name = " ".join(part for part in (served.model, served.system_fingerprint) if part)
    return f"{name} ({served.comparisons} comparisons)"
