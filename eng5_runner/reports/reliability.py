"""How far the order of a run can be trusted, in one line for every view."""

from __future__ import annotations

from eng5_runner.reports.figures import ABSENT, number, span
from eng5_runner.results.artefact import Artefact


def own_order(artefact: Artefact) -> str:
    """The reliability of the judge's own order with its interval, or why there is none."""
    if artefact.bt_model is None:
        return ABSENT
    reliability = artefact.bt_model.reliability
    if reliability.empirical_bayes is None:
        return f"not defined: {reliability.undefined}"
    text = f"{number(reliability.empirical_bayes)} (90% interval {span(reliability.interval_90)})"
    match reliability.spread_at_limit:
        case "upper":
            return f"{text}; the spread of the essays is at its limit, because no comparison contradicts the order"
        case "lower":
            return f"{text}; the spread of the essays is at its limit, because the comparisons show no difference"
        case None:
            return text
