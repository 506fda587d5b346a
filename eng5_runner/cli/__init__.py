"""The command line: it parses options, calls the application, shows what comes, and exits with a code.

`verbs` names the commands. Each is a function in `commands`, which Typer reads and which loads what it works with when
it is called: `eng5-runner verify runs/latest` is `commands.inspect.verify(Path("runs/latest"))`, which calls
`eng5_runner.app.inspect.verify`, prints its result on standard error, or with `--json` as JSON lines on standard
output, and returns the exit code. Errors become exit codes in `app.main` alone.
"""
