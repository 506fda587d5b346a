"""The command line: it parses options, calls the application, shows what comes, and exits with a code.

A command has a function in `app`, which Typer reads, and a module in `commands`, which is loaded when it is called:
`eng5-runner verify runs/latest` is `commands.inspect.verify_run(Path("runs/latest"), json_lines=False)`, which calls
`eng5_runner.app.inspect.verify`, prints its result on standard error, or with `--json` as JSON lines on standard
output, and returns the exit code. Errors become exit codes in `app.main` alone.
"""
