"""The commands of the program: where each one is defined, and its line in `--help`, which needs none of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Verb(NamedTuple):
    """A command, or a group of commands.

    Attributes:
        module: its module in `cli.commands`.
        name: the function, or the Typer app of a group.
        help: the line in the list of all commands: the first line of the function's docstring.
        takes_settings: whether it has all options of the table; its function receives them as `Flags`.
    """

    module: str
    name: str
    help: str
    takes_settings: bool = False


# In the order of `--help`.
VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "demo": Verb("demo", "demo", "Run an invented study, without keys or files, and verify it."),
        "init": Verb("demo", "init", "Write a study folder to fill in, with comments."),
        "preflight": Verb("preflight", "preflight", "Check everything that execute needs, and send nothing.", True),
        "resume": Verb("resume", "resume", "Continue a run where its last session ended."),
        "status": Verb("inspect", "status", "Show how far a run has come."),
        "verify": Verb("inspect", "verify", "Check a run's checksums and recompute all its outputs."),
        "hydrate": Verb("inspect", "hydrate", "Write a run's outputs again from its ledger."),
        "report": Verb("report", "report", "Write a run's report, one self-contained page, or its pictures."),
        "compare": Verb("compare", "compare", "Compare two or more runs of the same essays."),
        "sweep": Verb("sweep", "sweep", "Run several judges, and rank them by agreement."),
        "runs": Verb("collection", "runs", "List runs with judge, outcome, reliability, agreement and cost."),
        "export": Verb("collection", "export", "Write the tables of runs for data frames, or a copy to share."),
        "import": Verb("collection", "import_study", "Make a run directory of a study that HuleEdu's runner made."),
        "fit": Verb("fit", "fit", "Place the items of a table of comparisons on one scale."),
        "models": Verb("models", "models", "List the models that can judge, with prices and limits."),
        "cache": Verb("cache", "cache_app", "List and remove the judgements that are kept for later runs."),
        "admin": Verb("admin", "admin_app", "Log in, and manage assignments in the CJ service."),
        "stack": Verb("stack", "stack_app", "Run the embedded services by themselves."),
    }
)
