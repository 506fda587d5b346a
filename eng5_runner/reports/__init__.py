"""A run for people to read: views of the typed artefact, and of a plan.

- `html_report`, of the parts in `page` and the pictures in `plots`: one page that needs no network.
- `anchor_markdown`: the report of an anchor-align run. `verdict`, `judge_card`, `methods`: what they say in words.
- `terminal`: tables and sentences on the terminal.
- `figures`: how a figure is shown; an absent one is a dash. `html`, `markdown`: foreign text stays text.

The views compute nothing. Example: the page of a run.

    artefact = load_artefact(Path("runs/latest"))
    Path("page.html").write_bytes(report(artefact))
"""
