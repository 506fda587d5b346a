"""Essays that may sway a judge by more than what a reader sees, and the same texts without that.

    essay_flags(scanned, findings, texts=texts)
    # (EssayFlag(essay_id="birk", kinds=("instructs_judge",), twin="cleo"),)

A twin shows what the passage does. To test a judge, put a text into the folder twice, once with a passage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast, get_args

from eng5_runner.core.inputs import EssayFlag, Finding, FlagKind, shown
from eng5_runner.inventory.essay_ids import anchor_id, student_id
from eng5_runner.inventory.plausibility import content_words
from eng5_runner.inventory.scanned import ScannedAssets

_KINDS: frozenset[str] = frozenset(get_args(FlagKind))


def essay_flags(
    scanned: ScannedAssets, findings: Iterable[Finding], *, texts: Mapping[str, bytes]
) -> tuple[EssayFlag, ...]:
    """The flags of the essays that the findings name, sorted by id; `texts` has the essays' by `text_sha256`."""
    kinds: defaultdict[str, set[FlagKind]] = defaultdict(set)
    for found in findings:
        if found.kind in _KINDS:
            kinds[found.file].add(cast("FlagKind", found.kind))
    if not kinds:
        return ()
    words: dict[str, list[str]] = {}
    flagged: dict[str, set[FlagKind]] = {}
    for essay_id_of, files in ((anchor_id, scanned.anchors), (student_id, scanned.students)):
        for file in files:
            if file.record is None:
                continue
            essay_id = essay_id_of(file.stem)
            words[essay_id] = content_words(texts[file.record.text_sha256].decode())
            if found_kinds := kinds.get(shown(file.source_path)):
                flagged[essay_id] = found_kinds
    others = {essay_id: text for essay_id, text in sorted(words.items()) if essay_id not in flagged}
    return tuple(
        EssayFlag(
            essay_id=essay_id,
            kinds=tuple(sorted(flagged[essay_id])),
            twin=next((other for other, text in others.items() if is_twin(text, of=words[essay_id])), None),
        )
        for essay_id in sorted(flagged)
    )


def is_twin(words: Sequence[str], *, of: Sequence[str]) -> bool:
    """Whether a text is another one without one passage, or the same.

    >>> is_twin(["i", "like", "cats"], of=["i", "like", "judge", "choose", "me", "cats"])
    True
    >>> is_twin(["i", "like", "cats"], of=["i", "like", "dogs", "and", "birds"])
    False
    """
    if not words or len(words) > len(of):
        return False
    start = 0
    while start < len(words) and words[start] == of[start]:
        start += 1
    rest = len(words) - start
    return not rest or list(words[start:]) == list(of[len(of) - rest :])
