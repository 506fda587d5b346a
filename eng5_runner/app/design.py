"""The design's options together: what cannot be asked at the same time."""

from __future__ import annotations

from eng5_runner.app.settings import Settings
from eng5_runner.errors import UsageError


def check_design(settings: Settings) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: two settings that cannot go together; it names both.
    """
    boundary = settings.design == "boundary"
    target = settings.target_se is not None or settings.target_reliability is not None
    for wrong, told, remedy in (
        (
            settings.max_comparisons is not None and settings.comparisons_per_essay is not None,
            "--max-comparisons and --comparisons-per-essay both say how many comparisons are asked for.",
            "Give one of them.",
        ),
        (
            settings.pairs is not None and not boundary,
            "--pairs are the pairs of a boundary design.",
            "Give --design boundary too.",
        ),
        (
            boundary and settings.pairs is None,
            "--design boundary compares named pairs.",
            "Name them with --pairs FILE.",
        ),
        (
            boundary and settings.comparisons_per_essay is not None,
            "--comparisons-per-essay has no meaning for named pairs.",
            "Give --repeats: each pair is asked so often in both orders.",
        ),
        (
            boundary and target,
            "--target-se and --target-reliability need a design that compares all essays.",
            "Leave them out, or --design boundary.",
        ),
        (
            boundary and settings.swap != "none",
            "--design boundary asks each pair in both orders anyway.",
            "Leave --swap out.",
        ),
    ):
        if wrong:
            raise UsageError(told, remedy=remedy)
