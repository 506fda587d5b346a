"""Several judges and designs over the same essays, side by side: who agrees with the experts, and is it sure?

    figures = [figures_of(load_artefact(folder), judge="strict", design="balanced", directory=folder.name) for …]
    board = make_leaderboard(figures, name="judges", limit_usd=5.0)
    board.rows[0].judge        the judge that agrees most with the experts
    board.differences[0].real  whether it is surely better than the next

`figures` holds what one run says, `leaderboard` puts the runs of a judge together and compares judges.
"""
