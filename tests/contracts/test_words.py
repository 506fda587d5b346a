"""What is wrong with a value is said in our words, not in pydantic's."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from eng5_runner.contracts.base import describe

# Phrases of pydantic.
THEIRS = re.compile(r"Input|should|Value error|Assertion|Field required|Extra|valid |parse|instance|greater|less|equal")


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


class Side(StrEnum):
    A = "a"
    B = "b"


def refuse(value: object) -> object:
    raise ValueError("it is empty")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (int, "x", "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (int, None, "must be a whole number"),
        (float, "x", "must be a number"),
        (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "must be a finite number"),
        (bool, "perhaps", "must be true or false"),
        (str, 1, "must be a text"),
        (Decimal, "x", "must be a decimal"),
        (UUID, "x", "must be a UUID"),
        (datetime, "x", "must be a datetime or date"),
        (tuple[int, ...], 1, "must be a list"),
        (Place, 1, "must be an object with fields"),
        (dict[str, int], 1, "must be an object with fields"),
        (Annotated[int, Field(ge=1)], 0, "must be at least 1"),
        (Annotated[int, Field(le=1)], 2, "must be at most 1"),
        (Annotated[int, Field(gt=1)], 1, "must be above 1"),
        (Annotated[int, Field(lt=1)], 1, "must be below 1"),
        (Annotated[str, Field(min_length=2)], "", "must have at least 2 characters"),
        (Annotated[str, Field(max_length=2)], "abc", "must have at most 2 characters"),
        (Annotated[list[int], Field(min_length=1)], [], "must have at least 1 item after validation, not 0"),
        (Annotated[str, Field(pattern="^a$")], "b", "must match pattern '^a$'"),
        (Literal["a", "b"], "c", "must be 'a' or 'b'"),
        (Side, "c", "must be 'a' or 'b'"),
        (Annotated[int, AfterValidator(refuse)], 1, "it is empty"),
    ],
)
def test_each_kind_of_error_has_our_words(kind: Any, value: object, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    assert describe(refused.value) == f"message: {words}"
    assert not THEIRS.search(words)


def test_fields_that_are_missing_or_not_known_and_text_that_is_no_json() -> None:
    for text, words in (
        ("{}", "name: is missing"),
        ('{"name": "a", "nme": "b"}', "nme: is not known"),
        ("{", "message: is no JSON: EOF while parsing an object at line 1 column 1"),
    ):
        with pytest.raises(ValidationError) as refused:
            Place.model_validate_json(text)
        assert describe(refused.value) == words
