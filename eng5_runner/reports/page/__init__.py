"""The parts of a run's page, each a function from the typed artefact to elements.

- `first_screen`: verdict, three figures, judge and cost. `essays`: tables of students and anchors.
- `judge`: the judge's card. `drill_down`: each essay's judgements. `record`: cost, files, versions, methods paragraph.
- `style` and `script`: what the page looks like, and what its only script does.

`eng5_runner.reports.html_report` puts them together. Example: one part alone.

    for element in first_screen(artefact):
        print(tostring(element, encoding="unicode"))
"""
