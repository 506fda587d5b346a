"""Study options: what a request can ask of a CJ service beyond the contract, in its envelope's metadata.

An option at its default is left out, so a request without options is exactly what the contract describes. A service
lists the options that it supports in its answer to `GET /healthz`; a service that lists none supports none.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.choices import (
    CostLimit,
    PairDesign,
    Repeats,
    SoftJudgements,
    SwapShare,
    TargetReliability,
    TargetSe,
)


class StudyOptions(WireModel):
    """How pairs are chosen and when a study ends.

    Attributes:
        design: balanced rounds, adaptive rounds after three to six balanced ones, or named pairs only.
        pairs: the pairs of a boundary design, by the essays' names on the wire. An anchor that the service adds itself
            is `ANCHOR_<row id>`, without the digits that each batch adds.
        repeats: how often each pair is compared in the same order.
        swap: which pairs are also compared in the other order.
        target_se: end when 90% of the standard errors are at most this, in logits.
        target_reliability: end when the lower end of the reliability's 90% interval is at least this.
        max_cost_usd: the cost limit; comparisons in progress count at their upper bound.
        stop_decided: whether a pair of a boundary design is left out as soon as it is decided.
        soft_judgements: whether models are asked for the probability of their answer, and whether that and the judge's
            confidence count when the study's precision is looked at. A service that does not know it counts wins.
    """

    design: PairDesign = "balanced"
    pairs: tuple[tuple[str, str], ...] = ()
    repeats: Repeats = 1
    swap: SwapShare = "none"
    target_se: TargetSe | None = None
    target_reliability: TargetReliability | None = None
    max_cost_usd: CostLimit | None = None
    stop_decided: bool = False
    soft_judgements: SoftJudgements = "off"

    @classmethod
    def of(cls, metadata: Mapping[str, JsonValue]) -> StudyOptions:
        """Read the options from a request's metadata; other keys are ignored.

        Raises:
            pydantic.ValidationError: an option has an impossible value.
        """
        return cls.model_validate({key: value for key, value in metadata.items() if key in cls.model_fields})

    def as_metadata(self) -> dict[str, JsonValue]:
        """The options as metadata, without those at their default.

        >>> StudyOptions(repeats=2).as_metadata()
        {'repeats': 2}
        """
        return self.model_dump(mode="json", exclude_defaults=True)


STUDY_OPTIONS = tuple(StudyOptions.model_fields)
