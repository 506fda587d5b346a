"""What the judgements say of the judge: agreement with the experts on the anchors, and the quality card."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from eng5_runner.results.artefact.part import (
    AtLeastOne,
    AtMostOne,
    Correlation,
    Count,
    EssayId,
    Interval90,
    Later,
    NonNegative,
    Nullable,
    Part,
    Probabilities,
    Share,
    Text,
)


class LeftOutAnchor(Part):
    """An anchor's grade by all the other anchors, which is an honest test of the projection."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["projected_grade", "probabilities"]}, {"required": ["refused"]}]}
    )

    anchor_id: EssayId
    """The anchor's id in `inputs`."""
    grade: Text
    """The experts' grade."""
    projected_grade: Text | None = None
    """The grade by the other anchors; absent where they could give none."""
    probabilities: Probabilities | None = None
    """By grade; absent where there is no projected grade."""
    refused: Text | None = None
    """Why the other anchors could give no grade; absent where they did."""


class AlignmentIntervals(Part):
    """90% intervals by bootstrap of the anchors; null below six anchors, and where the figure is undefined."""

    kendall_tau_b: Nullable[Interval90]
    """Of the figure with this name."""
    spearman: Nullable[Interval90]
    """Of the figure with this name."""
    left_out_exact: Nullable[Interval90]
    """Of the figure with this name."""
    left_out_within_one: Nullable[Interval90]
    """Of the figure with this name."""
    left_out_qwk: Nullable[Interval90]
    """Of the figure with this name."""
    left_out_bias: Nullable[Interval90]
    """Of the figure with this name."""
    left_out_mean_absolute_error: Nullable[Interval90]
    """Of the figure with this name."""


class ClaimedWithinOne(Part):
    """Anchors for which about the same probability was claimed."""

    claimed: Share
    """Mean claim of the projected grade or a neighbour of it."""
    held: Share
    """How often the experts' grade was one of these."""
    anchors: AtLeastOne
    """How many anchors."""


class LeftOutClaims(Part):
    """How good the probabilities of the left-out anchors are; lower scores are better."""

    anchors: AtLeastOne
    """How many anchors could be projected."""
    brier: NonNegative
    """Brier score over all grades, 0 to 2."""
    ranked_probability_score: NonNegative
    """Like the Brier score, with the distance of grades counted."""
    log_loss: Nullable[NonNegative]
    """Mean negative logarithm; null where a grade came that had probability 0."""
    claimed_within_one: Share
    """Mean claim of the projected grade or a neighbour."""
    within_one: Annotated[tuple[ClaimedWithinOne, ...], Field(min_length=1)]
    """Claimed against held, in groups."""


class InvertedAnchorPair(Part):
    """Two anchors whose order by the judge is not that of the experts; an even score is half an inversion."""

    higher: EssayId
    """The anchor with the higher grade."""
    higher_grade: Text
    """Its grade."""
    lower: EssayId
    """The anchor with the lower grade."""
    lower_grade: Text
    """Its grade."""
    questions: NonNegative
    """Judgements of the pair, each repeated question counted once."""
    lost_by_higher: NonNegative
    """How many of them the anchor with the higher grade lost; half for a question with both answers."""
    comparisons: Annotated[tuple[AtLeastOne, ...], Field(min_length=1)]
    """`sequence` of all judgements of the pair, in either order."""


class InversionsByDistance(Part):
    """Inversions among anchors whose grades are so far apart."""

    steps: AtLeastOne
    """Distance in grades; 3 stands for three or more."""
    pairs: AtLeastOne
    """Pairs that were judged."""
    inverted: NonNegative
    """Pairs with the wrong order; an even score counts half."""
    interval_90: Interval90
    """Of the share of inverted pairs, by Wilson's method."""
    expected: NonNegative
    """How many a judge of the fitted model would invert."""
    inverted_pairs: tuple[InvertedAnchorPair, ...]
    """Each of them."""


class AnchorInversions(Part):
    """Pairs of anchors that the judge ordered against the experts."""

    pairs: Count
    """Pairs of different grades that were judged."""
    inverted: NonNegative
    """Pairs with the wrong order; an even score counts half."""
    expected: NonNegative
    """How many a judge of the fitted model would invert."""
    interval_90: Nullable[Interval90]
    """Of the share of inverted pairs; null where none was judged."""
    by_distance: tuple[InversionsByDistance, ...]
    """By the distance of the grades."""


class WinlessAnchor(Part):
    """An anchor that was judged and won nothing, not even a tie."""

    anchor_id: EssayId
    """The anchor's id in `inputs`."""
    grade: Text
    """The experts' grade."""
    judgements: NonNegative
    """Judgements that it took part in."""
    expected_probability: Share
    """How probable no win is at its position."""


