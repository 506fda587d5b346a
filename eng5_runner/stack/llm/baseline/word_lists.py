"""Misspelt words and unusual pairs of words, by the word lists of symspellpy (the extra `baseline`).

The lists count a large collection of English books. A word is misspelt here if neither it nor its other spelling
(colour, color) is in the list; one that always begins with a capital may be a name and does not count. Two words that
never follow each other in the list of pairs are often a slip of grammar, and sometimes only a rare topic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from eng5_runner.stack.llm.baseline.prose import PROPERTIES, Property, Text

_PACKAGE = "symspellpy"
_WORDS, _PAIRS = "frequency_dictionary_en_82_765.txt", "frequency_bigramdictionary_en_243_342.txt"
_LOWER = re.compile(r"(?<![\w'’])[a-z]{2,}(?:['’][a-z]+)*(?!\w)")
# By what British and American spellings differ, in either direction.
_SPELLINGS = (("our", "or"), ("is", "iz"), ("ys", "yz"), ("re", "er"), ("ogue", "og"), ("ctis", "ctic"))


@dataclass(frozen=True, slots=True)
class WordLists:
    """Known English.

    Attributes:
        words: single words in lower case.
        pairs: words that follow each other, with a space between them.
    """

    words: frozenset[str]
    pairs: frozenset[str]

    @classmethod
    def read(cls) -> WordLists:
        """The lists of the installed package, in a quarter of a second.

        Raises:
            ModuleNotFoundError: it is not installed.
        """
        words, pairs = ((files(_PACKAGE) / name).read_text("utf-8-sig").splitlines() for name in (_WORDS, _PAIRS))
        return cls(
            words=frozenset(line.rpartition(" ")[0] for line in words),
            pairs=frozenset(line.rpartition(" ")[0] for line in pairs),
        )

    def misspelt(self, text: Text) -> float:
        """Misspelt words per 100 words.

        >>> WordLists(words=frozenset({"favourite", "book"}), pairs=frozenset()).misspelt(Text.of("my favorite boook"))
        66.66666666666667
        """
        return text.share(sum(not self._is_known(word.replace("’", "'")) for word in _LOWER.findall(text.raw)))

    def unusual_pairs(self, text: Text) -> float:
        """Of all words that follow each other, those that are not in the list of pairs, in per cent."""
        pairs = [f"{one} {other}" for one, other in zip(text.words, text.words[1:], strict=False)]
        return 100.0 * sum(pair not in self.pairs for pair in pairs) / max(len(pairs), 1)

    def _is_known(self, word: str) -> bool:
        return any(form in self.words for stem in (word, word.partition("'")[0]) for form in (stem, *_respelt(stem)))


def _respelt(word: str) -> Iterator[str]:
    for british, american in _SPELLINGS:
        yield word.replace(british, american)
        yield word.replace(american, british)


def with_word_lists() -> tuple[Property, ...]:
    """The properties of the baseline with two more, whose weight is that of a varied vocabulary.

    Raises:
        ModuleNotFoundError: the extra is not installed.
    """
    lists = WordLists.read()
    return (
        *PROPERTIES,
        Property(better="fewer misspelt words", measure=lists.misspelt, centre=1.5, spread=-1.5, weight=0.7),
        Property(better="more usual pairs of words", measure=lists.unusual_pairs, centre=25.0, spread=-8.0, weight=0.7),
    )
