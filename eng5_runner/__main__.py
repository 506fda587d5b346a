"""The program: `eng5-runner`, and `python -m eng5_runner` too."""

import gc

from eng5_runner.effects.process import prepare


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


if __name__ == "__main__":
    main()
