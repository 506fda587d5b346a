"""A provider that changes what is behind a model's name in mid-run: kept with each judgement, and said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.results.artefact.study import ComparisonCall, ServedModel
from eng5_runner.results.served import ServedVersions, change_of
from eng5_runner.stack.llm.providers.protocol import served_by
from tests.support.artefacts import comparison
from tests.support.judges.paid import PaidJudge, desk
from tests.support.judges.servers import Asked, Said
from tests.support.runner import artefact


class Changing(PaidJudge):
    """After ten answers another version answers."""

    def __call__(self, asked: Asked) -> Said:
        said = super().__call__(asked)
        version = "0101" if self.requests <= 10 else "0202"
        return replace(said, body=said.body | {"model": f"local-7b-{version}", "system_fingerprint": f"fp_{version}"})


async def test_the_version_is_kept_with_each_judgement_and_a_change_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path, Changing(moody=False)) as at:
        ran = await at.execute("--max-comparisons", 24)
        assert ran.code == 0, ran.err
        first = at.directory
        verified = await at.run("verify", first)
        again = await at.execute("--max-comparisons", 24)
    assert (verified.code, again.code) == (0, 0), verified.err + again.err
    made: dict[str, Any] = artefact(first)  # type: ignore[assignment]
    versions = {(one["served_model"], one["system_fingerprint"]) for one in made["llm_comparisons"]}
    assert versions == {("local-7b-0101", "fp_0101"), ("local-7b-0202", "fp_0202")}
    (judge,) = made["metadata"]["judges"]
    assert judge["model"] == "local-7b"
    assert {(one["model"], one["comparisons"]) for one in judge["served"]} == {
        ("local-7b-0101", 10),
        ("local-7b-0202", 14),
    }
    said = "the provider answered for local-7b with 2 versions: local-7b-0101 fp_0101 (10 comparisons), local-7b-0202"
    assert judge["changed"].startswith(said)
    assert said in " ".join(ran.err.split()) and said in (first / "report.html").read_text()
    raws = [json.loads(line)["raw"] for line in (first / "ledger.jsonl").read_text().splitlines() if "raw" in line]
    kept = [
        json.loads(raw)["data"]["request_metadata"] for raw in raws if '"winner"' in raw and '"served_model"' in raw
    ]
    assert len(kept) == 24
    replayed: dict[str, Any] = artefact(at.directory)  # type: ignore[assignment]
    assert replayed["costs"]["replayed"]["comparisons"] == 24
    assert {one["served_model"] for one in replayed["llm_comparisons"]} == {"local-7b-0101", "local-7b-0202"}


def served(calls: Iterable[ComparisonCall]) -> Sequence[ServedModel]:
    """The versions of the one judge that made these calls."""
    versions = ServedVersions()
    for call in calls:
        version = (call.served_model, call.system_fingerprint)
        versions.note((call.provider, call.model), version, started=[call.started_at])
    (of_the_judge,) = versions.by_judge().values()
    return of_the_judge


def test_one_version_is_no_change_and_none_is_absent() -> None:
    known = [comparison("a", "b", "a", sequence=number, served_model="m-1") for number in (1, 2)]
    (version,) = served(known)
    assert (version.model, version.system_fingerprint, version.comparisons) == ("m-1", None, 2)
    assert change_of("m", (version,)) is None
    assert served([comparison("a", "b", "a", sequence=1)]) == ()


def test_many_versions_are_counted_and_a_few_are_named() -> None:
    known = [comparison("a", "b", "a", sequence=number, system_fingerprint=f"fp_{number}") for number in range(1, 8)]
    told = change_of("m", served(known))
    assert told is not None and "7 versions" in told and "fp_4 (1 comparison) and 3 more" in told


@pytest.mark.parametrize("name", [None, 7, "", "x" * 201, "a\x1b[31mb", "a\u202eb", ["m"]])
def test_a_name_that_cannot_be_shown_is_no_name(name: object) -> None:
    assert served_by(name, name) is None
    served = served_by("m-1", name)
    assert served is not None and (served.model, served.fingerprint) == ("m-1", None)
