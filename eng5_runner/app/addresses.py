"""Addresses of services: where they are expected on this machine if nobody names one, and what an address is."""

from __future__ import annotations

import re

KAFKA_DEFAULT = "localhost:9093"
CONTENT_DEFAULT = "http://localhost:8001/v1/content"
CJ_DEFAULT = "http://localhost:9095"
IDENTITY_DEFAULT = "http://localhost:7005/v1/auth"

LOOPBACK = "127.0.0.1"

AN_ADDRESS = "a URL that begins with http:// or https:// and has no user or password"


def check_address(text: str) -> None:
    """Refuse a text that is not `AN_ADDRESS`.

    Raises:
        ValueError: the text is not shown, because it can hold a password.
    """
    if not re.match(r"https?://[^/@]+(/|$)", text):
        raise ValueError("not an address")
