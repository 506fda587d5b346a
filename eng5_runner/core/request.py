"""The request: the only message that a run sends.

Its data follow the contract. Its metadata hold the mode, the label, the budget and the study options that go beyond
the contract; an option at its default is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.events import ProcessingStage, SystemMetadata
from eng5_runner.contracts.request import (
    BATCHING_HINT,
    READS_TO_END,
    CJAssessmentRequest,
    EssayRef,
    PromptReference,
)
from eng5_runner.contracts.study_options import StudyOptions
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.essay_names import EssayNames, wire_ids
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import judge_overrides
from eng5_runner.core.spec import Budget, RunSpec
from eng5_runner.core.state import ImpossibleLedgerError, RunState
from eng5_runner.core.study_size import comparisons_wanted

SOURCE_SERVICE = "eng5_np_batch_runner"


def essays_sent(spec: RunSpec, inputs: Inputs) -> dict[str, str]:
    """Essay id → text sha256 of the essays in the request, sorted by id.

    With an assignment the CJ service adds its anchors itself. A guest run sends the anchors as essays.
    """
    essays = {student.essay_id: student.text_sha256 for student in inputs.students}
    if spec.study.assignment_id is None:
        essays |= {anchor.anchor_id: anchor.text_sha256 for anchor in inputs.anchors}
    return dict(sorted(essays.items()))


def names_sent(spec: RunSpec, inputs: Inputs) -> dict[str, str]:
    """Essay id → the name under which the request sends the essay, sorted by id."""
    return wire_ids(essays_sent(spec, inputs), run_id=spec.run_id)


def essay_names(state: RunState, inputs: Inputs) -> EssayNames:
    """The names that the services use for a run's essays, read from the requests in the ledger.

    The names are not computed again, because older versions made them in other ways. Every version lists the essays of
    a request in the order of our ids.

    Raises:
        ImpossibleLedgerError: the request in the ledger does not belong to these inputs.
    """
    rows = state.preflight.anchor_rows if state.preflight else ()
    essays = essays_sent(state.spec, inputs)
    sent: dict[str, str] = {}
    try:
        for request in state.requests:
            envelope = Envelope[CJAssessmentRequest].model_validate_json(request.prepared.payload, extra="ignore")
            sent |= dict(zip((ref.essay_id for ref in envelope.data.essays_for_cj), essays, strict=True))
    except ValueError:  # pydantic.ValidationError is a ValueError
        raise ImpossibleLedgerError("a request that was prepared is not one for this run's essays") from None
    return EssayNames.of(sent, rows=rows)


def build_request(
    spec: RunSpec,
    inputs: Inputs,
    *,
    storage_ids: Mapping[str, str],
    at: datetime,
    passed: PreflightPassed | None = None,
) -> Envelope[CJAssessmentRequest]:
    """The request as it is sent.

    Args:
        spec: of the run, with the present cost limit.
        inputs: of the run.
        storage_ids: text sha256 → storage id. A text without a storage id is named `sha256:<digest>`, which no
            service takes for an id.
        at: when the request is made (UTC).
        passed: the result of preflight, if there was one.
    """
    batch = str(spec.run_id)
    names = names_sent(spec, inputs)
    assignment = None if spec.study.assignment_id is None else str(spec.study.assignment_id)
    prompt = inputs.prompt.text_sha256
    return Envelope[CJAssessmentRequest](
        event_id=spec.event_id,
        event_type=Topic.REQUEST,
        event_timestamp=at,
        source_service=SOURCE_SERVICE,
        correlation_id=spec.correlation_id,
        metadata=_metadata(spec, inputs, names=names, passed=passed),
        data=CJAssessmentRequest(
            entity_id=batch,
            parent_id=assignment,
            timestamp=at,
            system_metadata=SystemMetadata(
                entity_id=batch,
                parent_id=assignment,
                timestamp=at,
                processing_stage=ProcessingStage.PENDING,
                event="els.cj_assessment.requested",
                error_info={},
            ),
            essays_for_cj=tuple(
                EssayRef(essay_id=names[essay_id], text_storage_id=storage_ids.get(sha256, f"sha256:{sha256}"))
                for essay_id, sha256 in essays_sent(spec, inputs).items()
            ),
            language=spec.study.language,
            course_code=spec.study.course_code,
            student_prompt_ref=PromptReference.to_student_prompt(storage_ids.get(prompt, f"sha256:{prompt}")),
            llm_config_overrides=judge_overrides(spec, inputs),
            assignment_id=assignment,
            user_id=spec.study.user_id,
            org_id=spec.study.org_id,
        ),
    )


def _metadata(
    spec: RunSpec, inputs: Inputs, *, names: Mapping[str, str], passed: PreflightPassed | None
) -> dict[str, JsonValue]:
    """The request's metadata; `names` is essay id → name on the wire."""
    optional: dict[str, JsonValue] = {
        "max_comparisons": comparisons_requested(spec.budget, inputs, passed=passed),
        BATCHING_HINT: spec.budget.batching_mode,
        "seed": spec.budget.seed,
    }
    # An anchor that the service adds itself gets the rest of its name in each batch; the row id is enough to find it.
    added_by_service = {row.anchor_id: f"ANCHOR_{row.row_id}" for row in passed.anchor_rows} if passed else {}
    return {
        "runner_mode": spec.mode.value,
        "batch_label": spec.label,
        READS_TO_END: True,
        **{key: value for key, value in optional.items() if value is not None},
        **study_options(spec, {**added_by_service, **names}).as_metadata(),
    }


def comparisons_requested(budget: Budget, inputs: Inputs, *, passed: PreflightPassed | None) -> int:
    """The total in a request.

    If the service does not enforce the cost limit itself, the total is at most what the limit pays for at the highest
    price.
    """
    wanted, _ = comparisons_wanted(budget, essays=len(inputs.students) + len(inputs.anchors))
    at_most_usd = passed.comparison_at_most_usd if passed else None
    if at_most_usd and budget.max_cost_usd is not None:
        return min(wanted, affordable(budget.max_cost_usd, each=at_most_usd))
    return wanted


def comparisons_asked(budget: Budget, inputs: Inputs, *, passed: PreflightPassed | None) -> int:
    """The total of the run: with top-ups all that is wanted, as comparisons can turn out cheaper than they may be."""
    if not budget.top_up:
        return comparisons_requested(budget, inputs, passed=passed)
    return comparisons_wanted(budget, essays=len(inputs.students) + len(inputs.anchors))[0]


def affordable(limit_usd: float, *, each: float) -> int:
    """How many comparisons a limit pays for if each costs `each` USD, above 0."""
    return math.floor(limit_usd / each)


def study_options(spec: RunSpec, names: Mapping[str, str]) -> StudyOptions:
    """The options beyond the contract that the run requests; `names` is essay id → name on the wire."""
    budget = spec.budget
    return StudyOptions(
        design=budget.design,
        pairs=tuple((names.get(a, a), names.get(b, b)) for a, b in budget.pairs),
        repeats=budget.repeats,
        swap=budget.swap,
        target_se=budget.target_se,
        target_reliability=budget.target_reliability,
        max_cost_usd=budget.max_cost_usd,
        stop_decided=budget.stop_decided,
        soft_judgements=budget.soft_judgements,
    )