class BesideAbleJudges(Part):
    """A figure beside those of simulated judges who judge the same pairs and agree with the experts by a known r."""

    verdict: Literal["met", "cannot be told", "missed"]
    """Met: at most one in twenty judges of r = .9 does as well; missed: at most one in twenty does as badly."""
    judges_of_90: Interval90
    """The middle 90% of judges whose positions correlate with the experts' by .9."""
    judges_of_100: Interval90
    """The middle 90% of judges who order the anchors as the experts do."""


class AtLeastTarget(Part):
    """A figure that must not be lower."""

    at_least: float
    """The field's usual target, which in few comparisons even a perfect judge can miss."""
    met: Nullable[bool]
    """Whether that is reached; null where the figure is undefined."""
    beside_able_judges: BesideAbleJudges | None = None
    """What the figure says of the judge; absent where it is undefined."""


class InversionsTarget(Part):
    """A number of inversions that must not be exceeded."""

    at_most: float
    """The field's usual target, which in many comparisons even a perfect judge misses."""
    met: bool
    """Whether that is kept."""
    beside_able_judges: BesideAbleJudges | None = None
    """What the number says of the judge; absent where all anchors have one grade."""


class WithoutWinTarget(Part):
    """A number of anchors without a win that must not be exceeded; those of the lowest grade need no win."""

    at_most: Count
    """The highest number that meets the target."""
    met: bool
    """Whether that is kept."""
    beside_able_judges: BesideAbleJudges | None = None
    """What the number says of the judge, met where there is none; absent where all anchors have one grade."""


class AlignmentTargets(Part):
    """What the field asks of a judge before it is trusted with students' essays."""

    kendall_tau_b: AtLeastTarget
    """Order of the anchors."""
    inversions: InversionsTarget
    """Inverted pairs."""
    without_win: WithoutWinTarget
    """Anchors without a win."""


class AnchorAlignment(Part):
    """How the judge's order of the anchors agrees with the experts' grades.

    `left_out_…` are of the grades that the other anchors give each anchor; null where they could give none.
    """

    anchors: Count
    """How many anchors."""
    unlinked: AtLeastOne | None = None
    """How many of them no comparison links with the most: positions do not tell their order, so that τ-b and ρ leave
    them out. Absent where all are linked."""
    kendall_tau_b: Nullable[Correlation]
    """Kendall's τ-b of positions and grades; null where it is undefined."""
    spearman: Nullable[Correlation]
    """Spearman's ρ of positions and grades; null where it is undefined."""
    left_out_exact: Nullable[Share]
    """Share of anchors with the experts' grade."""
    left_out_within_one: Nullable[Share]
    """Share of anchors at most one grade from the experts'."""
    left_out_qwk: Nullable[AtMostOne]
    """Cohen's κ with squared weights."""
    left_out_bias: Nullable[float]
    """Mean of projected minus experts' grade, in steps; positive where the judge is generous."""
    left_out_mean_absolute_error: Nullable[NonNegative]
    """Mean distance to the experts' grade, in steps."""
    intervals_90: Later[AlignmentIntervals]
    """Of the figures above."""
    bootstrap_draws: Later[AtLeastOne]
    """Draws behind the intervals."""
    left_out_claims: Nullable[LeftOutClaims]
    """How good the probabilities are; null where no anchor could be projected."""
    left_out: tuple[LeftOutAnchor, ...]
    """Each anchor."""
    inversions: Later[AnchorInversions]
    """Pairs in the wrong order."""
    without_win: Later[tuple[WinlessAnchor, ...]]
    """Anchors that never won."""
    targets: Later[AlignmentTargets]
    """What the field asks for, and whether it is met."""


class NotMeasured(Part):
    """In place of a figure that this design cannot give."""

    not_measured: Text
    """Why, and what to ask for."""


class FirstPositionAdvantage(Part):
    """Whether the essay that is shown first wins more often than it should."""

    estimate: float
    """Advantage in logits; positive favours the first essay, 0 is expected."""
    interval_90: Interval90
    """In logits."""
    first_wins_of_equals: Share
    """How often the first of two equal essays wins; .5 is expected."""
    first_won: Count
    """Judgements that the first essay won."""
    judgements: AtLeastOne
    """All judgements."""
    first_won_interval_90: Interval90
    """Of the share of judgements that the first essay won."""


class JudgeConsistency(Part):
    """How often the same question, or the same pair in the other order, has the same winner."""

    compared: NonNegative
    """Comparisons of one answer with another."""
    pairs: AtLeastOne
    """Pairs behind them; each counts as one case in the interval."""
    agreed: NonNegative
    """How many comparisons agree."""
    share: Share
    """`agreed` over `compared`."""
    interval_90: Interval90
    """Of `share`."""
    expected_share: Share
    """What a judge of the fitted model would show."""


class CircularTriads(Part):
    """Three essays of which each beat the next: a sign of chance or of more than one standard."""

    complete: AtLeastOne
    """Threes that were all compared with each other."""
    circular: Count
    """How many of them are circular."""
    expected: NonNegative
    """How many a judge of the fitted model would show."""
    zeta: Nullable[AtMostOne]
    """Kendall's ζ: 1 without any circular triad, 0 by chance; null where it is undefined."""


