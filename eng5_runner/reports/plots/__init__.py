"""The pictures of a run as SVG: for the page, and each as a file of its own.

- `positions`: essays with their intervals. `anchors`: the anchors against their known grades.
- `design`: which essays were compared, and how reliability and cost grew.
- `files`: the same as SVG and PNG files.

Each has a title and a description in words. Example: all pictures of a run.

    for picture in pictures(artefact):
        print(picture.name, picture.title)
"""
