"""What the judgements say of the essays: positions with their precision, and grades."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

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
    Positive,
    Probabilities,
    Sha256,
    Share,
    Text,
)


class BTEntry(Part):
    """An essay's place on the scale. Positions sum to zero over all essays; one logit more wins 73 of 100."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"is_anchor": {"const": True}}},
            "then": {"required": ["anchor_grade"], "properties": {"grade_projection": False}},
            "else": {"properties": {"anchor_grade": False}},
        }
    )

    essay_id: EssayId
    """The essay's id in `inputs`."""
    theta: float
    """Position in logits."""
    standard_error: Positive
    """Of `theta`, in logits."""
    interval_90: Later[Interval90]
    """Around `theta`, in logits."""
    rank: AtLeastOne
    """1 for the best; equal positions share a rank, as in 1, 2, 2, 4."""
    comparison_count: Count
    """Judgements that the essay took part in, repeats included."""
    wins: Count
    """How many of them it won."""
    is_anchor: bool
    """Whether its grade is known."""
    standard_error_by_pair: NonNegative | None = None
    """Standard error that allows for the judgements of a pair to depend on each other; absent where no pair was judged
    more than once."""
    infit: NonNegative | None = None
    """Mean square of the residuals, weighted by information; 1 is expected. Absent where it is undefined."""
    outfit: NonNegative | None = None
    """Unweighted mean square of the residuals; 1 is expected. Absent where it is undefined."""
    flag: Text | None = None
    """Why the position is less sure than it looks, such as that the essay won every comparison; mostly absent."""
    anchor_grade: Text | None = None
    """The experts' grade of an anchor; absent of a student."""
    grade_projection: Text | None = None
    """The grade of a student; absent of an anchor, and where no grades are projected."""


class PositionEffectEstimate(Part):
    """The advantage of the essay that is shown first."""

    estimate: float
    """In logits; positive favours the first essay."""
    standard_error: Positive
    """In logits."""


class SplitHalfReliability(Part):
    """How well random halves of the judgements agree, for comparison with other studies."""

    correlation: Correlation
    """Median correlation of the two halves' positions."""
    spearman_brown: AtMostOne
    """The same for the whole number of judgements."""
    spread_90: Interval90
    """Middle 90% of the splits; no confidence interval."""
    splits: AtLeastOne
    """How many random splits."""


class Reliability(Part):
    """How repeatable the order is: 0 is chance, 1 is certain. It says nothing of agreement with teachers."""

    empirical_bayes: Nullable[Share]
    """The reliability: expected squared correlation of estimated and true positions; null where it is not defined."""
    interval_90: Nullable[tuple[Share, Share]]
    """Of the squared correlation with the true positions, which `empirical_bayes` estimates; it holds that."""
    undefined: Text | None = None
    """Why `empirical_bayes` is null, in words: too few essays, essays that nothing links, or no differences."""
    spread_at_limit: Literal["upper", "lower"] | None = None
    """Where the judgements alone do not bound the spread of the essays: `upper`, because none contradicts the order;
    `lower`, because they show no difference. Absent otherwise."""
    bootstrap_draws: Later[AtLeastOne]
    """Values of the squared correlation behind the interval: points of what the judgements leave possible; in earlier
    versions simulated studies."""
    separation: Nullable[AtMostOne]
    """Scale separation reliability; null where it is undefined."""
    separation_inflated: Later[bool]
    """Whether pairs were chosen by earlier outcomes, so that `separation` is too high."""
    split_half: Nullable[SplitHalfReliability]
    """null where pairs were chosen by earlier outcomes, and in very large studies."""


class SoftCandidate(Part):
    """What using more than who won would gain."""

    scale: Literal["confidence", "probability"]
    """What of the judge's answers was tried."""
    gain: float
    """By how much it lowers the log loss of a judgement that was not part of the fit, in nats; below 0 it does harm."""
    standard_error: NonNegative
    """Of the gain."""


