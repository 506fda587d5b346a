"""A plan as a person reads it, and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.contracts.request import BASELINE_MODEL_PREFIX
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.plan import Plan
from eng5_runner.core.spec import RunSpec


def plan_facts(plan: Plan) -> dict[str, object]:
    """The plan for programs."""
    facts = asdict(plan)
    facts["precision"] = [{"spread": spread} | asdict(precision) for spread, precision in plan.precision]
    return facts


def show_plan(console: Console, plan: Plan, *, inputs: Inputs, spec: RunSpec) -> None:
    """What would be done, what it buys and costs."""
    console.print(f"{plan.students} students and {plan.anchors} anchors on the scale {inputs.grade_scale}")
    for note in inputs.notes:
        console.print(f"note: {escape(note)}", style="dim")
    console.print(_kind(spec))
    cached = f"; {plan.cached} are there already" if plan.cached else ""
    console.print(f"to upload: {plan.to_upload} texts, {plan.upload_bytes} bytes{cached}")
    console.print(f"comparisons: {plan.comparisons} ({plan.chosen_by})")
    table = Table(
        "spread σ of the essays", "judgements an essay", "standard error of θ", "reliability", title="Expected"
    )
    for spread, precision in plan.precision:
        cells = (f"{precision.per_essay:.1f}", f"{precision.se:.2f}", f"{precision.reliability:.2f}")
        table.add_row(f"{spread:.1f}", *cells)
    console.print(table)
    low, high = plan.completion_tokens
    console.print(f"tokens: about {plan.prompt_tokens} to read, {low} to {high} to write")
    console.print(_price(spec))


def _kind(spec: RunSpec) -> str:
    if spec.mode.anchors_only:
        return "anchors only, as a guest run without an assignment"
    return (
        "guest run: anchors go along as essays" if spec.study.assignment_id is None else "the service adds its anchors"
    )


def _price(spec: RunSpec) -> str:
    judge = spec.judge
    provider = judge.provider_override if judge else None
    if spec.target.stack == "embedded" and provider in (None, "mock"):
        return f"price: 0 USD with the embedded judge ({BASELINE_MODEL_PREFIX}, not a language model)"
    return "price: the tokens above times the provider's prices; this version has no price list"
