"""What all wire models share: strict about what is sent, tolerant about what is received.

A model that is built in Python accepts exactly its fields. A message that is received is parsed with `extra="ignore"`,
so that new fields do no harm. No error message of a model shows the value that is wrong: it can be an essay or a
secret.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    ValidationError,
)
from pydantic_core import core_schema

T = TypeVar("T")

# What pydantic calls things, and what we call them; tried in this order.
_OUR_WORDS = (
    (r"^Field required$", "is missing"),
    (r"^Extra inputs are not permitted$", "is not known"),
    (r"^Invalid JSON: ", "is no JSON: "),
    (r"^Input should be an? (?:valid )?(integer|number|string|boolean|dictionary)\b.*", r"must be a \1"),
    (r"^Input should be a valid ([^,]+)(?:,.*)?", r"must be a \1"),
    (r"^[A-Z]\w*(?: input)? should ", "must "),
    (r"\ba integer$", "a whole number"),
    (r"\ba string$", "a text"),
    (r"\ba (?:tuple|array)$", "a list"),
    (r"\ba boolean$", "true or false"),
    (r"\ba dictionary$", "an object with fields"),
    (r"\bgreater than or equal to\b", "at least"),
    (r"\bless than or equal to\b", "at most"),
    (r"\bgreater than\b", "above"),
    (r"\bless than\b", "below"),
)


class WireModel(BaseModel):
    """A frozen value that is sent or received."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )


def _from_http_date(value: object) -> object:
    """Parse dates like `Sun, 22 Nov 2026 10:35:56 GMT`, which CJ's admin side uses beside ISO 8601."""
    if not (isinstance(value, str) and "," in value[:5]):
        return value
    try:
        return parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        raise ValueError("not a date") from None  # the parser's message contains the value


def _in_utc(value: datetime) -> datetime:
    """Convert to UTC. CJ's failure event has instants without a zone; they are UTC."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC outside the years 1 to 9999") from None


def instant_of(written: str) -> datetime:
    """Read an ISO 8601 instant as each Python does; 3.14 alone takes the hour 24, for the next day.

    Raises:
        ValueError: there is no such instant.
    """
    if "T24" in written.replace(" ", "T"):
        raise ValueError("no day has the hour 24")
    return datetime.fromisoformat(written)


Instant: TypeAlias = Annotated[datetime, BeforeValidator(_from_http_date), AfterValidator(_in_utc)]


def _lenient(source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    strict = handler(source)
    received = core_schema.with_default_schema(strict, default=None, on_error="default")
    return core_schema.json_or_python_schema(json_schema=received, python_schema=strict)


# An optional field that the run does not need. In received JSON, a value of the wrong type counts as missing (the
# ledger keeps the raw message). In a model built in Python, which is about to be sent, it is an error.
Lenient: TypeAlias = Annotated[T | None, GetPydanticSchema(_lenient)]


def describe(error: ValidationError, *, most: int = 3) -> str:
    """Say where and how a message breaks its contract, without any of its values; at most `most` places in full."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    places = [f"{'.'.join(map(str, e['loc'])) or 'message'}: {in_our_words(e['msg'])}" for e in errors[:most]]
    if len(errors) > most:
        places.append(f"and {len(errors) - most} more")
    return "; ".join(places)


def in_our_words(message: str) -> str:
    """What is wrong with a value, without the phrases of pydantic.

    >>> in_our_words("Input should be a valid integer, unable to parse string as an integer")
    'must be a whole number'
    >>> in_our_words("Value error, 'xls' is not one of 'csv', 'json'.")
    "'xls' is not one of 'csv', 'json'."
    """
    if message.startswith("Value error, "):  # the rest is ours
        return message.removeprefix("Value error, ")
    for theirs, ours in _OUR_WORDS:
        message = re.sub(theirs, ours, message)
    return message
