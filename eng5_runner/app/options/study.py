"""The settings of the study: what is run, on which essays, for which assignment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

from eng5_runner.app.options.option import OUTPUT, RUN, STUDY, Option
from eng5_runner.contracts.choices import (
    CourseCode,
    Language,
)
from eng5_runner.contracts.grade_scales import DEFAULT_SCALE, GRADE_SCALES
from eng5_runner.core.choices import (
    DEFAULT_USER,
    Mode,
)

_A_UUID = "a UUID, such as 1b4e28ba-2fa1-11d2-883f-0016d3cca427"
_SCALES = tuple(GRADE_SCALES)


@dataclass(init=False, repr=False, eq=False, frozen=True, kw_only=True)  # `Settings` makes these methods of all fields
class StudySettings:
    """The settings of the study: what is run, on which essays, for which assignment."""

    mode: Annotated[
        Mode,
        Option(
            "plan: look only; dry-run: write the request; execute: send it; anchor-align: send the anchors only.",
            RUN,
            common=True,
            spec="mode",
            metavar="MODE",
        ),
    ] = Mode.PLAN
    assets: Annotated[Path, Option("Folder with the essays.", RUN, common=True, spec="assets", metavar="FOLDER")] = (
        Path()
    )
    batch_id: Annotated[
        str | None,
        Option("Name of the run.", RUN, common=True, metavar="NAME", default="the folder's name"),
    ] = None
    output_dir: Annotated[Path, Option("Folder for the runs.", OUTPUT, common=True, metavar="FOLDER")] = Path("runs")
    encoding: Annotated[
        str | None,
        Option("Encoding of text files that are not UTF-8, such as cp1252.", STUDY, spec="encoding", metavar="NAME"),
    ] = None
    pseudonyms: Annotated[
        Path | None,
        Option("Show essays under the pseudonyms of this key table.", STUDY, spec="pseudonyms", metavar="FILE"),
    ] = None
    human_judgements: Annotated[
        Path | None,
        Option("People's judgements of the essays: a CSV file.", STUDY, metavar="FILE"),
    ] = None
    check_grades: Annotated[
        Path | None,
        Option(
            "Teachers' grades of a few students, to check the projected ones with: a CSV file.", STUDY, metavar="FILE"
        ),
    ] = None
    assignment_id: Annotated[
        str | None,
        Option(
            "Assignment in the CJ service; none: a guest run.",
            STUDY,
            common=True,
            spec="study.assignment_id",
            metavar="UUID",
            check=UUID,
            expects=_A_UUID,
        ),
    ] = None
    course_id: Annotated[
        str | None,
        Option("Course in the CJ service.", STUDY, spec="study.course_id", metavar="UUID", check=UUID, expects=_A_UUID),
    ] = None
    grade_scale: Annotated[
        str,
        Option("Grade scale of the anchors.", STUDY, spec="study.grade_scale", metavar="SCALE", values=_SCALES),
    ] = DEFAULT_SCALE
    expected_grade_scale: Annotated[
        str | None,
        Option(
            "Stop if the assignment has another grade scale than this.",
            STUDY,
            spec="study.expected_grade_scale",
            metavar="SCALE",
            values=_SCALES,
        ),
    ] = None
    register_anchors: Annotated[
        bool,
        Option("Register the anchors that the assignment lacks, then run.", STUDY, spec="study.register_anchors"),
    ] = False
    replace_anchors: Annotated[
        bool,
        Option(
            "Like --register-anchors, and replace those that differ from ours in grade or text.",
            STUDY,
            spec="study.replace_anchors",
        ),
    ] = False
    course_code: Annotated[
        CourseCode, Option("Course of the essays.", STUDY, spec="study.course_code", metavar="CODE")
    ] = CourseCode.ENG5
    language: Annotated[Language, Option("Language of the essays.", STUDY, spec="study.language")] = Language.ENGLISH
    user_id: Annotated[str, Option("User that the request names.", STUDY, spec="study.user_id", metavar="ID")] = (
        DEFAULT_USER
    )
    org_id: Annotated[
        str | None, Option("Organisation that the request names.", STUDY, spec="study.org_id", metavar="ID")
    ] = None
