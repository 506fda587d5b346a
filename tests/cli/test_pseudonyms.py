"""A run with --pseudonyms: no byte of what it writes and says has a part of a file name."""

from __future__ import annotations

import json
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

import eng5_runner as eng5
from eng5_runner.app.environment import versions
from eng5_runner.app.plan import plan_run, read_study, save_plan
from eng5_runner.app.settings import settings_from
from eng5_runner.core.events import RunStarted
from eng5_runner.effects.clock import SystemClock
from tests.support.run.runs import write_ledger
from tests.support.runner import DEMO, Ran, newest, run

# In the way of schools: the names of a class, of a test and of pupils.
PUPILS = ("9B-Lindqvist Svensson, Maria", "9B-Åkesson, Björn", "9B-Quist, Zelda", "9B-李, 明")
TEACHERS = ("Gunhild_F+", "Gunhild_E+", "Gunhild_C+", "Gunhild_A")
# As they are, as UTF-8 and escaped as JSON has them.
PARTS = (
    *("lindqvist", "svensson", "maria", "quist", "zelda", "gunhild", "åkesson", "akesson", "björn", "bjorn"),
    *("李", "明", "bj\\u00f6rn", "\\u00c5kesson", "\\u674e", "\\u660e"),
)


@dataclass(frozen=True)
class Private:
    """A study with pupils' names, and how a run of it ended."""

    home: Path
    ran: Ran

    @property
    def key(self) -> Path:
        return self.home / "key.csv"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Private:
    home = tmp_path_factory.mktemp("private")
    for name in ("instructions.md", "prompt.md"):
        (home / "study").mkdir(exist_ok=True)
        shutil.copy(DEMO / name, home / "study")
    for place, names in (("student_essays", PUPILS), ("anchor_essays", TEACHERS)):
        (home / "study" / place).mkdir()
        texts = (file for file in sorted((DEMO / place).iterdir()) if file.suffix == ".txt")
        for name, file in zip(names, texts, strict=False):
            shutil.copy(file, home / "study" / place / f"{name}.txt")
    study = ("--assets", "study", "--pseudonyms", "key.csv", "--seed", 1, "--max-comparisons", 12)
    return Private(home, run("--mode", "execute", *study, "--verbose", cwd=home))


def parts_in(data: bytes) -> list[str]:
    text = data.decode(errors="replace").casefold()
    return [part for part in PARTS if part in text]


def assert_silent(home: Path) -> None:
    """No file but the key table and the essays, and no name of a file, has a part of a name."""
    found = {
        str(path): parts
        for path in home.rglob("*")
        if "study" not in path.relative_to(home).parts and path.name != "key.csv"
        if (parts := parts_in(str(path).encode() + (path.read_bytes() if path.is_file() else b"")))
    }
    assert found == {}


def test_the_parts_would_be_found(private: Private) -> None:
    written = json.dumps(private.key.read_text()).encode() + private.key.read_bytes()
    assert set(PARTS) - set(parts_in(written)) == {"akesson", "bjorn"}, "letters that only an id has"


def test_a_run_and_everything_that_it_writes_and_says_have_pseudonyms(private: Private) -> None:
    assert private.ran.code == 0, private.ran.err
    assert parts_in((private.ran.out + private.ran.err).encode()) == []
    assert_silent(private.home)
    assert stat.S_IMODE(private.key.stat().st_mode) == 0o600
    assert re.search(r"essay-00\d\.txt", private.ran.err)
    directory = newest(private.home)
    assert re.fullmatch(r"\d+T\d+Z-run-[0-9a-f]{8}", directory.name), "not called after the folder"
    assert set(re.findall(r"essay-00\d\.txt", (directory / "tables" / "essays.csv").read_text())) == {
        f"essay-00{number}.txt" for number in range(1, 9)
    }


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "runs/latest"),
        ("status", "runs/latest"),
        ("report", "runs/latest"),
        ("hydrate", "runs/latest"),
        ("resume", "runs/latest"),
        ("compare", "runs/latest", "runs/latest"),
    ],
    ids=lambda words: words[0],
)
def test_what_works_on_runs_works_on_this_one(words: tuple[str, ...], private: Private) -> None:
    again = run(*words, cwd=private.home)
    assert again.code == 0, again.err
    assert parts_in((again.out + again.err).encode()) == []
    assert_silent(private.home)


