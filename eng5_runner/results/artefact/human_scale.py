"""What people's judgements say beside a model's: the scale is theirs, and the model adds what it agrees."""

from __future__ import annotations

from eng5_runner.results.artefact.part import (
    AtLeastOne,
    Correlation,
    Count,
    EssayId,
    NonNegative,
    Part,
    Positive,
    Share,
    Text,
)


class AgreementShare(Part):
    """How often human judgements agree with an order that others gave."""

    judgements: AtLeastOne
    """How many can agree; ties cannot."""
    share: Share
    """Of them that agree."""
    interval_90: tuple[Share, Share]
    """Of `share`; with five people and more it allows for people who differ."""
    judgements_needed: AtLeastOne
    """How many judgements would make the interval as narrow as plus or minus .05."""


class SamePair(Part):
    """Pairs that two people judged."""

    asked: AtLeastOne
    """How many pairs of judgements are of the same two essays."""
    agreed: Count
    """How many of these have the same winner."""


class HumanReliability(Part):
    """How far the order on the humans' scale can be trusted."""

    value: Share
    """Expected share of the variance on the humans' scale that the positions explain."""
    interval_90: tuple[Share, Share]
    """Of `value`."""


class Disagreement(Part):
    """A human judgement that the models' order contradicts."""

    judge: Text | None = None
    """Who judged; absent where the table names nobody."""
    winner: Text
    """The essay that the person chose."""
    loser: Text
    """The essay that the models place higher."""
    difference: NonNegative
    """By how much the models place it higher, in logits on their scale."""
    judgements: AtLeastOne
    """How many such judgements of this person and pair there are."""


class HumanPosition(Part):
    """An essay's place on the humans' scale."""

    essay_id: EssayId
    """The essay's id in `inputs`."""
    theta: float
    """Position in logits; all positions sum to zero."""
    standard_error: Positive
    """Of `theta`, in logits."""
    judgements: Count
    """Human judgements that the essay took part in."""


class HumanScale(Part):
    """People and models that judged the same essays, each as what they are."""

    people: Count
    """How many people judged; 0 where the table names nobody."""
    judgements: AtLeastOne
    """Theirs."""
    model_judgements: AtLeastOne
    """The models'."""
    agreement: AgreementShare | None = None
    """Of human judgements with the models' order; absent where all are ties."""
    agreement_among_people: AgreementShare | None = None
    """Of each person's judgements with the order of all other people; absent for a single person."""
    same_pair: SamePair | None = None
    """Where two people judged the same pair; absent where none did."""
    undefined: Text | None = None
    """Why there is no humans' scale, in words; absent where there is one."""
    correlation: Correlation | None = None
    """Of the true positions on the humans' and the models' scale."""
    correlation_interval_90: tuple[Correlation, Correlation] | None = None
    """Of `correlation`."""
    uses_models: bool | None = None
    """Whether the models' judgements add to the humans' scale: only where they predict human judgements better."""
    reliability: HumanReliability | None = None
    """Of the order on the humans' scale; absent also where it is not defined."""
    log_loss_alone: NonNegative | None = None
    """Of a human judgement that was held out, by the other people's alone; .693 is a coin."""
    log_loss_joint: NonNegative | None = None
    """The same with what the models add."""
    human_position_effect: float | None = None
    """By how much people favour the essay shown first, in logits; absent where it is not estimated."""
    model_position_effect: float | None = None
    """The same of the models."""
    positions: tuple[HumanPosition, ...] | None = None
    """Each essay's place, the best first; absent where there is no humans' scale."""
    disagreements: tuple[Disagreement, ...]
    """Human judgements that the models contradict, the largest difference first."""
