"""Artefacts as a run would state them, made of plain values: for what reads an artefact."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from eng5_runner.core.spec import Mode
from eng5_runner.results.artefact import ZERO_CHECKSUM, Artefact
from eng5_runner.results.artefact.measurement import (
    BTEntry,
    BTModel,
    GradeProjection,
    GradesUnavailable,
    Reliability,
)
from eng5_runner.results.artefact.record import (
    CliEnvironment,
    ComparisonCounts,
    ManifestEntry,
    RunnerStatus,
    Validation,
)
from eng5_runner.results.artefact.study import (
    AnchorRecord,
    Comparison,
    Costs,
    DocumentRecord,
    InputsRecord,
    InstructionsRecord,
    PromptHashes,
    RunMetadata,
    StudentRecord,
    TokenCounts,
)

SCALE = "eng5_np_legacy_9_step"
GRADES = ("E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
"""Of the anchors of `seen_as`, in the order of their ids."""
RUN = "c0ffee00-1111-4222-8333-444455556666"
AT = "2027-03-02T08:00:00.000000Z"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(essay_id: str, *, theta: float = 0.0, rank: int = 1, grade: str | None = None, se: float = 0.4) -> BTEntry:
    """An essay's place; an anchor where there is a grade."""
    return BTEntry(
        essay_id=essay_id,
        theta=theta,
        standard_error=se,
        interval_90=(theta - 1.645 * se, theta + 1.645 * se),
        rank=rank,
        comparison_count=5,
        wins=2,
        is_anchor=grade is not None,
        anchor_grade=grade,
    )


def comparison(first: str, second: str, winner: str, *, sequence: int = 1, **changes: object) -> Comparison:
    """A judgement; `changes` are fields of the row."""
    fields: dict[str, object] = {
        "sequence": sequence,
        "request_id": f"queue-{sequence}",
        "correlation_id": RUN,
        "essay_a_id": first,
        "essay_b_id": second,
        "provider": "openai",
        "model": "m1",
        "tokens_prompt": 600,
        "tokens_completion": 40,
        "cost_usd": 0.00125,
        "started_at": AT,
        "completed_at": AT,
        "winner_id": winner,
        "loser_id": second if winner == first else first,
        "winner_position": "A" if winner == first else "B",
        "prompt_hash": sha256(f"{first}|{second}"),
    }
    return Comparison(**fields | changes)


def projection(essay_id: str, grade: str, **changes: object) -> GradeProjection:
    """A student's grade."""
    fields: dict[str, object] = {
        "essay_id": essay_id,
        "grade_scale": SCALE,
        "grade": grade,
        "most_probable_grade": grade,
        "probabilities": {grade: 1.0},
        "within_one_step": 1.0,
        "confidence": "HIGH",
        "extrapolated": False,
        "linked_to_anchors": True,
    }
    return GradeProjection(**fields | changes)


def artefact(*, anchors: Mapping[str, str] | None = None, students: Sequence[str] = (), **blocks: object) -> Artefact:
    """A run of these anchors (id → grade) and students that states nothing but the blocks that are given.

    The text of an essay is its id: essays of two artefacts are the same where their ids are.
    """
    document = DocumentRecord(
        source_path="a.md", checksum=sha256("x"), content="x", content_sha256=sha256("x"), word_count=1
    )
    given: dict[str, object] = {
        "metadata": metadata(),
        "inputs": InputsRecord(
            instructions=InstructionsRecord(**dict(document)),
            prompt_reference=document,
            anchors=tuple(
                AnchorRecord(anchor_id=name, grade=grade, label=name, **_file(name))
                for name, grade in (anchors or {"anchor-a1": "A"}).items()
            ),
            students=tuple(StudentRecord(essay_id=name, **_file(name)) for name in students),
        ),
        "llm_comparisons": (),
        "failed_comparisons": (),
        "bt_summary": (),
        "bt_model": None,
        "grade_projections": (),
        "grade_model": GradesUnavailable(reason="there are no judgements"),
        "anchor_alignment": None,
        "judge_quality": None,
        "service_result": None,
        "comparison_with_service": None,
        "judge_request": None,
        "costs": Costs(total_usd=0.0, token_counts=()),
        "prompt_hashes": PromptHashes(distinct=0, asked_more_than_once=0, digest=sha256("")),
        "runner_status": status(),
        "stopping": None,
        "validation": Validation(
            artefact_checksum=ZERO_CHECKSUM,
            manifest=tuple(ManifestEntry(path=name, sha256=sha256(name), bytes=1) for name in "abc"),
            cli_environment=CliEnvironment(python="3", pdm="none", os="any", docker_compose="none"),
        ),
    }
    return Artefact(**given | blocks)


def _file(name: str) -> dict[str, object]:
    return {
        "file_name": f"{name}.txt",
        "source_path": f"essays/{name}.txt",
        "checksum": sha256(name),
        "bytes": 100,
        "text_sha256": sha256(name),
        "word_count": 10,
    }


