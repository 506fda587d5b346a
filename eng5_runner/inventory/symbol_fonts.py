"""The characters of the fonts Symbol and Wingdings, which have codes of their own."""

from __future__ import annotations

from types import MappingProxyType

UNKNOWN_SYMBOL = "□"
"""Stands for a symbol that this module does not know."""

_PRIVATE = range(0xF000, 0xF100)  # where Office puts the 256 codes of such a font

# Codes 0x21 to 0x7e and 0xa1 to 0xfe, as Adobe's and Unicode's tables give them.
_SYMBOL = MappingProxyType(
    dict(
        zip(
            range(0x21, 0x7F),
            "!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
            strict=True,
        )
    )
    | dict(
        zip(
            range(0xA0, 0xFF),
            "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\uf8ff〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
            strict=True,
        )
    )
)
_WINGDINGS = MappingProxyType({
    0x21: "✏", 0x22: "✂", 0x23: "✁", 0x26: "🕮", 0x28: "☎", 0x29: "✆", 0x2A: "🖂", 0x36: "⌛", 0x37: "⌨", 0x38: "🖰",
    0x3F: "✍", 0x41: "✌", 0x43: "👍", 0x44: "👎", 0x45: "☜", 0x46: "☞", 0x47: "☝", 0x48: "☟", 0x4A: "☺", 0x4B: "😐",
    0x4C: "☹", 0x4D: "💣", 0x4E: "☠", 0x51: "✈", 0x52: "☼", 0x53: "💧", 0x54: "❄", 0x58: "✠", 0x59: "✡", 0x5A: "☪",
    0x5B: "☯", 0x6C: "●", 0x6D: "❍", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x72: "❒", 0x73: "⬧", 0x74: "⧫", 0x75: "◆",
    0x76: "❖", 0x77: "⬥", 0x78: "⌧", 0x7B: "❀", 0x7C: "✿", 0x7D: "❝", 0x7E: "❞", 0x80: "⓪", 0x81: "①", 0x82: "②",
    0x83: "③", 0x84: "④", 0x85: "⑤", 0x86: "⑥", 0x87: "⑦", 0x88: "⑧", 0x89: "⑨", 0x8A: "⑩", 0x8B: "⓿", 0x8C: "❶",
    0x8D: "❷", 0x8E: "❸", 0x8F: "❹", 0x90: "❺", 0x91: "❻", 0x92: "❼", 0x93: "❽", 0x94: "❾", 0x95: "❿", 0x9E: "·",
    0x9F: "•", 0xA0: "▪", 0xA1: "○", 0xA4: "◉", 0xA5: "◎", 0xA7: "▪", 0xA8: "◻", 0xAB: "★", 0xAC: "✶", 0xAE: "✹",
    0xB5: "⌖", 0xC4: "➲", 0xD5: "⌫", 0xD8: "➢", 0xDC: "➲", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔",
    0xEF: "⇦", 0xF0: "⇨", 0xF1: "⇧", 0xF2: "⇩", 0xF3: "⬄", 0xF4: "⇳", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
})  # fmt: skip
_WINGDINGS_2 = MappingProxyType({
    0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0x98: "•", 0xA3: "□", 0x30: "✖",
})  # fmt: skip
_FONTS = MappingProxyType({"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2})


def symbol_character(font: str, code: int) -> str | None:
    """The character that a reader sees for a code of a font.

    Args:
        font: as the document names it.
        code: of the font, or moved to Unicode's private use area, as Office does.

    Returns:
        The character; None if the font has codes of its own and this one is not known.

    >>> symbol_character("Symbol", 0xF0B2), symbol_character("Arial", 0x20AC), symbol_character("Webdings", 0xF021)
    ('″', '€', None)
    """
    known = _FONTS.get(font.casefold().strip())
    if known is None:
        return None if _is_private(code) else chr(code)
    return known.get(code - _PRIVATE.start if code in _PRIVATE else code)


def _is_private(code: int) -> bool:
    return 0xE000 <= code <= 0xF8FF  # noqa: PLR2004 - Unicode's private use area
