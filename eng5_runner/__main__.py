"""`python -m eng5_runner` is `eng5-runner`."""

from eng5_runner.cli.app import main

main()