class SoftJudge(Part):
    """What of one judge's answers is used."""

    judge: Text | None = None
    """Provider and model; absent where judges with few judgements are read together, or no judge is named."""
    judgements: NonNegative
    """How many count."""
    used: Literal["wins", "confidence", "probability"]
    """`wins`: who won, and no more."""
    parameters: tuple[Positive, ...] | None = None
    """Of `confidence`, the thresholds between its levels in logits; of `probability`, the log odds of an answer for
    each logit between two essays. Absent for `wins`."""
    tried: tuple[SoftCandidate, ...]
    """What was compared with the wins."""


class SoftUse(Part):
    """Whether judgements count for more than who won."""

    worth: Positive
    """How many bare wins one judgement is worth, by the reliabilities of both fits; 1 where only wins are used."""
    worth_interval_90: tuple[Positive, Positive] | None = None
    """Of `worth`, from fits without a fifth of the pairs each; absent where only wins are used, and in very large
    studies."""
    judges: tuple[SoftJudge, ...]
    """By judge."""


class PairCorrelation(Part):
    """How far two judgements of a pair by the same judge repeat each other, beyond what the positions explain."""

    correlation: Share
    """ρ: 0 for independent judgements, 1 for one answer that was given twice."""
    interval_90: tuple[Share, Share]
    """Of `correlation`."""
    pairs: AtLeastOne
    """Pairs of essays that it was measured with."""


class JudgementDependence(Part):
    """Judgements of the same pair by the same judge, and what they count for."""

    repeats: PairCorrelation | None = None
    """Of two judgements in the same order; absent where fewer than ten pairs were asked twice: repeats that always
    agree then count once, others in full."""
    swaps: PairCorrelation | None = None
    """Of two judgements in the two orders; absent where fewer than ten pairs were asked in both: each then counts in
    full."""
    judgements: AtLeastOne
    """How many there are."""
    count_as: Positive
    """How many independent ones they count as."""


class BTModel(Part):
    """The fit of all judgements together."""

    method: Text
    """Name of the method, in words."""
    prior_sd: Positive
    """σ, the spread of the positions, in logits."""
    prior_sd_estimated: bool
    """Whether σ was estimated from the judgements."""
    log_likelihood: float
    """Of the judgements at the estimates, without the prior."""
    converged: bool
    """Whether the estimates are final."""
    components: AtLeastOne
    """Groups of essays that no judgement links; 1 when all are linked."""
    position_effect: Nullable[PositionEffectEstimate]
    """null where it was not part of the fit."""
    dependence: JudgementDependence | None = None
    """What judgements of the same pair count for, by which the fit weights them; absent where it cannot be measured,
    because fewer than ten pairs were judged twice by the same judge."""
    se_ratio_by_pair: Nullable[NonNegative]
    """Mean `standard_error_by_pair` over mean `standard_error`, about 1 where the weights of the fit are right; null
    where no pair was judged more than once."""
    reliability: Reliability
    """How repeatable the order is."""
    soft_judgements: SoftUse | None = None
    """What was used besides who won; absent where only wins were asked for, and where the judges say no more."""


class GradeCentre(Part):
    """Where a grade lies on the scale."""

    theta: float
    """In logits."""
    standard_deviation: Positive
    """How uncertain that is, in logits."""


class TeacherAgreement(Part):
    """How far the judge's order agrees with the teachers' grades, estimated from the anchors."""

    correlation: Share
    """r of the judge's true order with the teachers' grades."""
    interval_90: tuple[Share, Share]
    """Of `correlation`."""
    among: Literal["students", "anchors"]
    """Among whom: the students, or, with too few of them, the anchors. Anchors are chosen from all grades, so that r
    among them is higher than in a class."""
    share_reproduced: Share | None = None
    """Reliability times r²: the share of the teachers' ranking that the order reproduces. Absent where the reliability
    is not defined."""


class AnchorSupport(Part):
    """Each anchor's grade was projected from the other anchors: how often that came within one step."""

    anchors: AtLeastOne
    """How many anchors, without those that no comparison links with enough others to tell."""
    within_one: Count
    """How many of them came within one step of their own grade."""
    interval_90: tuple[Share, Share]
    """Of the share."""
    highest_label: Literal["HIGH", "MID", "LOW"]
    """The highest `confidence` that any student can have: HIGH where the lower end of the interval is at least .80, MID
    where it is at least .65."""
    parts: AtLeastOne | None = None
    """Of more than 60 anchors: into how many parts they were divided, each projected from all other parts, and with the
    mean covariances of two grades' anchors. Absent where each anchor was projected from all others."""


