"""The option table: every setting of a run, declared once.

A field of a class of settings has a name, a type with bounds, a default and an `Option`, which says how people give it.
Made from this table are the command line and its `--help`, the environment variables, the keys of a TOML file, the
keyword arguments of the Python API, `config.resolved.toml`, the run's spec and `docs/options.md`.

A new setting is one new field. For example

    repeats: Annotated[
        Repeats, Option("How often each pair is asked in the same order.", DESIGN, spec="budget.repeats")
    ] = 1

is `--repeats 3`, `ENG5_REPEATS=3`, `repeats = 3` in a file and `repeats=3` in Python; a value outside the bounds of
`Repeats` is refused under the name by which it was given, and the run's spec has it as `budget.repeats`.

`study`, `judge`, `design` and `services` have the settings of one subject each, `table` the rest and all of them
together, `option` what a row is. `app.settings` checks values, `app.assemble` makes the spec of them.
Nothing heavy is imported here, because `eng5-runner --help` needs this package and must start quickly.
"""
