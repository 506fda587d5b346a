"""Where a run's record comes from, if this program did not record it in this directory."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from eng5_runner.core.spec import Value

OriginKind: TypeAlias = Literal["import", "public-copy"]


class RecordFile(Value):
    """A file that the record was made from.

    Attributes:
        name: what it is, such as `ledger.jsonl`.
        sha256: of its bytes.
    """

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Origin(Value):
    """What a record was made from, and what it therefore lacks.

    Attributes:
        kind: `import` if another program ran the study, `public-copy` if names, texts and reasons were taken out.
        program: which program recorded the study, with its version as far as it is known.
        made_at: when the record was made.
        sources: the files that it was made from.
        missing: what is not in the record, a sentence each.
        order_unknown: whether nobody knows which essay of a pair was shown first.
        licence: the URL under which a public copy may be used; None if none is given.
    """

    kind: OriginKind
    program: str
    made_at: datetime
    sources: tuple[RecordFile, ...]
    missing: tuple[str, ...]
    order_unknown: Annotated[bool, Field(exclude_if=lambda unknown: not unknown)] = False
    licence: Annotated[str | None, Field(exclude_if=lambda licence: licence is None)] = None
