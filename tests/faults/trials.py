"""One fault in one run: how it ends, and that the run can be resumed to what an undisturbed one states."""

from __future__ import annotations

import csv
import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.machine import Faults
from tests.support.runner import Ran, newest, run
from tests.support.small_study import build_study

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
FORESEEN = (0, 69, 74)
"""0: a file beside the record, such as the log, could not be written."""
# Of a comparison, all but ids and times.
_STATED = ("essay_a_id", "essay_b_id", "winner_id", "confidence", "prompt_hash", "justification")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A call that fails, in the runner or in the stack."""

    number: int
    error: int = errno.ENOSPC
    onwards: bool = False


def smallest_study(folder: Path) -> Path:
    """A study whose run makes each kind of call, and few of them: the more often a call comes, the longer all take."""
    return build_study(folder, anchors=("F+1", "D+1", "A1"), students=(1, 2))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is tried: a study, with an embedded stack or another one.

    Attributes:
        folder: where the trials take place.
        environment: the addresses of a stack; none for embedded ones, in which the faults then are.
    """

    folder: Path
    study: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, faults: Faults, *, before: tuple[str, ...] = ()) -> Ran:
        """A run of the study with these faults, in their folder; `before` is a command that starts it."""
        faults.under.mkdir(parents=True)
        options = ("--mode", "execute", "--assets", self.study, "--max-comparisons", 4, "--seed", 5, "--yes")
        return run(*options, cwd=faults.under, env={**self.environment, **faults.environment()}, before=before)

    def faults(self, name: str, fault: Fault | None = None) -> Faults:
        """The faults of the trial of this name."""
        return Faults(
            under=self.folder / name / "run",
            log=self.folder / name / "calls",
            number=fault.number if fault else 0,
            error=fault.error if fault else 0,
            onwards=bool(fault and fault.onwards),
            in_stack=not self.environment,
        )

    def undisturbed(self) -> tuple[list[str], object]:
        """All calls of a run without a fault, and what it states."""
        faults = self.faults("undisturbed")
        if not faults.under.exists():
            ran = self.start(faults)
            assert ran.code == 0, ran.err
        return faults.calls(), stated(newest(faults.under))

    def trial(self, name: str, fault: Fault, *, expected: object) -> Ran:
        """Let a call fail, then go on without the fault; gives how the failing run ended."""
        faults = self.faults(name, fault)
        ran = self.start(faults)
        assert ran.code in FORESEEN, (ran.code, ran.err)
        assert not [word for word in ("Traceback", "bug of") if word in ran.err], ran.err
        assert not [line for line in ran.err.splitlines() if line.startswith("{")], ran.err
        assert ran.code == 0 or len(ran.err.strip().splitlines()[-3:]) > 1, ran.err
        ledgers = [path for path in faults.under.glob("runs/*/ledger.jsonl") if not path.parent.is_symlink()]
        before = ledgers[0].read_bytes() if ledgers else b""
        recorded = before[: before.rfind(b"\n") + 1]
        if not recorded:  # nothing was begun, so there is nothing to go on with
            faults = self.faults(f"{name}-new")
            again = self.start(faults)
            directory = newest(faults.under)
        else:
            directory = ledgers[0].parent
            again = run("resume", directory, "--yes", cwd=faults.under, env=self.environment)
        assert again.code == 0, (ran.err, again.err)
        assert (directory / "ledger.jsonl").read_bytes().startswith(recorded)
        verified = run("verify", directory, cwd=faults.under)
        assert verified.code == 0, verified.err
        assert stated(directory) == expected
        return ran


def variables(addresses: Mapping[str, object]) -> dict[str, str]:
    """What a stack tells of itself, without the account that it made."""
    return {name: value for name, value in addresses.items() if isinstance(value, str)}


def stated(directory: Path) -> object:
    """What a run states of essays, anchors and comparisons, without the ids of the run and its messages, and times."""
    comparisons = [tuple(row[name] for name in _STATED) for row in _rows(directory, "comparisons")]
    others = [sorted(row.items()) for name in ("essays", "anchors") for row in _rows(directory, name)]
    return sorted(comparisons), [[(name, value) for name, value in row if name != "run_id"] for row in others]


def _rows(directory: Path, name: str) -> list[dict[str, str]]:
    with (directory / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))
