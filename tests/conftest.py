"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# Before numpy is loaded: two test processes on two cores with two threads each would mostly wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A machine that is busy for a quarter of a second is no finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
