"""What a person reads on the terminal: tables, sentences and bars.

- `summary`, `compare`, `leaderboard`, `fit`, `runs`: results. `plan`, `sweep`, `models`: before a run.
- `session`, `events`: a run as it happens. `status`: where it stands, and what to do next.
- `administration`: what the CJ service keeps. `safe_console`: a console for what others wrote.
- `table`: how a table fits into a narrow terminal.

They write to the console that they are given. Example: the runs of a folder.

    show_listed(Console(), list_runs(Path("runs")))
"""
