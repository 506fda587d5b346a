"""A picture on the page, with what it shows in words."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from eng5_runner.reports.html import element
from eng5_runner.reports.plots.drawing import Picture


def figure(picture: Picture) -> Element:
    """The picture with its title and description below."""
    caption = element("figcaption", element("strong", f"{picture.title}."), f" {picture.description}")
    return element("figure", picture.drawing, caption)
