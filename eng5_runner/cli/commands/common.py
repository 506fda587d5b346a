"""Parameters that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunArgument = Annotated[Path, typer.Argument(help="Directory of a run.", metavar="RUN", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON lines to standard output.", show_default=False)]
IdentityOption = Annotated[
    str,
    typer.Option("--identity-service-url", envvar="IDENTITY_SERVICE_URL", help="With its path, …/v1/auth."),
]
