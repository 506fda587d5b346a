"""When the judge's order may be no better than chance, and when agreement with the experts is not shown."""

from __future__ import annotations

import pytest

from eng5_runner.results.artefact.judge import AlignmentIntervals, AnchorAlignment
from eng5_runner.results.artefact.record import Stopping
from eng5_runner.results.doubts import doubts_about
from tests.support.artefacts import artefact, model


def reliable_from(low: float):
    made = model(reliability=0.6)
    reliability = made.reliability.model_copy(update={"interval_90": (low, 0.8)})
    return made.model_copy(update={"reliability": reliability})


def agreeing(interval: tuple[float, float] | None) -> AnchorAlignment:
    """An alignment of which only the interval of τ-b matters."""
    others = dict.fromkeys(("spearman", "left_out_exact", "left_out_within_one", "left_out_qwk", "left_out_bias"), None)
    intervals = AlignmentIntervals(kendall_tau_b=interval, left_out_mean_absolute_error=None, **others)
    return AnchorAlignment.model_construct(kendall_tau_b=0.28, intervals_90=intervals)


@pytest.mark.parametrize(("low", "is_noise"), [(0.0, True), (0.099, True), (0.1, False), (0.7, False)])
def test_an_order_is_noise_where_its_reliability_may_be_about_none(low, is_noise):
    noise = doubts_about(artefact(bt_model=reliable_from(low))).noise
    assert (noise is not None) == is_noise
    if noise is not None:
        assert noise == f"the reliability of the order is 0.60, 90% interval {low:.2f} to 0.80"


def test_without_judgements_nothing_is_said():
    doubts = doubts_about(artefact())
    assert (doubts.noise, doubts.disagreement) == (None, None)


def test_named_pairs_are_no_test_of_the_order():
    made = artefact(bt_model=reliable_from(0.0))
    chosen = {design: Stopping.model_construct(design=design) for design in ("boundary", "balanced")}
    assert doubts_about(made.model_copy(update={"stopping": chosen["boundary"]})).noise is None
    assert doubts_about(made.model_copy(update={"stopping": chosen["balanced"]})).noise is not None


@pytest.mark.parametrize(
    ("interval", "is_doubted"),
    [((-0.03, 0.82), True), ((0.0, 0.5), True), ((-0.9, -0.4), True), ((0.01, 0.9), False), (None, False)],
)
def test_agreement_is_shown_where_the_interval_of_tau_lies_above_zero(interval, is_doubted):
    doubts = doubts_about(artefact(anchor_alignment=agreeing(interval)))
    assert (doubts.disagreement is not None) == is_doubted
    if interval == (-0.03, 0.82):
        assert doubts.disagreement == (
            "Kendall τ-b of the anchors' order with their grades is 0.28, 90% interval -0.03 to 0.82"
        )
