"""The ledger of a public copy, event by event."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace
from pydantic import JsonValue

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.flaws import receive_comparison
from eng5_runner.contracts.messages import parse_callback
from eng5_runner.contracts.request import READS_TO_END, CJAssessmentRequest, EssayRef, PromptReference, StoredText
from eng5_runner.contracts.study_options import StudyOptions
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.choices import DEFAULT_USER
from eng5_runner.core.events import (
    AddedByPeople,
    BudgetRaised,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    CheckGradesAdded,
    DeadlineReached,
    EssayUploaded,
    Event,
    HumanJudgementsAdded,
    ListeningFrom,
    OffsetsLost,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.next_step import verdict
from eng5_runner.core.origin import Origin
from eng5_runner.core.public.messages import WireNames, public_callback, public_comparison
from eng5_runner.core.public.pseudonyms import PublicNames
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.core.state import RunState

WITHHELD = "withheld from the public copy"
_KEPT_OF_REQUEST = ("runner_mode", "max_comparisons", "seed", "llm_batching_mode_hint", READS_TO_END)


class PublicRecord:
    """Turns the events of a run into those of its copy, one after the other.

    Attributes:
        inputs: of the copy.
        origin: of the copy.
    """

    def __init__(self, names: WireNames, inputs: Inputs, *, origin: Origin, with_reasons: bool) -> None:
        self.inputs = inputs
        self.origin = origin
        self._names, self._with_reasons = names, with_reasons
        self._state = RunState()

    @property
    def _pseudonyms(self) -> PublicNames:
        return self._names.pseudonyms

    def event(self, event: Event) -> Event:
        """The event of the copy.

        Raises:
            ImpossibleLedgerError: it cannot follow the events before it.
        """
        shared = self._shared(event)
        self._state.advance(shared)
        return shared

    def _shared(self, event: Event) -> Event:
        match event:
            case RunStarted() | PreflightPassed() | EssayUploaded() | ListeningFrom() | RequestPrepared():
                return self._opening(event)
            case CallbackAccepted():
                return self._accepted(event)
            case HumanJudgementsAdded():
                return self._of_people(event)
            case CheckGradesAdded():
                return self._of_teachers(event)
            case CallbackRepeated():
                return event.model_copy(update={"key": self._pseudonyms.keyed(event.key), "raw": None})
            case CallbackRejected():
                nothing = {"reason": WITHHELD, "raw": None, "raw_base64": None, "sha256": None}
                return event.model_copy(update=nothing)
            case RunClosed():
                return event.model_copy(update={"reasons": self._reasons(event)})
            case RunResumed() | RequestPublished() | OffsetsLost() | DeadlineReached() | BudgetRaised():
                return event
            case _:
                assert_never(event)

    def _of_people(self, event: HumanJudgementsAdded) -> HumanJudgementsAdded:
        """People's judgements under names that tell nobody who they are."""
        names = self._pseudonyms
        judgements = tuple(
            row.model_copy(
                update={
                    "judge": row.judge and f"person-{names.keyed(row.judge)[:8]}",
                    "first": names.essays[row.first],
                    "second": names.essays[row.second],
                }
            )
            for row in event.judgements
        )
        return event.model_copy(update=self._file(event) | {"judgements": judgements})

    def _of_teachers(self, event: CheckGradesAdded) -> CheckGradesAdded:
        names = self._pseudonyms
        grades = tuple(row.model_copy(update={"essay_id": names.essays[row.essay_id]}) for row in event.grades)
        return event.model_copy(update=self._file(event) | {"grades": grades})

    def _file(self, event: AddedByPeople) -> dict[str, str]:
        names = self._pseudonyms
        return {"file_name": f"{names.keyed(event.file_name)[:8]}.csv", "sha256": names.keyed(event.sha256)}

    def _opening(self, event: RunStarted | PreflightPassed | EssayUploaded | ListeningFrom | RequestPrepared) -> Event:
        names = self._pseudonyms
        match event:
            case RunStarted():
                begun = {"spec": self._spec(event.spec), "inputs_sha256": self.inputs.digest(), "origin": self.origin}
                return event.model_copy(update=begun)
            case PreflightPassed():
                rows = (row.model_copy(update={"anchor_id": names.essays[row.anchor_id]}) for row in event.anchor_rows)
                return event.model_copy(update={"checks": (), "warnings": (), "anchor_rows": tuple(rows)})
            case EssayUploaded():
                text, stored = names.text_hash(event.text_sha256), self._storage_id(event.storage_id)
                return event.model_copy(update={"text_sha256": text, "storage_id": stored})
            case ListeningFrom():
                return event.model_copy(update={"cluster_id": names.keyed(event.cluster_id)[:22]})
            case RequestPrepared():
                return event.model_copy(update={"payload": self._payload(event.payload)})
            case _:
                assert_never(event)

    def _storage_id(self, storage_id: str) -> str:
        return self._pseudonyms.keyed(storage_id)[:32]

    def _spec(self, spec: RunSpec) -> RunSpec:
        """What the run had to do, without addresses, paths, accounts and the label, which people make of names."""
        names, study = self._pseudonyms, spec.study
        pairs = tuple((names.essays.get(a, WITHHELD), names.essays.get(b, WITHHELD)) for a, b in spec.budget.pairs)
        assignment, course = study.assignment_id, study.course_id
        return spec.model_copy(
            update={
                "label": public_label(spec),
                "assets": "assets",
                "pseudonyms": None,
                "study": study.model_copy(
                    update={
                        "assignment_id": None if assignment is None else names.uuid(assignment),
                        "course_id": None if course is None else names.uuid(course),
                        "user_id": DEFAULT_USER,
                        "org_id": None,
                    }
                ),
                "budget": spec.budget.model_copy(update={"pairs": pairs}),
                "target": Target(stack=spec.target.stack, replays=spec.target.replays),
            }
        )

    def _payload(self, payload: str) -> str:
        sent = Envelope[CJAssessmentRequest].model_validate_json(payload, extra="ignore")
        data, names = sent.data, self._pseudonyms
        essays = sorted(
            (name, self._storage_id(essay.text_storage_id))
            for essay in data.essays_for_cj
            if (name := self._names.name(essay.essay_id)) is not None
        )
        assignment = None if data.assignment_id is None else str(names.uuid(data.assignment_id))
        references = data.student_prompt_ref.references if data.student_prompt_ref else {}
        task = references.get("student_prompt_text", StoredText(storage_id=""))
        system = data.system_metadata.model_copy(update={"parent_id": assignment, "error_info": {}})
        shared = data.model_copy(
            update={
                "parent_id": assignment,
                "system_metadata": system,
                "essays_for_cj": tuple(EssayRef(essay_id=name, text_storage_id=stored) for name, stored in essays),
                "student_prompt_ref": PromptReference.to_student_prompt(self._storage_id(task.storage_id)),
                "assignment_id": assignment,
                "user_id": DEFAULT_USER,
                "org_id": None,
            }
        )
        return sent.model_copy(update={"data": shared, "metadata": self._metadata(sent.metadata)}).model_dump_json()

    def _metadata(self, metadata: dict[str, JsonValue] | None) -> dict[str, JsonValue]:
        given = metadata or {}
        options = StudyOptions.of(given)
        pairs = tuple((self._wire_name(a), self._wire_name(b)) for a, b in options.pairs)
        kept = {key: given[key] for key in _KEPT_OF_REQUEST if isinstance(given.get(key), str | int | bool)}
        return {**kept, **options.model_copy(update={"pairs": pairs}).as_metadata()}

    def _wire_name(self, name: str) -> str:
        return self._names.name(name) or self._names.name(f"{name}_0") or WITHHELD

    def _accepted(self, event: CallbackAccepted) -> CallbackAccepted:
        fingerprint = self._pseudonyms.keyed(event.fingerprint)[:16]
        if event.kind == "comparison":
            received, _ = receive_comparison(event.raw.encode())
            data, raw = public_comparison(received, self._names, with_reasons=self._with_reasons)
            key = event.key.replace(received.data.request_id, data.request_id)
            return replace(event, raw=raw, key=key, fingerprint=fingerprint, about=self._about(event, data))
        raw = public_callback(parse_callback(Topic(event.position.topic), event.raw.encode()), self._names)
        note = WITHHELD if event.kind == "failed" else event.note
        if event.kind == "completed" and not note.isidentifier():
            note = "unknown"
        return replace(event, raw=raw, fingerprint=fingerprint, note=note)

    @staticmethod
    def _about(event: CallbackAccepted, data: LLMComparisonResult) -> str | None:
        if event.about is None:
            return None
        metadata = data.request_metadata
        return f"{metadata.essay_a_id}|{metadata.essay_b_id}|{event.about.rpartition('|')[2]}"

    def _reasons(self, event: RunClosed) -> tuple[str, ...]:
        """Why the run is not complete, computed again from the copy: the run's own words can hold a service's."""
        if not event.reasons:
            return ()
        return verdict(self._state)[1] or (WITHHELD,)


def public_label(spec: RunSpec) -> str:
    """The copy's name for a run."""
    return f"run-{spec.run_id.hex[:8]}"
