"""The judges that a plan compares: those of the environment, with the figures of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from eng5_runner.app.assemble import executes_remotely
from eng5_runner.app.settings import Settings
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.judges.catalogue import known_models
from eng5_runner.planning.candidates import Candidates, find_candidates
from eng5_runner.planning.pilot import read_pilot
from eng5_runner.run.artefact_file import load_artefact


def candidates_of(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes], settings: Settings) -> Candidates:
    """The judges that come into question for a run.

    Raises:
        ConfigurationError: the user's own file of models cannot be used.
        InputsMissing: there is no artefact in the pilot's directory.
        InputsInvalid: the pilot's artefact lacks what is needed.
    """
    return find_candidates(
        spec,
        inputs,
        texts=texts,
        known=tuple(known_models(os.environ)),
        remote=executes_remotely(settings),
        pilot=None if settings.pilot is None else read_pilot(load_artefact(settings.pilot)),
        within_one=settings.aim_within_one,
    )