class LapseRate(Part):
    """Share of answers that look like the toss of a coin; 0 is expected."""

    rate: Share
    """To two decimals."""
    interval_90: Interval90
    """Of `rate`."""


class LengthBias(Part):
    """Whether the longer text wins more often than the experts' grades explain."""

    logits_a_doubling: float
    """Advantage of twice as many words at the same grade, in logits; 0 is expected."""
    interval_90: Interval90
    """In logits."""
    anchors: AtLeastOne
    """Anchors behind the figure."""
    judgements: NonNegative
    """Judgements of two anchors of different length, each repeated question counted once."""
    longer_won: NonNegative
    """How many of them the longer essay won."""
    longer_won_by_grades: NonNegative
    """How many it would win by the experts' grades."""


class CallFailures(Part):
    """Calls without a usable answer."""

    calls: AtLeastOne
    """All calls."""
    failed: Count
    """How many failed."""
    interval_90: Interval90
    """Of the share that failed."""
    by_code: dict[str, AtLeastOne]
    """How many by the failure's code."""


class MisfitFigures(Part):
    """Mean squares of the residuals; 1 is expected, more is noise that the model does not know."""

    infit: Nullable[NonNegative]
    """Weighted by information; null where it is undefined."""
    outfit: Nullable[NonNegative]
    """Unweighted; null where it is undefined."""


class JudgementPrice(Part):
    """What a judgement cost, failed calls included."""

    usd: NonNegative
    """All calls in USD."""
    judgements: AtLeastOne
    """Calls with a winner."""
    usd_a_judgement: NonNegative
    """`usd` over `judgements`."""


class JudgeFigures(MisfitFigures):
    """One model's fit to the scale that all models made together, and what is its own where several judged."""

    provider: Text
    """Who served the model."""
    model: Text
    """The model's name at its provider."""
    judgements: AtLeastOne
    """Its judgements."""
    agreed: Share | None = None
    """Of its judgements, those whose winner is the one that the other models place higher."""
    expected: Share | None = None
    """The share that is expected of a model like the others."""
    disagrees: bool | None = None
    """Whether it agrees so much less often that chance does not explain it."""
    first_won: Count | None = None
    """Of its judgements, those that the essay shown first won; absent where a single model judged, and where nearly
    all were won in one place that the essays explain as well."""
    slope: float | None = None
    """How strongly it tells essays apart, as a multiple of the models' mean; absent with few judgements."""
    slope_se: NonNegative | None = None
    """Of `slope`."""
    position_effect: float | None = None
    """By how much it favours the essay shown first, in logits; absent with few judgements."""
    position_effect_se: NonNegative | None = None
    """Of `position_effect`."""


class OwnEffectsUse(Part):
    """Whether each model counts with its own `slope` and `position_effect`."""

    is_used: bool
    """Only where they predict judgements better that were not fitted."""
    gain: float
    """By how much they lower the log loss of such a judgement, in nats."""
    standard_error: NonNegative
    """Of `gain`."""


class FlaggedAdvantage(Part):
    """Whether essays with hidden passages or words to the judge fare better than the same texts without them."""

    pairs: AtLeastOne
    """Flagged essays that have a twin without a flag."""
    advantage: float
    """Mean of their positions minus their twins', in logits; 0 is expected."""
    interval_90: Interval90
    """In logits."""
    judgements: Count
    """Of the flagged essays."""
    won: Count
    """How many of them they won."""
    twins_judgements: Count
    """Of their twins."""
    twins_won: Count
    """How many of them the twins won."""


class JudgeQuality(Part):
    """What the judgements say of the judge. `expected…` is what a judge of the fitted model would show."""

    level: Annotated[float, WithJsonSchema({"const": 0.9})] = 0.9
    """Of all intervals."""
    position_effect: FirstPositionAdvantage | NotMeasured
    """Advantage of being shown first."""
    swap: JudgeConsistency | NotMeasured
    """The same pair in the other order."""
    repeats: JudgeConsistency | NotMeasured
    """The same question again."""
    circular_triads: CircularTriads | NotMeasured
    """Threes without an order."""
    lapse: LapseRate | NotMeasured
    """Answers without looking."""
    length: LengthBias | NotMeasured
    """Favour for longer texts."""
    flagged: FlaggedAdvantage | NotMeasured | None = None
    """Favour for essays with flags; absent where no essay has any."""
    failures: CallFailures
    """Calls without an answer."""
    misfit: MisfitFigures
    """Fit of the model."""
    price: JudgementPrice
    """Cost of a judgement."""
    own_effects: OwnEffectsUse | None = None
    """What is each model's own; absent for a single model, and where only wins count."""
    judges: Annotated[tuple[JudgeFigures, ...], Field(min_length=1)]
    """Each model."""
