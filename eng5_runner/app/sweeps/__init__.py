"""A sweep: judges, designs and seeds over one assets folder, as many ordinary runs with one leaderboard.

    board = eng5.sweep("judges.toml", max_cost=5.0)
    board.leaderboard.verdict

`file` reads the sweep's file, `plan` says what its runs would do and cost, `money` shares out one cost limit, `record`
keeps which run is whose, `work` works on several runs at once, and `sweep` goes the whole way.

The folder of a sweep holds a folder for each run, each of which can be verified, reported and resumed by itself.
"""
