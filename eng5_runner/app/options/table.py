"""The settings of a run, one field each; those of one subject stand together in a module."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar

from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.app.options.design import DesignSettings
from eng5_runner.app.options.judge import JudgeSettings
from eng5_runner.app.options.option import OUTPUT, RUN, SERVICES, STUDY, Option, Setting, rows_of
from eng5_runner.app.options.services import ServiceSettings
from eng5_runner.app.options.study import StudySettings
from eng5_runner.contracts.bounds import AtLeast, AtMost
from eng5_runner.core.choices import (
    BATCH_IDLE_SECONDS,
    IDLE_SECONDS,
    UPLOADS_AT_ONCE,
    Concurrency,
    Seconds,
)


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings, DesignSettings, JudgeSettings, StudySettings):
    """Every setting of a run. Build it with `app.settings.settings_from`, which checks the values; times in seconds.

    Its fields come in the order of the help: those of the last class named above first, its own last.
    """

    # Pydantic's, for `app.settings`: an endless time or cost is none.
    __pydantic_config__: ClassVar[Mapping[str, object]] = MappingProxyType({"allow_inf_nan": False, "extra": "forbid"})

    no_kafka: Annotated[bool, Option("Write the request and stop: send nothing to Kafka.", RUN)] = False
    await_completion: Annotated[
        bool,
        Option(
            "Wait for the results after the request is sent.",
            RUN,
            spec="timeouts.await_completion",
            flag="--await-completion/--no-await-completion",
        ),
    ] = True
    completion_timeout: Annotated[
        Seconds | None,
        Option("Longest wait for the results, in seconds.", RUN, spec="timeouts.total", metavar="SECONDS"),
    ] = None
    idle_timeout: Annotated[
        Seconds | None,
        Option(
            "Longest silence before the wait for results ends, in seconds.",
            RUN,
            spec="timeouts.idle",
            metavar="SECONDS",
            default=f"{IDLE_SECONDS:.0f}; {BATCH_IDLE_SECONDS:.0f} with --batch",
        ),
    ] = None
    upload_concurrency: Annotated[
        Concurrency, Option("Uploads at the same time.", SERVICES, spec="uploading.concurrency")
    ] = UPLOADS_AT_ONCE
    force_reupload: Annotated[
        bool, Option("Upload every text, also those that the upload cache lists.", SERVICES, spec="uploading.force")
    ] = False
    metrics_port: Annotated[
        Annotated[int, AtLeast(1), AtMost(65535)] | None,
        Option("Serve Prometheus metrics on this port.", OUTPUT, metavar="PORT"),
    ] = None
    metrics_host: Annotated[
        str, Option("Address that serves --metrics-port; 0.0.0.0 serves it to the network.", OUTPUT, metavar="ADDRESS")
    ] = LOOPBACK
    verbose: Annotated[bool, Option("Write debug lines to the log too.", OUTPUT)] = False
    json_lines: Annotated[bool, Option("Write JSON lines to standard output.", OUTPUT, common=True, flag="--json")] = (
        False
    )
    strict: Annotated[bool, Option("Treat warnings about the assets as errors.", STUDY)] = False
    yes: Annotated[bool, Option("Agree beforehand that money may be spent.", RUN, common=True)] = False


SETTINGS = tuple(rows_of(Settings))
# Where the settings file is. It is read before the other settings, so it is none of them.
CONFIG = Setting(
    name="config",
    kind=Path,
    bounds=(),
    default=None,
    option=Option("TOML file with settings.", RUN, common=True, metavar="FILE"),
)