def metadata(**changes: object) -> RunMetadata:
    """Which run it is."""
    fields: dict[str, object] = {
        "assignment_id": RUN,
        "assignment_id_origin": "given",
        "course_id": RUN,
        "course_id_origin": "given",
        "grade_scale": SCALE,
        "course_code": "ENG5",
        "language": "en",
        "runner_version": "0.1.0",
        "git_sha": "UNKNOWN",
        "started_at": AT,
        "generated_at": AT,
        "runner_mode": Mode.EXECUTE,
        "batch_label": "a run",
        "batch_uuid": RUN,
        "correlation_id": RUN,
        "inputs_sha256": sha256("inputs"),
        "max_comparisons": None,
        "seed": None,
        "judges": (),
    }
    return RunMetadata(**fields | changes)


def status(**changes: object) -> RunnerStatus:
    """A run that is complete."""
    fields: dict[str, object] = {
        "outcome": "complete",
        "partial_data": False,
        "reasons": (),
        "sessions": 1,
        "event_counts": {"RunStarted": 1},
        "comparisons": ComparisonCounts(judged=0, failed=0),
        "completion_status": None,
        "failure": None,
        "has_service_result": False,
        "duplicates": 0,
        "conflicts": 0,
        "offsets_lost": 0,
        "rejected": (),
        "deadlines": (),
        "preflight": None,
        "request": None,
        "offsets": (),
    }
    return RunnerStatus(**fields | changes)


def model(*, reliability: float = 0.8, prior_sd: float = 1.5) -> BTModel:
    """A fit with this reliability."""
    return BTModel(
        method="any",
        prior_sd=prior_sd,
        prior_sd_estimated=True,
        log_likelihood=-10.0,
        converged=True,
        components=1,
        position_effect=None,
        se_ratio_by_pair=None,
        reliability=Reliability(
            empirical_bayes=reliability,
            interval_90=(reliability / 2.0, reliability),
            bootstrap_draws=200,
            separation=None,
            separation_inflated=False,
            split_half=None,
        ),
    )


def seen_as(
    thetas: Sequence[float],
    *,
    anchors: int = 8,
    judge: str = "m1",
    label: str = "a",
    reliability: float = 0.8,
    name: Callable[[int], str] = "essay-{:02}".format,
) -> Artefact:
    """A run whose judge sees these positions: all pairs once, the higher essay wins.

    Args:
        thetas: of each essay; the first ones are anchors.
        anchors: how many.
        judge: the model's name.
        label: of the run; its prompts and reasons name it.
        reliability: of the order.
        name: an essay's number → its id. Its text is that of the number.
    """
    order = sorted(range(len(thetas)), key=lambda n: -thetas[n])
    ranks = {n: rank for rank, n in enumerate(order, start=1)}
    made = artefact(
        anchors={name(n): GRADES[n] for n in range(anchors)},
        students=[name(n) for n in range(anchors, len(thetas))],
        metadata=metadata(batch_label=label),
        llm_comparisons=tuple(
            comparison(
                name(i),
                name(j),
                name(i) if thetas[i] > thetas[j] else name(j),
                sequence=sequence,
                model=judge,
                prompt_hash=sha256(f"{label}{i}-{j}"),
                justification=f"{label} says so",
            )
            for sequence, (i, j) in enumerate(combinations(range(len(thetas)), 2), start=1)
        ),
        bt_summary=tuple(
            entry(name(n), theta=thetas[n], rank=ranks[n], grade=GRADES[n] if n < anchors else None) for n in order
        ),
        bt_model=model(reliability=reliability),
        grade_projections=tuple(
            projection(name(n), GRADES[min(max(round(thetas[n]) + 4, 0), 7)]) for n in range(anchors, len(thetas))
        ),
        costs=Costs(
            total_usd=0.5,
            token_counts=(
                TokenCounts(
                    provider="openai", model=judge, comparisons=1, prompt_tokens=10, completion_tokens=2, usd=0.5
                ),
            ),
        ),
    )
    texts = {name(n): sha256(f"text {n}") for n in range(len(thetas))}
    inputs = made.inputs
    return made.model_copy(
        update={
            "inputs": inputs.model_copy(
                update={
                    "anchors": tuple(
                        one.model_copy(update={"text_sha256": texts[one.anchor_id]}) for one in inputs.anchors
                    ),
                    "students": tuple(
                        one.model_copy(update={"text_sha256": texts[one.essay_id]}) for one in inputs.students
                    ),
                }
            )
        }
    )


def with_files(made: Artefact, names: Mapping[str, str]) -> Artefact:
    """The artefact with other file names; `names` is essay id → name."""
    students = tuple(
        student.model_copy(update={"file_name": names.get(student.essay_id, student.file_name)})
        for student in made.inputs.students
    )
    anchors = tuple(
        anchor.model_copy(update={"file_name": names.get(anchor.anchor_id, anchor.file_name)})
        for anchor in made.inputs.anchors
    )
    inputs = made.inputs.model_copy(update={"students": students, "anchors": anchors})
    return made.model_copy(update={"inputs": inputs})
