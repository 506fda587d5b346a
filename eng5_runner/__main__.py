"""The program, `eng5-runner` or `python -m eng5_runner`: it sets what holds for the process, then loads the rest."""

from __future__ import annotations

import gc
import os
import sys

# Objects between two looks for cycles, by generation. Python's own 700, 10, 10 cost the services a quarter of their
# computing time: each look goes through thousands of objects of requests that wait, and finds nothing.
_GARBAGE_THRESHOLDS = (20_000, 20, 20)


def main() -> None:
    """Prepare the process, then load and run the command line."""
    prepare()
    # Loaded only now: what holds for the process holds while it is loaded, too.
    from eng5_runner.cli.app import main as run  # noqa: PLC0415 - the process comes first  # law: inner_import - as above

    try:
        run()
    finally:
        # At its end Python looks for cycles several times among all that is loaded, which takes an eighth of `--help`.
        gc.freeze()


def prepare() -> None:
    """Set what holds for the whole process, of the program and of its benchmarks."""
    # One thread for linear algebra: the same order of sums on every machine, and a core for the embedded stack.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pydantic would look for plugins of its own in the metadata of every installed package, and run them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    # Whatever a library writes for us is private, too; our own files are in any process (`systems.open_private`).
    os.umask(0o077)
    sys.unraisablehook = _note_unraisable


def _note_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """A library's error while it tidied up after another error, such as too many open files, is for the log."""
    if (logging := sys.modules.get("logging")) is not None:  # else there is no log
        logging.getLogger("eng5_runner").info("ignored: %r in %r", unraisable.exc_value, unraisable.object)


if __name__ == "__main__":
    main()
