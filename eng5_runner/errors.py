"""Everything foreseen that can go wrong, and what a person does next.

    RunnerError                     exit
    ├── UsageError                    2   the command line asks for something impossible
    ├── VerificationFailed            5   a run's files do not prove what they claim
    ├── InputsInvalid                65   an input is unusable, or changed since the run began
    ├── InputsMissing                66   an input is not there
    ├── ServiceUnavailable           69   a service refused or could not be reached
    ├── DiskError                    74   a file could not be written or read back
    ├── TemporaryFailure             75   `resume` will help
    ├── NotAllowed                   77   not authenticated, or not allowed
    └── ConfigurationError           78   a topic is missing, a setting is wrong

Anything else that reaches the edge is a bug (exit 70). A partial result (exit 3) is an outcome, not an error.
"""

from __future__ import annotations

from typing import ClassVar


class RunnerError(Exception):
    """A foreseen failure: one sentence on what happened and one on what to do next.

    Attributes:
        message: what happened, to which file or service.
        remedy: what the person can do next.
        exit_code: the process exit code of this kind of failure.
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
    """A run's files do not prove what they claim."""

    exit_code = 5


class InputsInvalid(RunnerError):
    """An input is unusable, or changed since the run began."""

    exit_code = 65


class InputsMissing(RunnerError):
    """An input is not there."""

    exit_code = 66


class ServiceUnavailable(RunnerError):
    """A service refused or could not be reached."""

    exit_code = 69


class DiskError(RunnerError):
    """A file could not be written, synced or read back."""

    exit_code = 74


class TemporaryFailure(RunnerError):
    """The run can go on later from where it is."""

    exit_code = 75


class NotAllowed(RunnerError):
    """A service does not know us, or does not let us."""

    exit_code = 77


class ConfigurationError(RunnerError):
    """A setting is wrong or something that must exist beforehand does not."""

    exit_code = 78
