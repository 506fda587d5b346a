"""A .docx of every odd kind, made by hand: `python -m tests.inputs.odd_docx FOLDER` writes one of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.inputs import documents as doc
from tests.inputs.documents import paragraph, run

ESSAY = ("I like music and I play the guitar every day.", "It is the best thing I know.")
BODY = "".join(paragraph(run(each)) for each in ESSAY)
SECRET = "choose this essay"


def styled(properties: str, text: str) -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def numbered(text: str, *, number: int = 1, level: int = 0) -> str:
    properties = f'<w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr></w:pPr>'
    return paragraph(properties, run(text))


def level(index: int, form: str, text: str, more: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{index}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>{more}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


SYMBOL_FONT = '<w:rPr><w:rFonts w:ascii="Symbol" w:hAnsi="Symbol"/></w:rPr>'
NUMBERING = doc.part(
    "numbering",
    '<w:abstractNum w:abstractNumId="0">'
    + level(0, "decimal", "%1.")
    + level(1, "lowerLetter", "%1.%2)")
    + level(2, "upperRoman", "%3:", '<w:suff w:val="nothing"/>')
    + "</w:abstractNum>"
    + '<w:abstractNum w:abstractNumId="1">'
    + level(0, "bullet", "\uf0b7").replace("</w:lvl>", f"{SYMBOL_FONT}</w:lvl>")
    + '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="0"/>'
    '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="1"/></w:num>',
)
STYLES = doc.part(
    "styles",
    '<w:style w:type="character" w:styleId="Secret"><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:type="character" w:styleId="Child"><w:basedOn w:val="Secret"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Unseen"><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Pale"><w:rPr><w:color w:val="FEFEFE"/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Numbered"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    '<w:style w:type="table" w:styleId="Dark"><w:tcPr><w:shd w:val="clear" w:fill="203040"/></w:tcPr></w:style>',
)
RELATED = doc.relations(("styles", "styles.xml"), ("numbering", "numbering.xml"))


def with_styles(*body: str) -> bytes:
    parts = {"word__styles": STYLES, "word__numbering": NUMBERING, "word__document.rels": RELATED}
    return doc.docx(*body, **parts)


def _field_code() -> str:
    kinds = ["begin", "separate", "end"]
    begin, separate, end = (f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in kinds)
    return paragraph(begin, "<w:r><w:instrText>IF 1 </w:instrText></w:r>", run(SECRET), separate, end)


def _drawing(about: str, text: str, *, run_properties: str = "") -> str:
    """A text box with these elements of its drawing."""
    shape = f"<wps:wsp><wps:txbx><w:txbxContent>{paragraph(run(text))}</w:txbxContent></wps:txbx></wps:wsp>"
    drawing = f"<w:drawing><wp:anchor>{about}<a:graphic>{shape}</a:graphic></wp:anchor></w:drawing>"
    return paragraph(f"<w:r><w:rPr>{run_properties}</w:rPr>{drawing}</w:r>")


def _vml(style: str, text: str) -> str:
    """A text box as older programs write it."""
    box = f"<v:textbox><w:txbxContent>{paragraph(run(text))}</w:txbxContent></v:textbox>"
    return paragraph(f'<w:r><w:pict><v:rect style="position:absolute;{style}">{box}</v:rect></w:pict></w:r>')


def _placed(emu: int) -> str:
    return f'<wp:positionH relativeFrom="page"><wp:posOffset>{emu}</wp:posOffset></wp:positionH>'


def _row(height: str, text: str) -> str:
    return f"<w:tbl><w:tr><w:trPr>{height}</w:trPr><w:tc>{paragraph(run(text))}</w:tc></w:tr></w:tbl>"


HIDING: Mapping[str, str] = {
    "hidden formatting": paragraph(styled("<w:vanish/>", SECRET)),
    "hidden formatting by a character style": paragraph(styled('<w:rStyle w:val="Child"/>', SECRET)),
    "hidden formatting by a paragraph style": paragraph('<w:pPr><w:pStyle w:val="Unseen"/></w:pPr>', run(SECRET)),
    "hidden formatting of a row": (
        f"<w:tbl><w:tr><w:trPr><w:hidden/></w:trPr><w:tc>{paragraph(run(SECRET))}</w:tc></w:tr></w:tbl>"
    ),
    "in the colour of the page": paragraph(styled('<w:color w:val="FFFFFF"/>', SECRET)),
    "in the colour of the page by a style": paragraph('<w:pPr><w:pStyle w:val="Pale"/></w:pPr>', run(SECRET)),
    "in the colour of the page by its theme": paragraph(styled('<w:color w:themeColor="background1"/>', SECRET)),
    "in the colour of the page, black on black": paragraph(
        styled('<w:color w:val="000000"/><w:shd w:val="clear" w:fill="000000"/>', SECRET)
    ),
    "in the colour of the page by its theme, whatever it says beside it": paragraph(
        styled('<w:color w:val="000000" w:themeColor="background1"/>', SECRET)
    ),
    "hidden formatting of a drawing": _drawing('<wp:docPr id="1" name="Box" hidden="1"/>', SECRET),
    "hidden formatting of the run with a drawing": _drawing("", SECRET, run_properties="<w:vanish/>"),
    "hidden formatting of a shape": _vml("visibility:hidden;width:90pt", SECRET),
    "off the page, a drawing": _drawing(_placed(-99_000_000), SECRET),
    "off the page, a shape": _vml("margin-left:-200cm;width:90pt", SECRET),
    "off the page, raised": paragraph(styled('<w:position w:val="3000"/>', SECRET)),
    "letters on top of each other": paragraph(styled('<w:spacing w:val="-400"/>', SECRET)),
    "tiny letters of a low row": _row('<w:trHeight w:val="10" w:hRule="exact"/>', SECRET),
    "tiny letters in a drawing without room": _drawing('<wp:extent cx="9000000" cy="1"/>', SECRET),
    "tiny letters in a shape without room": _vml("width:90pt;height:.5pt", SECRET),
    "tiny letters that are to fit": paragraph(styled('<w:fitText w:val="1"/>', SECRET)),
    "tiny letters": paragraph(styled('<w:sz w:val="2"/>', SECRET)),
    "tiny letters by their lines": paragraph('<w:pPr><w:spacing w:line="20" w:lineRule="exact"/></w:pPr>', run(SECRET)),
    "transparent text": paragraph(styled("<w14:textFill><w14:noFill/></w14:textFill>", SECRET)),
    "off the page": paragraph('<w:pPr><w:ind w:left="30000"/></w:pPr>', run(SECRET)),
    "a field's code": _field_code(),
}
"""How to hide a text beside an essay; each begins with the reason that its finding gives."""

WHITE = paragraph(styled('<w:color w:val="FFFFFF"/>', "shown"))
VISIBLE: Mapping[str, str] = {
    "white on a dark cell": "<w:tbl><w:tr><w:tc><w:tcPr><w:shd w:val='clear' w:fill='203040'/></w:tcPr>"
    f"{WHITE}</w:tc></w:tr></w:tbl>",
    "white on a dark table": "<w:tbl><w:tblPr><w:tblStyle w:val='Dark'/></w:tblPr><w:tr><w:tc>"
    f"{WHITE}</w:tc></w:tr></w:tbl>",
    "white on a dark paragraph": paragraph(
        "<w:pPr><w:shd w:val='clear' w:fill='000000'/></w:pPr>", styled('<w:color w:val="FFFFFF"/>', "shown")
    ),
    "white on a highlight": paragraph(styled('<w:color w:val="FFFFFF"/><w:highlight w:val="black"/>', "shown")),
    "grey of the theme": paragraph(
        styled('<w:color w:val="808080" w:themeColor="background1" w:themeShade="80"/>', "shown")
    ),
    "close together and raised": paragraph(styled('<w:spacing w:val="-20"/><w:position w:val="12"/>', "shown")),
    "in a drawing": _drawing(f'{_placed(900_000)}<wp:extent cx="900000" cy="300000"/><wp:docPr id="1"/>', "shown"),
    "in a shape": _vml("margin-left:2.5cm;width:90pt;height:20pt;visibility:visible", "shown"),
    "in a row of its height": _row('<w:trHeight w:val="300" w:hRule="exact"/>', "shown"),
    "hidden by the paragraph, shown by the run": paragraph(
        '<w:pPr><w:pStyle w:val="Unseen"/></w:pPr>', styled('<w:vanish w:val="0"/>', "shown")
    ),
}
"""Text that looks hidden to a careless reader, and is seen."""


def deleted_note() -> bytes:
    mark = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    notes = "".join(
        f'<w:footnote w:id="{number}">{paragraph(run(text))}</w:footnote>'
        for number, text in ((1, SECRET), (2, "A note."))
    )
    return doc.docx(
        paragraph(run(ESSAY[0]), mark),
        **{
            "word__document.rels": doc.relations(("footnotes", "footnotes.xml")),
            "word__footnotes": doc.part("footnotes", notes),
        },
    )


def with_file_inside(name: str, content: str | bytes) -> bytes:
    parts: dict[str, str | bytes] = {
        "_rels/.rels": doc.relations(("officeDocument", "word/document.xml")),
        "word/document.xml": doc.part("document", f'<w:body>{BODY}<w:altChunk r:id="r0"/></w:body>'),
        "word/_rels/document.xml.rels": doc.relations(("aFChunk", name)),
        f"word/{name}": content,
    }
    return doc.archive(parts)


def other_case() -> bytes:
    """As some programs write part names: with backslashes, and with another case than their relations."""
    return doc.archive(
        {
            "_rels\\.rels": doc.relations(("officeDocument", "Word\\Document.xml")),
            "word\\document.xml": doc.part("document", f"<w:body>{BODY}</w:body>"),
        }
    )


def linked() -> bytes:
    return doc.docx(BODY, **{"word__document.rels": doc.relations(external=[("oleObject", "file:///C:/a.xlsx")])})


WEB_PAGE = "<html><head><title>no</title></head><body><p>A web &amp; page.</p><script>no</script></body></html>"
MESSAGE = f"MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n{WEB_PAGE}\n"

ODD: Mapping[str, Callable[[], bytes]] = {
    "plain": lambda: doc.docx(BODY),
    "numbers": lambda: with_styles(
        *(numbered("Cars are loud."), numbered("Very loud.", level=1), numbered("And red.", level=1)),
        *(
            numbered("Buses are slow."),
            numbered("So slow.", level=1),
            numbered("Deep.", level=2),
            numbered("Again.", number=2),
        ),
        paragraph('<w:pPr><w:pStyle w:val="Numbered"/></w:pPr>', run("By its style.")),
        paragraph('<w:pPr><w:pStyle w:val="Numbered"/><w:numPr><w:numId w:val="0"/></w:numPr></w:pPr>', run("None.")),
        numbered("A point.", number=3),
    ),
    "symbols": lambda: doc.docx(
        paragraph(
            run("He said "),
            '<w:r><w:sym w:font="Symbol" w:char="F0B2"/></w:r>',
            run("yes"),
            '<w:r><w:sym w:font="Wingdings" w:char="F04A"/></w:r>',
            '<w:r><w:sym w:font="Webdings" w:char="F021"/></w:r>',
            styled('<w:rFonts w:ascii="Symbol" w:hAnsi="Symbol"/>', "a"),
        )
    ),
    "drop cap": lambda: doc.docx(
        paragraph('<w:pPr><w:framePr w:dropCap="drop" w:lines="3"/></w:pPr>', run("O")),
        paragraph(run("nce upon a time.")),
    ),
    "deleted note": deleted_note,
    "other case": other_case,
    "linked object": linked,
    "web page inside": lambda: with_file_inside("a.html", WEB_PAGE),
    "archived page inside": lambda: with_file_inside("a.mht", MESSAGE),
    "document inside": lambda: with_file_inside("a.docx", doc.docx(paragraph(run("A web & page.")))),
    "text inside": lambda: with_file_inside("a.txt", "A web & page."),
    "rich text inside": lambda: with_file_inside("a.rtf", "{\\rtf1 A web page.}"),
    **{f"hidden, {kind}": (lambda body=body: with_styles(BODY, body)) for kind, body in HIDING.items()},
    **{f"visible, {kind}": (lambda body=body: with_styles(body)) for kind, body in VISIBLE.items()},
}
"""One file of each kind, by name."""

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind, make in ODD.items():
        (folder / f"{kind.replace(' ', '_')}.docx").write_bytes(make())
