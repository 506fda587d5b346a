"""What the anchors say of the judge.

`alignment` has the agreement of their order with the experts' grades, `targets` what the field asks of a judge beside
what able judges get.
"""
