"""What a person can choose for a run: its mode, how Kafka is reached, time limits, and their defaults.

`core.spec` and the option table share these, as they share `contracts.choices`. Nothing heavy is imported here either.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from eng5_runner.contracts.bounds import Above, AtLeast, AtMost

DEFAULT_USER = "eng5_np_research_runner"
DEFAULT_CLIENT_ID = "eng5-np-runner"
# The CJ service may be silent for five minutes between waves, so this lies well above that.
IDLE_SECONDS = 900.0
# The same where the provider answers in batches: it takes a day for one at most.
BATCH_IDLE_SECONDS = 26 * 3600.0
UPLOADS_AT_ONCE = 64
# How many requests one run may consist of. With 120 comparisons a request, which is what the field's service makes at
# most, this is enough for 1,200.
MOST_REQUESTS = 10

KafkaProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
KafkaMechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Comparisons: TypeAlias = Annotated[int, AtLeast(1)]
ComparisonsPerEssay: TypeAlias = Annotated[float, AtLeast(1)]
Concurrency: TypeAlias = Annotated[int, AtLeast(1), AtMost(512)]
Requests: TypeAlias = Annotated[int, AtLeast(1), AtMost(1000)]
Seconds: TypeAlias = Annotated[float, Above(0)]


class Mode(StrEnum):
    """How far a run goes.

    Attributes:
        PLAN: read the assets and show what a run would do and cost; write nothing.
        DRY_RUN: do everything except contact services.
        EXECUTE: do everything.
        ANCHOR_ALIGN: do everything, with the anchors alone.
    """

    PLAN = "plan"
    DRY_RUN = "dry-run"
    EXECUTE = "execute"
    ANCHOR_ALIGN = "anchor-align"

    @property
    def executes(self) -> bool:
        """Whether judges make comparisons."""
        return self in {Mode.EXECUTE, Mode.ANCHOR_ALIGN}

    @property
    def anchors_only(self) -> bool:
        """Whether students' essays are left out, to measure first how well a judge agrees with the experts."""
        return self is Mode.ANCHOR_ALIGN
