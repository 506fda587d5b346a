"""The artefact's schema: two implementations agree on what breaks it and name the place, not the value."""

from __future__ import annotations

import pytest

from eng5_runner.effects.schema import artefact_schema, violations, violations_by_reference


def test_the_schema_is_one_of_draft_2020_12() -> None:
    assert artefact_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("find", [violations, violations_by_reference])
def test_violations_are_places_and_rules_without_values(find: object) -> None:
    assert callable(find)
    found = find({"schema_version": "secret", "metadata": {"started_at": "secret"}, "a/b~c": 1}, most=50)
    assert "/schema_version: pattern" in found
    assert "/: required" in found
    assert any(one.startswith("/metadata: required") for one in found)
    assert "secret" not in "".join(found)
    assert len(find({}, most=3)) == 3


def test_both_implementations_name_the_same_places() -> None:
    broken = {"schema_version": "2", "llm_comparisons": [1, {}], "costs": []}
    places = [{one.split(": ")[0] for one in find(broken, most=100)} for find in (violations, violations_by_reference)]
    assert places[0] == places[1]
    assert "/llm_comparisons/0" in places[0]