class DoubtfulAnchorGrade(Part):
    """An anchor that is probably misgraded."""

    anchor_id: EssayId
    """The anchor."""
    grade: Text
    """By its label."""
    by_the_others: Text
    """By the other anchors."""
    probability: Share
    """That it is misgraded, if every fourth study has such an anchor."""


class GradesAvailable(Part):
    """How positions became grades."""

    available: Literal[True] = True
    """Grades are projected."""
    method: Text
    """Name of the method, in words."""
    within_grade_sd: Positive
    """Spread of the essays of one grade, in logits."""
    centres: Annotated[dict[str, GradeCentre], Field(min_length=2)]
    """By grade."""
    inversion_probabilities: tuple[Share, ...]
    """For each grade but the highest: how probable it is that its centre in truth lies above that of the next grade."""
    agreement_with_teachers: TeacherAgreement | None = None
    """Between the judge and the teachers; absent in files of earlier versions."""
    anchor_support: AnchorSupport | None = None
    """What the anchors say of the grades; absent in files of earlier versions."""
    doubtful_anchors: tuple[DoubtfulAnchorGrade, ...] | None = None
    """Anchors whose grade the others contradict; absent where there are none."""


class CheckedStudent(Part):
    """A student whose teachers' grade is known for checking."""

    essay_id: EssayId
    """The essay's id in `inputs`."""
    teachers_grade: Text
    """What the teachers gave."""
    grade: Text
    """What was projected."""
    steps_above: float
    """The expected projected grade minus the teachers' grade, in steps."""


class CheckedGrades(Part):
    """The projected grades against teachers' grades of a few students, which were used for nothing else."""

    file_name: Text
    """The file that the grades came from."""
    sha256: Sha256
    """Of its bytes."""
    given: AtLeastOne
    """How many students it has. One whom nothing links with an anchor is not compared."""
    within_one: Count
    """How many students have a projected grade at most one step from the teachers'."""
    shift: float
    """Mean of `steps_above`: positive where the judge is generous."""
    interval_90: Interval90 | None = None
    """Of `shift`; absent with a single student."""
    is_shifted: bool
    """Whether the interval leaves no doubt that the grades are shifted."""
    students: Annotated[tuple[CheckedStudent, ...], Field(min_length=1)]
    """Each of those who were compared."""


class GradesUnavailable(Part):
    """Why no grades are projected."""

    available: Literal[False] = False
    """No grades are projected."""
    reason: Text
    """In words."""


GradeModel: TypeAlias = GradesAvailable | GradesUnavailable


class GradeProjection(Part):
    """A student's grade."""

    essay_id: EssayId
    """The student's id in `inputs`."""
    grade_scale: Text
    """Key of the scale."""
    grade: Text
    """Median of `probabilities`: the grade."""
    most_probable_grade: Text
    """The grade with the highest probability."""
    probabilities: Probabilities
    """By grade; they sum to 1."""
    within_one_step: Share
    """What is claimed of `grade` or a neighbour of it: their probability; less where the essay is more than one
    standard deviation from the middle of the class, where judges that look good by luck give such grades too often."""
    within_one_step_at_least: Share | None = None
    """The lower end of it: 5% of what the anchors leave possible is below. None where an artefact does not state
    it, as those of earlier versions."""
    confidence: Literal["HIGH", "MID", "LOW"]
    """What `within_one_step_at_least` supports. HIGH: .90, and the grade itself .50. MID: .75. LOW otherwise, and
    where the essay lies beyond the anchors, is not linked to them or was judged fewer than eight times. Never higher
    than `anchor_support.highest_label` of the grade model."""
    extrapolated: bool
    """Whether the essay lies beyond the anchors."""
    linked_to_anchors: bool
    """Whether judgements link it to an anchor, directly or through others."""
