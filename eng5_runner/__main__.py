"""The program: `eng5-runner`, and `python -m eng5_runner` too."""

from eng5_runner.effects.process import prepare


def main() -> None:
    """Prepare the process, then load and run the command line."""
    prepare()
    # Loaded only now: to look for cycles among what is loaded would take a sixteenth of `--help`.
    from eng5_runner.cli.app import main as run  # noqa: PLC0415 - the process comes first  # law: inner_import - as above

    run()


if __name__ == "__main__":
    main()
