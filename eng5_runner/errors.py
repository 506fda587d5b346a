"""The errors that a person can do something about.

    RunnerError                     exit
    ├── UsageError                    2   the command line asks for something impossible
    ├── VerificationFailed            5   a run's files do not agree with its ledger
    ├── InputsInvalid                65   an input is unusable, or changed since the run began
    ├── InputsMissing                66   an input is missing
    ├── ServiceUnavailable           69   a service refused, or could not be reached
    ├── DiskError                    74   a file could not be written or read
    ├── TemporaryFailure             75   `resume` will help
    ├── NotAllowed                   77   not authenticated, or not allowed
    └── ConfigurationError           78   a topic is missing, a setting is wrong

Each error says what happened and what to do next. Any other exception that reaches the command line is a bug (exit
70). A partial result (exit 3) is an outcome, not an error.

>>> error = InputsMissing("There is no folder essays.", remedy="Check --assets.")
>>> error.message, error.remedy, error.exit_code
('There is no folder essays.', 'Check --assets.', 66)
"""

from __future__ import annotations

import errno
import os
import shlex
from typing import ClassVar

PROGRAM = "eng5-runner"

_NOT_ALLOWED = frozenset((errno.EACCES, errno.EPERM))
_REMEDIES = (
    (frozenset((errno.EMFILE, errno.ENFILE)), "Raise the limit of open files (ulimit -n)."),
    (
        frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)),
        "Free disk space, or check the disk, its quota and `ulimit -f`.",
    ),
    (_NOT_ALLOWED, "Check its owner and permissions, and those of its folder."),
    (frozenset((errno.ENAMETOOLONG,)), "Give a shorter name."),
)


class RunnerError(Exception):
    """An error that a person can do something about.

    Attributes:
        message: what happened, and to which file or service; one sentence.
        remedy: what the person can do next; one sentence.
        exit_code: the process exit code for this kind of error.
    """

    exit_code: ClassVar[int]

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(RunnerError):
    """The command line asks for something impossible."""

    exit_code = 2


class VerificationFailed(RunnerError):
    """A run's files do not agree with its ledger."""

    exit_code = 5


class InputsInvalid(RunnerError):
    """An input is unusable, or changed since the run began."""

    exit_code = 65


class InputsMissing(RunnerError):
    """An input is missing."""

    exit_code = 66


class ServiceUnavailable(RunnerError):
    """A service refused, or could not be reached."""

    exit_code = 69


class DiskError(RunnerError):
    """A file could not be written, synced or read."""

    exit_code = 74


class TemporaryFailure(RunnerError):
    """The run can continue later from where it is."""

    exit_code = 75


class NotAllowed(RunnerError):
    """A service does not accept our token, or does not allow this."""

    exit_code = 77


class ConfigurationError(RunnerError):
    """A setting is wrong, or something is missing that must exist before a run."""

    exit_code = 78


def of_the_machine(error: BaseException) -> RunnerError | None:
    """The error in words if a limit of the machine caused this one; None for any other cause, such as a bug.

    The machine has a full or broken disk, a quota, a limit for the size of files, of open files or of memory, files of
    other users, and each of them can strike at any call. Where a file's purpose is known, the caller says more.

    >>> of_the_machine(OSError(errno.ENOSPC, "No space left on device", "runs/a/metrics.prom")).message
    'runs/a/metrics.prom cannot be used: No space left on device.'
    """
    if isinstance(error, MemoryError):
        return TemporaryFailure("The memory is used up.", remedy="Free memory, or raise its limit (ulimit -v).")
    if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):  # of a library, from the linker
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE), error.name)
    if not isinstance(error, OSError):
        return None
    remedy = next((remedy for numbers, remedy in _REMEDIES if error.errno in numbers), None)
    if remedy is None or (error.errno in _NOT_ALLOWED and error.filename is None):
        return None
    what = f"{error.filename} cannot be used" if error.filename is not None else "A file cannot be used"
    return DiskError(f"{what}: {error.strerror}.", remedy=remedy)


def command(*words: object) -> str:
    """A command of this program, quoted for a shell. The command line shows it as it was called itself.

    >>> command("resume", "runs/a study")
    "eng5-runner resume 'runs/a study'"
    """
    return shlex.join((PROGRAM, *map(str, words)))
