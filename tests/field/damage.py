"""Copies of the recorded messages with one field damaged, for every field and every kind of damage."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.field import recorded
from tests.support.field.recorded import Message

DAMAGES = ("missing", "null", "wrong type", "too long")
Path = tuple[str | int, ...]

KINDS: dict[str, Message] = {
    "comparison": recorded.callbacks()[0],
    "error": recorded.errors()[0],
    "completed": recorded.callbacks()[-2],
    "result": recorded.callbacks()[-1],
    "failed": recorded.failures()[0],
}
"""One sound message of each kind."""

_COMPARISON: tuple[str, ...] = (
    "data",
    "data.request_metadata",
    "data.request_metadata.essay_a_id",
    "data.request_metadata.essay_b_id",
)
NEEDED: dict[str, frozenset[str]] = {
    "comparison": frozenset((*_COMPARISON, "data.winner")),
    "error": frozenset((*_COMPARISON, "data.error_detail")),
    "completed": frozenset(("data", "data.status", "data.entity_id")),
    "result": frozenset(("data", "data.essay_results", "data.essay_results.0", "data.essay_results.0.essay_id")),
    "failed": frozenset(("data", "data.entity_id")),
}
"""What a run cannot do without, kind by kind: without it nothing could be stated."""

STAND_INS: frozenset[str] = frozenset(("data.request_id", "data.requested_at"))
"""Where the event's id and every time is gone as well, nothing can stand for these."""

BATCH: dict[str, frozenset[str]] = {
    "comparison": frozenset(("data.request_metadata.bos_batch_id",)),
    "error": frozenset(("data.request_metadata.bos_batch_id",)),
    "completed": frozenset(("data.entity_id",)),
    "failed": frozenset(("data.entity_id",)),
    "result": frozenset(("data.batch_id",)),
}
"""By which a message is known to be ours; a result without it is by its entity."""

CLAIMS: dict[str, frozenset[str]] = {
    "comparison": frozenset(("data.error_detail",)),
    "error": frozenset(("data.winner",)),
}
"""What says the contrary of the message where it is there at all: any value but null is a contradiction."""

NOT_TOO_LONG: frozenset[str] = frozenset((*_COMPARISON, "data.winner", "data.essay_results.0"))
"""Needed fields in which a value that is too long is no value."""


@dataclass(frozen=True)
class Damaged:
    """A message with one field damaged."""

    kind: str
    path: Path
    damage: str
    message: Message

    @property
    def field(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def named(self) -> str:
        return f"{self.kind}: {self.field} {self.damage}"

    def outcome(self, run_id: str) -> str:
        """What the contract wants: `rejected` with a reason, `foreign`, or `accepted` as if it were not there."""
        if run_id not in json.dumps(self.message.value):
            return "foreign"  # it names no batch any more, so it may be anybody's
        if self.field in CLAIMS.get(self.kind, ()):
            return "accepted" if self.damage in ("missing", "null") else "rejected"
        if self.field in BATCH[self.kind] and self.damage == "too long":
            return "foreign"  # another batch's
        if self.field in NEEDED[self.kind]:
            if self.field == "data.error_detail" and self.damage in ("wrong type", "too long"):
                return "accepted"  # an error that says nothing is still one
            return "rejected" if self.damage != "too long" or self.field in NOT_TOO_LONG else "accepted"
        return "accepted"


def fields(value: object, here: Path = ()) -> Iterator[Path]:
    """Every field of a message, of each list the first entry."""
    if here:
        yield here
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from fields(inner, (*here, name))
    elif isinstance(value, list) and value:
        yield from fields(value[0], (*here, 0))


def every_damage(kind: str, sound: Message) -> Iterator[Damaged]:
    """Each field of a message damaged in each way."""
    for path in fields(sound.value):
        for damage in DAMAGES:
            if isinstance(path[-1], int) and damage == "missing":
                continue  # an entry less is no damage
            value = copy.deepcopy(sound.value)
            damage_field(value, path, damage)
            yield Damaged(kind, path, damage, sound.with_value(value))


def damage_field(value: dict, path: Path, damage: str) -> None:
    """Damage one field in place."""
    where: object = value
    for step in path[:-1]:
        where = where[step]
    if damage == "missing":
        del where[path[-1]]
    elif damage == "null":
        where[path[-1]] = None
    elif damage == "wrong type":
        where[path[-1]] = _of_another_type(where[path[-1]])
    else:
        where[path[-1]] = _too_long(where[path[-1]])


def _of_another_type(value: object) -> object:
    if isinstance(value, str):
        return {"not": "a text"}
    return "not what it should be"


def _too_long(value: object) -> object:
    """A text of 5,000 characters, a number of 30 digits, a list of fifty where there was one thing."""
    if isinstance(value, str):
        return ((value or "x") * 5_000)[:5_000]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 10**30
    if isinstance(value, dict):
        return [value] * 50
    if isinstance(value, list):
        return [value[0] if value else 0] * 50
    return "x" * 5_000
