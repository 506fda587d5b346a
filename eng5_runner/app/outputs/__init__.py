"""What a finished run is written as, besides its own record: a report elsewhere, and the report's pictures.

- `report`: one page of HTML, with the essays' texts where they may be shown, and each picture as SVG and PNG.

Example: the pictures of a run, for a paper.

    for file in write_figures(Path("runs/latest"), Path("figures")):
        print(file.name)
"""
