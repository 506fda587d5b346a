"""Every call on a file can fail: the run ends in words, loses nothing, and is resumed to the same results.

A sample of the calls; `python -m tests.faults` tries them all.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator

import pytest

from tests.faults.trials import Fault, Scene, variables
from tests.support.runner import stack_up
from tests.support.small_study import build_study

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are made by Linux's loader")


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Faults in the runner, beside one stack that works."""
    folder = tmp_path_factory.mktemp("runner")
    with stack_up(folder / "stack") as addresses:
        yield Scene(folder=folder, study=build_study(folder / "study"), environment=variables(addresses))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Faults in the embedded stack of each run."""
    folder = tmp_path_factory.mktemp("stack")
    return Scene(folder=folder, study=build_study(folder / "study"))


def number_of(calls: list[str], what: str, *, part: float = 0.0) -> int:
    """The number of a call whose line ends so, after this part of all of them."""
    found = [number for number, call in enumerate(calls, start=1) if call.endswith(what)]
    return found[int(part * (len(found) - 1))]


def test_a_call_of_the_runner_fails(runner: Scene) -> None:
    calls, expected = runner.undisturbed()

    def trial(what: str, *, part: float = 0.0, error: int = errno.ENOSPC, onwards: bool = False) -> tuple[int, str]:
        fault = Fault(number=number_of(calls, what, part=part), error=error, onwards=onwards)
        ran = runner.trial(f"{what.replace('/', ' ')} {part}", fault, expected=expected)
        return ran.code, ran.err

    code, said = trial("/run.log.jsonl", part=0.5)
    assert (code, "run.log.jsonl cannot be written: No space left on device. The log has a gap." in said) == (0, True)
    code, said = trial("/ledger.jsonl", part=0.6, onwards=True)
    assert (code, "ledger.jsonl cannot be written: No space left on device" in said) == (74, True)
    code, said = trial(".uploads", part=0.5, error=errno.EIO)
    assert (code, "The upload cache" in said) == (74, True)
    code, said = trial(".report.html.partial", part=0.5, error=errno.EIO)
    assert (code, "report.html cannot be written: Input/output error" in said) == (74, True)


def test_a_call_of_the_stack_fails(stack: Scene) -> None:
    calls, expected = stack.undisturbed()
    full = Fault(number=number_of(calls, "/stack.sqlite-wal", part=0.7), onwards=True)
    ran = stack.trial("full", full, expected=expected)
    assert ran.code in (69, 74) and "stack.sqlite cannot be used: no space left on the disk" in ran.err, ran.err
    broken = Fault(number=number_of(calls, "/stack.sqlite-wal", part=0.1), error=errno.EIO)
    ran = stack.trial("broken", broken, expected=expected)
    assert ran.code in (69, 74) and "stack.sqlite cannot be used: disk I/O error" in ran.err, ran.err
