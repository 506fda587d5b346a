"""Parameters that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.cli.parameters import option_of

RunArgument = Annotated[Path, typer.Argument(help="Directory of a run.", metavar="RUN", show_default=False)]
JsonOption = Annotated[bool, option_of("json_lines", variable=False)]
NoCacheOption = Annotated[bool, option_of("no_cache")]
VerboseOption = Annotated[bool, option_of("verbose", variable=False)]
YesOption = Annotated[bool, option_of("yes")]
IdentityOption = Annotated[
    str,
    typer.Option("--identity-service-url", envvar="IDENTITY_SERVICE_URL", help="With its path, …/v1/auth."),
]
