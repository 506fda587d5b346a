"""Invented texts of different quality, all different."""

from __future__ import annotations

PLACES = ("library", "harbour", "kitchen", "station", "forest", "market", "island", "stadium", "museum", "garden")

GOOD = (
    "The {place} taught me patience. Although I disliked the long evenings at first, I gradually understood why my "
    "grandfather considered them essential; nobody hurried there, and every conversation was allowed to finish. "
    "Whenever somebody complained about the weather, he answered that rain was simply an invitation to stay. Since "
    "then I have visited the {place} regularly, partly for the silence, partly because decisions seem easier when "
    "they are surrounded by familiar objects. If the authorities closed it, we would lose number {number} on my list "
    "of reasons to remain in this town."
)
FAIR = (
    "The {place} is important for me. I go there every week with my friends and we talk about school and other things. "
    "It is a good place because you can be there for free. Sometimes it is cold but we stay anyway. I think that the "
    "{place} should have more lamps, and I have {number} more ideas. I hope it will be there for a long time."
)
POOR = (
    "my place is the {place} i like it becuse it is fun. we is there every day and we playing games. it have a shop "
    "and i dont know wich is best. people is nice. i have {number} friend there. the end"
)


def essay(number: int) -> str:
    """A text of its own: good, fair and poor ones in turn."""
    text = (GOOD, FAIR, POOR)[number % 3]
    return text.format(place=PLACES[number % len(PLACES)], number=number)
