"""Runs that several tests read and none alters."""

from tests.support.run.fixtures import artefacts as artefacts  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.support.run.fixtures import finished as finished  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.support.run.fixtures import plain as plain  # noqa: PLC0414 - pytest finds fixtures by their name here
from tests.support.run.fixtures import plain_artefact as plain_artefact  # noqa: PLC0414 - pytest finds fixtures by their name here