def test_a_plan_with_findings_keeps_names_private_and_pseudonyms_as_they_are(private: Private, tmp_path: Path) -> None:
    shutil.copytree(private.home / "study", tmp_path / "study")
    before = private.key.read_bytes()
    (tmp_path / "key.csv").write_bytes(before)
    (tmp_path / "study/student_essays/9B-Nord, Svea.txt").write_text("")
    for form in ((), ("--json",)):
        planned = run("--mode", "plan", "--assets", "study", "--pseudonyms", "key.csv", *form, cwd=tmp_path)
        assert planned.code == 65
        assert "essay-009.txt" in planned.out + planned.err
        assert "svea" not in (planned.out + planned.err).casefold()
        assert parts_in((planned.out + planned.err).encode()) == []
    assert (tmp_path / "key.csv").read_bytes() == before + b'"9B-Nord, Svea.txt",essay-009\n'


def test_a_path_with_a_word_of_a_name_is_warned_of(private: Private, tmp_path: Path) -> None:
    shutil.copytree(private.home / "study", tmp_path / "klass lindqvist")
    words = ("--assets", "klass lindqvist", "--pseudonyms", "key.csv")
    planned = run("--mode", "plan", *words, cwd=tmp_path)
    assert planned.code == 0
    assert "--assets has a word of a file name" in planned.err.replace("\n", " ")
    (directory,) = (tmp_path / "runs").iterdir()
    assert "-run-" in directory.name


def test_a_run_that_was_killed_before_its_uploads_goes_on_and_needs_the_key_table(
    private: Private, tmp_path: Path
) -> None:
    shutil.copytree(private.home / "study", tmp_path / "study")
    key = tmp_path / "key.csv"
    settings = settings_from(
        environment={},
        mode="execute",
        assets=tmp_path / "study",
        pseudonyms=key,
        output_dir=tmp_path / "runs",
        max_comparisons=12,
        seed=1,
    )
    planned = plan_run(settings, read_study(settings.settings))
    directory = save_plan(planned)
    digest = planned.inputs.digest()
    started = RunStarted(at=SystemClock().now(), spec=planned.spec, inputs_sha256=digest, versions=versions())
    write_ledger(directory, [started])
    table = key.read_bytes()
    key.unlink()
    without = run("resume", directory, cwd=tmp_path)
    assert without.code == 66
    assert "key table" in without.err
    key.write_bytes(table)
    resumed = run("resume", directory, cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert key.read_bytes() == table
    assert parts_in((without.err + resumed.out + resumed.err).encode()) == []
    assert_silent(tmp_path)
    assert eng5.open_run(directory).outcome == "complete"


def test_the_library_takes_the_key_table(private: Private, tmp_path: Path) -> None:
    planned = eng5.plan(assets=private.home / "study", pseudonyms=private.key)
    names = json.dumps(planned.inputs.model_dump(mode="json"), ensure_ascii=False)
    assert parts_in(names.encode()) == []
    made = eng5.execute(
        mode="dry-run", assets=private.home / "study", pseudonyms=private.key, output_dir=tmp_path / "runs"
    )
    assert made.outcome == "not-sent"
    assert_silent(tmp_path)


def test_the_same_seed_pairs_the_same_texts_with_and_without_pseudonyms(private: Private) -> None:
    """Names have no part in what is measured."""
    settings = {"assets": private.home / "study", "seed": 1, "max_comparisons": 12, "mode": "dry-run"}
    plain = eng5.execute(**settings, output_dir=private.home / "study" / "runs")
    sent = [_numbers_by_text(directory) for directory in (plain.path, newest(private.home))]
    assert sent[0] == sent[1]


def _numbers_by_text(directory: Path) -> dict[str, str]:
    """Text's checksum → number of its essay on the wire."""
    inputs = json.loads((directory / "inputs.json").read_text())
    texts = {one["essay_id"]: one["text_sha256"] for one in inputs["students"]}
    texts |= {one["anchor_id"]: one["text_sha256"] for one in inputs["anchors"]}
    (request,) = (directory / "requests").glob("*.json")
    names = [essay["essay_id"] for essay in json.loads(request.read_text())["data"]["essays_for_cj"]]
    numbers = [name.partition("-")[0] for name in names]
    return dict(zip([texts[essay_id] for essay_id in sorted(texts)], numbers, strict=True))
