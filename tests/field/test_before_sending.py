"""What would make the field's services silent later, or answer about something else, is found before sending."""

from __future__ import annotations

import pytest

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.services import StudentPrompt
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.spec import Study, Timeouts
from eng5_runner.errors import ConfigurationError, RunnerError, ServiceUnavailable
from eng5_runner.run.ports import Ports
from tests.support.run.assignments import SCALE, assigned, listing, registered, row
from tests.support.run.runs import ASSIGNMENT, DRY, GRADES, Run, make_spec, text_of
from tests.support.run.world import World

REGISTERING = {"study": Study(assignment_id=ASSIGNMENT, register_anchors=True)}


def passed(run: Run) -> PreflightPassed:
    (found,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    return found


def prompt_warnings(run: Run) -> list[str]:
    return [warning for warning in passed(run).warnings if "student prompt" in warning]


def registering(directory, *rows) -> Run:
    """A run that shall register its anchors at a service that has these."""
    run = assigned(directory, **REGISTERING)
    run.world.cj.listing = listing(*rows)
    return run


def test_anchors_that_the_assignment_lacks_are_registered_and_read_back(tmp_path):
    """In mid-preflight, and the run says which row each has become; the service's batches name them by it."""
    run = registering(tmp_path)
    run.world.cj.extra_essays = [f"ANCHOR_{100 + n}_0badcafe" for n in (1, 2, 3)]
    assert exit_code(run.start()) == 0
    told = next(check for check in passed(run).checks if "registered" in check)
    assert told == "3 anchors were registered and read back: a1 (A) is row 101, b1 (C+) is row 102, e1 (E-) is row 103"
    assert [row.row_id for row in passed(run).anchor_rows] == [101, 102, 103]
    sent = {body.anchor_label: (body.grade, body.essay_text) for body in run.world.cj.registered}
    assert sent == {name.removeprefix("anchor-"): (GRADES[name], text_of(name).decode()) for name in GRADES}


def test_what_is_registered_already_is_not_sent_again(tmp_path):
    run = assigned(tmp_path, **REGISTERING)
    assert exit_code(run.start()) == 0
    assert run.world.cj.registered == []
    assert "3 anchors are registered already" in passed(run).checks


@pytest.mark.parametrize("study", [REGISTERING["study"], Study(assignment_id=ASSIGNMENT)])
def test_a_text_with_other_white_space_is_ours_and_said_in_one_line(study, tmp_path):
    """Other tools keep the last line end, and write a line for each run of a docx."""
    run = assigned(tmp_path, study=study)
    for anchor in registered(run.world).anchors:
        text = run.world.content.texts[anchor.text_storage_id].decode()
        run.world.content.texts[anchor.text_storage_id] = (text[:9] + "\r\n" + text[9:] + "\n").encode()
    assert exit_code(run.start()) == 0
    said = [line for line in (*passed(run).checks, *passed(run).warnings) if "row-11" in line]
    assert said == ["anchors of the service that differ from ours in white space only: row-11, row-12, row-13"]
    assert run.world.cj.registered == []


def test_what_differs_is_never_replaced_without_the_option_for_that(tmp_path):
    """Other people may use the assignment. What is lacking is registered all the same."""
    run = assigned(tmp_path, **REGISTERING)
    first, second, _ = registered(run.world).anchors
    run.world.content.texts[first.text_storage_id] = b"An older version of it."
    run.world.cj.listing = listing(first.model_copy(update={"anchor_label": "A1"}), second)
    run.start()
    assert [body.anchor_label for body in run.world.cj.registered] == ["e1"]
    (warning,) = [line for line in passed(run).warnings if "label only" in line]
    assert warning.startswith("anchors of the service recognised by their label only, because the text differs: A1. ")


def test_another_grade_stops_the_run_before_anything_is_registered(tmp_path):
    run = assigned(tmp_path, **REGISTERING)
    first, *_ = registered(run.world).anchors
    run.world.cj.listing = listing(first.model_copy(update={"grade": "F+"}))
    with pytest.raises(ConfigurationError, match=r"grade F\+") as caught:
        run.start()
    assert "--replace-anchors" in caught.value.remedy
    assert run.world.cj.registered == []


@pytest.mark.parametrize("wrong", ["grade", "text", "missing"])
def test_only_what_is_not_as_it_is_here_is_registered_under_the_label_that_it_has(wrong, tmp_path):
    """Another label would be a second row of the same essay."""
    run = assigned(tmp_path, study=Study(assignment_id=ASSIGNMENT, replace_anchors=True))
    first, *others = registered(run.world).anchors
    if wrong == "text":
        run.world.content.texts[first.text_storage_id] = b"An older version of it."
        first = first.model_copy(update={"anchor_label": "A1"})
    if wrong == "grade":
        first = first.model_copy(update={"grade": "F+"})
    run.world.cj.listing = listing(*others) if wrong == "missing" else listing(first, *others)
    run.start()
    (body,) = run.world.cj.registered
    label = {"grade": "row-11", "text": "A1", "missing": "a1"}[wrong]
    assert (body.anchor_label, body.grade, body.essay_text) == (label, "A", text_of("anchor-a1").decode())
    assert len(passed(run).anchor_rows) == 3


def test_an_anchor_of_somebody_else_stops_the_run_before_anything_is_registered(tmp_path):
    run = registering(tmp_path, row(77, "nobody", "A"))
    with pytest.raises(ConfigurationError, match=r"nobody \(row 77\)"):
        run.start()
    assert run.world.cj.registered == []


def test_a_service_that_takes_anchors_and_stores_none_stops_the_run(tmp_path):
    run = registering(tmp_path)
    run.world.cj.forgets_anchors = True
    with pytest.raises(ServiceUnavailable, match="3 of 3 anchors are not stored although the service said so"):
        run.start()
    assert run.world.cluster.requests == []


@pytest.mark.parametrize("spec", [DRY, {}])
def test_nothing_is_registered_where_nothing_is_asked_of_the_service(spec, tmp_path):
    """A dry run, and a run that was not told to."""
    study = Study(assignment_id=ASSIGNMENT, register_anchors=bool(spec))
    run = Run(tmp_path / "run", World(), make_spec(**(spec | {"study": study})))
    run.world.cj.record = assigned(tmp_path).world.cj.record
    try:
        run.start()
    except ConfigurationError as error:
        assert "no anchors" in error.message and "--register-anchors" in error.remedy  # noqa: PT017 - one of two
    assert run.world.cj.registered == []


def test_another_prompt_on_record_is_warned_of(tmp_path):
    run = assigned(tmp_path)
    task = "Write about the sun."
    run.world.cj.task = StudentPrompt(
        assignment_id=str(ASSIGNMENT), student_prompt_storage_id="0" * 32, prompt_text=task
    )
    assert exit_code(run.start()) == 0
    (warning,) = prompt_warnings(run)
    assert "differs from prompt.md" in warning and "the request carries ours" in warning


@pytest.mark.parametrize("theirs", ["Write about rain.\r\n", "Write about the sun."])
def test_the_prompt_is_read_from_where_the_instructions_say(theirs, tmp_path):
    """White space at the ends and line ends are no difference."""
    run = assigned(tmp_path)
    run.world.cj.task = None
    run.world.content.texts["f" * 32] = theirs.encode()
    run.world.cj.record = run.world.cj.record.model_copy(update={"student_prompt_storage_id": "f" * 32})
    run.start()
    assert len(prompt_warnings(run)) == ("sun" in theirs)


def test_a_prompt_that_cannot_be_read_is_said_not_to_have_been_compared(tmp_path):
    run = assigned(tmp_path)
    run.world.cj.task = None
    run.start()
    assert "could not be read and compared" in prompt_warnings(run)[0]


@pytest.mark.parametrize("held", [None, b"another text"])
def test_texts_that_the_service_took_and_did_not_keep_are_found_before_the_request(held, tmp_path):
    """The CJ service says nothing at all to a batch whose texts it cannot read."""
    run = Run(tmp_path / "run")
    content = run.world.content

    def lose() -> None:
        for storage_id in list(content.texts):
            content.texts.pop(storage_id) if held is None else content.texts.update({storage_id: held})

    content.after_upload = lose
    with pytest.raises(ServiceUnavailable) as caught:
        run.start()
    assert "stored a text under the id" in caught.value.message
    assert "--force-reupload" in caught.value.remedy
    assert run.world.cluster.requests == []


@pytest.mark.parametrize(("idle", "warned"), [(60.0, True), (300.0, True), (301.0, False), (900.0, False)])
def test_an_idle_patience_below_the_services_own_silence_is_warned_of(idle, warned, tmp_path):
    run = Run(tmp_path / "run", spec=make_spec(timeouts=Timeouts(total=2000, idle=idle)))
    run.start()
    assert any("--idle-timeout" in warning for warning in passed(run).warnings) == warned


def test_the_default_patience_outlasts_the_services_silence():
    assert Timeouts().idle > 300


class WithoutModels(World):
    def ports(self, spec) -> Ports:
        whole = super().ports(spec)
        return Ports(
            clock=whole.clock, cache=whole.cache, content=whole.content, broker=whole.broker, cj=whole.cj, models=None
        )


def test_a_judge_that_nobody_could_be_asked_about_is_warned_of(tmp_path):
    run = Run(tmp_path / "run", WithoutModels())
    run.start()
    assert any("--llm-provider-service-url" in warning for warning in passed(run).warnings)


@pytest.mark.parametrize("scale", ["swedish_8_anchor", SCALE])
def test_the_scale_that_is_expected_decides(scale, tmp_path):
    """The run's own scale fits in both."""
    run = assigned(tmp_path, study=Study(assignment_id=ASSIGNMENT, expected_grade_scale=scale))
    if scale == SCALE:
        assert exit_code(run.start()) == 0
        return
    with pytest.raises(RunnerError) as caught:
        run.start()
    assert caught.value.exit_code == 78
    assert scale in caught.value.message
