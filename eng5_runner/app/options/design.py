"""The settings of the design: how many comparisons, of which pairs, and when they are enough."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from eng5_runner.app.options.option import DESIGN, RUN, Option
from eng5_runner.contracts.bounds import Above, AtMost, Below
from eng5_runner.contracts.choices import (
    CostLimit,
    PairDesign,
    Repeats,
    SoftJudgements,
    SwapShare,
    TargetReliability,
    TargetSe,
)
from eng5_runner.core.choices import (
    MOST_REQUESTS,
    Comparisons,
    ComparisonsPerEssay,
    Requests,
)


@dataclass(init=False, repr=False, eq=False, frozen=True, kw_only=True)  # `Settings` makes these methods of all fields
class DesignSettings:
    """The settings of the design: how many comparisons, of which pairs, and when they are enough."""

    max_comparisons: Annotated[
        Comparisons | None,
        Option(
            "Number of comparisons in all.", DESIGN, common=True, spec="budget.max_comparisons", default="20 per essay"
        ),
    ] = None
    comparisons_per_essay: Annotated[
        ComparisonsPerEssay | None,
        Option(
            "Judgements per essay; 20 if nothing is given.",
            DESIGN,
            common=True,
            spec="budget.comparisons_per_essay",
            default="20",
        ),
    ] = None
    top_up: Annotated[
        bool,
        Option("Send further requests for what is missing.", DESIGN, spec="budget.top_up", flag="--top-up/--no-top-up"),
    ] = True
    max_requests: Annotated[
        Requests, Option("Most requests of a run, the first included.", DESIGN, spec="budget.max_requests")
    ] = MOST_REQUESTS
    max_cost: Annotated[
        CostLimit | None,
        Option(
            "Most USD to spend, calls under way included.",
            DESIGN,
            common=True,
            spec="budget.max_cost_usd",
            metavar="USD",
        ),
    ] = None
    target_se: Annotated[
        TargetSe | None,
        Option(
            "Stop when 90% of the standard errors are at most this, in logits.",
            DESIGN,
            spec="budget.target_se",
            metavar="LOGITS",
        ),
    ] = None
    target_reliability: Annotated[
        TargetReliability | None,
        Option(
            "Stop at this reliability, such as 0.8.",
            DESIGN,
            common=True,
            spec="budget.target_reliability",
        ),
    ] = None
    design: Annotated[PairDesign, Option("How pairs are chosen.", DESIGN, common=True, spec="budget.design")] = (
        "balanced"
    )
    pairs: Annotated[
        Path | None,
        Option("CSV with the columns essay_a,essay_b: the pairs of a boundary design.", DESIGN, metavar="FILE"),
    ] = None
    repeats: Annotated[
        Repeats, Option("How often each pair is asked in the same order.", DESIGN, spec="budget.repeats")
    ] = 1
    stop_decided: Annotated[
        bool,
        Option(
            "Leave out pairs of a boundary design that are decided (wrong for at most 5%).",
            DESIGN,
            spec="budget.stop_decided",
            flag="--stop-decided",
        ),
    ] = False
    swap: Annotated[
        SwapShare,
        Option(
            "Pairs that are asked in the other order too: none, one in ten (audit), or all.",
            DESIGN,
            spec="budget.swap",
        ),
    ] = "none"
    soft_judgements: Annotated[
        SoftJudgements, Option("Use confidence or probabilities if they help.", DESIGN, spec="budget.soft_judgements")
    ] = "auto"
    pilot: Annotated[
        Path | None,
        Option("Earlier run whose spread, prices and pace to use.", DESIGN, common=True, metavar="RUN"),
    ] = None
    aim_within_one: Annotated[
        Annotated[float, Above(0), Below(1)] | None,
        Option(
            "Share of grades right within one step; the plan says how many comparisons this takes.",
            DESIGN,
            default="0.8",
        ),
    ] = None
    judge_agreement: Annotated[
        Annotated[float, Above(0), AtMost(1)] | None,
        Option(
            "Correlation of judge and teachers that the plan of grades assumes.",
            DESIGN,
            metavar="R",
            default="that of the pilot, or 0.96",
        ),
    ] = None
    seed: Annotated[int | None, Option("Same seed, same pairs.", RUN, common=True, spec="budget.seed")] = None
