"""What a request may ask of a CJ service beyond the contract, in its envelope's metadata.

Whatever stands at its default is left out, so that a request which asks for nothing more looks as it always did. A
service says in `GET /healthz` which of these keys it honours; one that says nothing honours none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue

from eng5_runner.contracts.base import WireModel

PairDesign: TypeAlias = Literal["balanced", "adaptive", "boundary"]
SwapShare: TypeAlias = Literal["none", "audit", "all"]


class StudyOptions(WireModel):
    """How pairs are chosen and when a study ends.

    Attributes:
        design: balanced rounds, adaptive rounds after six balanced ones, or named pairs only.
        pairs: of a boundary design, the essays' ids on the wire; an anchor that the service adds itself is
            `ANCHOR_<row id>`, without what each batch adds.
        repeats: how often each pair is asked in the same order.
        swap: which pairs are asked in the other order too.
        target_se: end when 90% of the standard errors are at most this, in logits.
        target_reliability: end when the lower end of the reliability's interval is at least this.
        max_cost_usd: what may be spent at most, with what is under way counted at its highest.
    """

    design: PairDesign = "balanced"
    pairs: tuple[tuple[str, str], ...] = ()
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    swap: SwapShare = "none"
    target_se: Annotated[float, Field(gt=0)] | None = None
    target_reliability: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, JsonValue]) -> StudyOptions:
        """The wishes in a request's metadata; what else is there is not looked at.

        Raises:
            pydantic.ValidationError: a wish is none that can be.
        """
        return cls.model_validate({key: value for key, value in metadata.items() if key in cls.model_fields})

    def told(self) -> dict[str, JsonValue]:
        """The same as metadata, without what stands at its default."""
        return self.model_dump(mode="json", exclude_defaults=True)


STUDY_OPTIONS = tuple(StudyOptions.model_fields)
