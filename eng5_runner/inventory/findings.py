"""What is wrong with a file, as the inventory tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eng5_runner.core.inputs import Finding, shown

if TYPE_CHECKING:
    from eng5_runner.inventory.unreadable import Unreadable


def finding_of(refusal: Unreadable, source_path: str) -> Finding:
    """The refusal of a file as an error of it.

    Args:
        refusal: why it cannot be used.
        source_path: relative to the assets folder, with `/`.
    """
    return Finding(
        severity="error",
        kind=refusal.kind,
        file=shown(source_path),
        message=refusal.message,
        remedy=refusal.remedy,
    )
