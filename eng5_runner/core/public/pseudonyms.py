"""The names and hashes of a public copy.

Essays are numbered in an order that only the owner of the ledger can compute. Hashes of whole essays and of prompts
stay, because nobody can guess such a text and try it. The hash of a text of a few words could be tried, so a keyed hash
stands for it; likewise for each id that a service gave, because some are computed from file names.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from eng5_runner.core.inputs import Anchor, Inputs, Student

FEWEST_WORDS = 50
"""Below this a text can be guessed, and its hash is not published."""
SECRET_LABEL = b"eng5-runner public copy\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNames:
    """What stands for each private value. The same ledger always gives the same names.

    Attributes:
        essays: our essay id → the id in the copy.
        short: SHA-256 of the texts and files of essays that are too short.
        short_essays: the ids, in the run, of those essays.
        secret: 32 bytes that only the owner of the ledger can compute.
    """

    essays: Mapping[str, str]
    short: frozenset[str]
    short_essays: frozenset[str]
    secret: bytes

    @classmethod
    def of(cls, inputs: Inputs, *, secret: bytes) -> PublicNames:
        """The names of a run's copy."""
        anchors: dict[str, Anchor | Student] = {anchor.anchor_id: anchor for anchor in inputs.anchors}
        students: dict[str, Anchor | Student] = {student.essay_id: student for student in inputs.students}
        brief = {essay_id: essay for essay_id, essay in (anchors | students).items() if is_short(essay)}
        return cls(
            essays=_numbered("anchor", anchors, secret=secret) | _numbered("essay", students, secret=secret),
            short=frozenset(digest for essay in brief.values() for digest in (essay.text_sha256, essay.file.sha256)),
            short_essays=frozenset(brief),
            secret=secret,
        )

    def text_hash(self, sha256: str) -> str:
        """The hash of a text or file in the copy."""
        return self.keyed(sha256) if sha256 in self.short else sha256

    def keyed(self, value: str) -> str:
        """64 hexadecimal digits for a value: the same for the same value, and nobody else can compute them."""
        return _keyed(value, secret=self.secret)

    def uuid(self, value: object) -> UUID:
        """A UUID for a value, likewise."""
        return UUID(hex=self.keyed(str(value))[:32], version=4)


def is_short(essay: Anchor | Student) -> bool:
    """Whether its text could be guessed from its hash."""
    return essay.word_count < FEWEST_WORDS


def _numbered(kind: str, essay_ids: Iterable[str], *, secret: bytes) -> dict[str, str]:
    """Essay id → `essay-07`; the numbers follow neither names, grades nor the order of arrival."""
    shuffled = sorted(essay_ids, key=lambda essay_id: _keyed(essay_id, secret=secret))
    digits = max(2, len(str(len(shuffled))))
    return {essay_id: f"{kind}-{number:0{digits}}" for number, essay_id in enumerate(shuffled, start=1)}


def _keyed(value: str, *, secret: bytes) -> str:
    return hmac.digest(secret, value.encode(), "sha256").hex()
