"""Every call on a file can fail: the run ends in words, loses nothing, and is resumed to the same results.

A sample of the calls; `python -m tests.faults` tries them all.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator

import pytest

from tests.faults.trials import Fault, Scene, smallest_study, stated, variables
from tests.support.runner import newest, run, stack_up

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are made by Linux's loader")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Faults in the runner, beside one stack that works."""
    folder = tmp_path_factory.mktemp("runner")
    with stack_up(folder / "stack") as addresses:
        yield Scene(folder=folder, study=smallest_study(folder / "study"), environment=variables(addresses))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Faults in the embedded stack of each run."""
    folder = tmp_path_factory.mktemp("stack")
    return Scene(folder=folder, study=smallest_study(folder / "study"))


def number_of(calls: list[str], what: str, *, part: float = 0.0) -> int:
    """The number of a call whose line ends so, after this part of all of them."""
    found = [number for number, call in enumerate(calls, start=1) if call.endswith(what)]
    return found[int(part * (len(found) - 1))]


@pytest.mark.parametrize(
    ("what", "part", "error", "onwards"),
    [
        ("/run.log.jsonl", 0.5, errno.ENOSPC, False),
        ("/ledger.jsonl", 0.6, errno.ENOSPC, True),
        (".uploads", 0.5, errno.EIO, False),
    ],
)
def test_a_call_of_the_runner_fails(what: str, part: float, error: int, onwards: bool, runner: Scene) -> None:
    """Threads change the order a little, so that another call than the named one can fail; each must end well."""
    calls, expected = runner.undisturbed()
    fault = Fault(number=number_of(calls, what, part=part), error=error, onwards=onwards)
    runner.trial(what.strip("/"), fault, expected=expected)


def test_where_no_file_may_grow_further_each_file_and_the_way_on_are_named(runner: Scene) -> None:
    """The ledger ends in mid run, and the largest of the outputs do not fit either."""
    _, expected = runner.undisturbed()
    whole = newest(runner.faults("undisturbed").under) / "ledger.jsonl"
    blocks = whole.stat().st_size * 3 // 4 // 512
    ran = runner.start(runner.faults("small"), before=("sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"))
    said = ran.err.splitlines()
    assert ran.code == 74 and not [line for line in said if line.startswith("{")], ran.err
    assert any("ledger.jsonl cannot be written: File too large" in line for line in said)
    unwritten = "The ledger keeps what came; the outputs could not be written: "
    directory = newest(runner.faults("small").under)
    line = next(line for line in said if line.startswith(unwritten))
    named = directory / line.removeprefix(unwritten).split(" cannot be written")[0].rpartition("/")[2]
    # Which of them comes first depends on the length of the ledger, and so of the paths in it.
    assert named.name in {"assessment_run.execute.json", "report.html"} and not named.exists(), ran.err
    assert said[-1].startswith("To go on: ") and str(directory.name) in said[-1]
    assert run("resume", directory, "--yes", cwd=directory.parents[1], env=runner.environment).code == 0
    assert stated(directory) == expected


def test_a_call_of_the_stack_fails(stack: Scene) -> None:
    calls, expected = stack.undisturbed()
    full = Fault(number=number_of(calls, "/stack.sqlite-wal", part=0.7), onwards=True)
    ran = stack.trial("full", full, expected=expected)
    # Which call meets the full disk first is chance; SQLite says of some that they wait for a lock.
    said = ("no space left on the disk", "it stayed locked after a write that failed")
    assert ran.code in (69, 74) and any(f"stack.sqlite cannot be used: {reason}" in ran.err for reason in said), ran.err
