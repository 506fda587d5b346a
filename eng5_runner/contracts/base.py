"""What all wire models share: strict in what is sent, liberal in what is received.

Models are built with exactly their fields (an unknown one is an error). Whoever receives parses with
`extra="ignore"`, so that a field which comes into being later harms nobody. No error message of a model shows the
offending value: it can hold an essay or a secret.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    WrapValidator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

T = TypeVar("T")


class WireModel(BaseModel):
    """A frozen value of the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def _from_http_date(value: object) -> object:
    """CJ's admin answers carry dates like `Sun, 22 Nov 2026 10:35:56 GMT`, sometimes ISO 8601."""
    if not (isinstance(value, str) and "," in value[:5]):
        return value
    try:
        return parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        raise ValueError("not a date") from None  # the parser's own words hold the value


def _in_utc(value: datetime) -> datetime:
    """CJ's failure event has instants without a zone; they are UTC."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC outside the years 1 to 9999") from None


Instant: TypeAlias = Annotated[datetime, BeforeValidator(_from_http_date), AfterValidator(_in_utc)]


def _none_if_unusable(  # law: positional - pydantic calls it so
    value: object, handler: ModelWrapValidatorHandler[T], info: ValidationInfo
) -> T | None:
    try:
        return handler(value)
    except ValidationError:
        if info.mode == "json":
            return None
        raise


# A field that the run can do without: what does not fit is taken as absent where JSON is received, and the raw message
# keeps it. A model that is built in Python is about to be sent, and there it is an error.
Lenient: TypeAlias = Annotated[T | None, WrapValidator(_none_if_unusable)]


def describe(error: ValidationError, *, most: int = 3) -> str:
    """Where a message breaks the contract and how, without any of its values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'message'}: {one['msg']}" for one in found[:most]]
    if len(found) > most:
        told.append(f"and {len(found) - most} more")
    return "; ".join(told)
