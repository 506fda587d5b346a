"""Which version of a model answered, and that a provider changed it in mid-run."""

from __future__ import annotations

from eng5_runner.results.artefact.study import ServedModel
from eng5_runner.results.served import ServedVersions, change_of

EARLY, NOON, LATE = (f"2027-03-02T{hour}:00:00.000000Z" for hour in ("08", "12", "20"))
ONE, TWO = ("openai", "gpt"), ("mistral", "small")


def test_each_version_has_its_comparisons_and_its_first_and_last_time() -> None:
    versions = ServedVersions()
    for judge, version, at in (
        (TWO, ("s-2", None), NOON),
        (ONE, ("gpt-b", "fp_1"), NOON),
        (ONE, ("gpt-b", "fp_1"), LATE),
        (ONE, ("gpt-b", "fp_1"), EARLY),
        (ONE, ("gpt-b", None), EARLY),
        (ONE, ("gpt-a", "fp_1"), LATE),
        (ONE, ("gpt-a", None), EARLY),
        (ONE, (None, None), NOON),
    ):
        versions.note(judge, version, started=[at])

    def served(model: str, fingerprint: str | None, count: int, first: str, last: str) -> ServedModel:
        return ServedModel(model=model, system_fingerprint=fingerprint, comparisons=count, first_at=first, last_at=last)

    assert list(versions.by_judge().items()) == [
        (TWO, (served("s-2", None, 1, NOON, NOON),)),
        (
            ONE,
            (
                served("gpt-a", None, 1, EARLY, EARLY),
                served("gpt-b", None, 1, EARLY, EARLY),
                served("gpt-b", "fp_1", 3, EARLY, LATE),
                served("gpt-a", "fp_1", 1, LATE, LATE),
            ),
        ),
    ]


def test_a_provider_that_names_no_version_has_none() -> None:
    versions = ServedVersions()
    versions.note(ONE, (None, None), started=[NOON])
    assert versions.by_judge() == {ONE: ()}


def test_a_change_in_mid_run_is_told_with_its_first_versions() -> None:
    served = tuple(
        ServedModel(
            model=f"m-{n}", system_fingerprint="fp" if n else None, comparisons=n + 1, first_at=NOON, last_at=NOON
        )
        for n in range(6)
    )
    assert change_of("m", served[:1]) is None
    assert change_of("m", served[:2]) == (
        "the provider answered for m with 2 versions: m-0 (1 comparison), m-1 fp (2 comparisons)"
    )
    told = change_of("m", served)
    assert told is not None
    assert told.endswith("m-3 fp (4 comparisons) and 2 more")
    assert "6 versions" in told
