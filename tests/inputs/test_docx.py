"""A .docx gives the text that its reader sees, and nothing else happens."""

from __future__ import annotations

import os
import resource
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eng5_runner.inventory.docx.document import docx_text
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.text import normal
from tests.inputs import documents as doc
from tests.inputs.documents import paragraph, run
from tests.inputs.folders import Folder

TEXT_BOX = f"<w:txbxContent>{paragraph(run('boxed'))}</w:txbxContent>"


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{each}</w:tr>' for each in cells)}</w:tbl>"


CONSTRUCTS = {
    "runs are joined": (paragraph(run("sp"), run("lit w"), run("ord")), "split word"),
    "paragraphs by newline": (paragraph(run("one")) + paragraph() + paragraph(run("two")), "one\n\ntwo"),
    "tabs and breaks": (
        paragraph(
            '<w:pPr><w:tabs><w:tab w:val="left" w:pos="720"/></w:tabs></w:pPr>',
            "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:cr/><w:t>d</w:t><w:noBreakHyphen/>"
            "<w:t>e</w:t></w:r>",
        ),
        "a\tb\nc\nd-e",
    ),
    "tracked insertion": (paragraph(run("a "), f"<w:ins>{run('new')}</w:ins>", run(" b")), "a new b"),
    "tracked deletion": (
        paragraph(run("a"), "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>", run("b")),
        "ab",
    ),
    "tracked move": (
        paragraph(f"<w:moveFrom>{run('moved')}</w:moveFrom>", run("left "))
        + paragraph(f"<w:moveTo>{run('moved')}</w:moveTo>"),
        "left \nmoved",
    ),
    "deleted end of a paragraph": (
        paragraph("<w:pPr><w:rPr><w:del/></w:rPr></w:pPr>", run("exam")) + paragraph(run("ple")),
        "example",
    ),
    "content control": (
        f"<w:sdt><w:sdtPr/><w:sdtContent>{paragraph(run('controlled'))}</w:sdtContent></w:sdt>",
        "controlled",
    ),
    "content control in a line": (
        paragraph(run("a "), f"<w:sdt><w:sdtContent>{run('choice')}</w:sdtContent></w:sdt>"),
        "a choice",
    ),
    "link": (paragraph(f'<w:hyperlink r:id="r9">{run("a link")}</w:hyperlink>'), "a link"),
    "field": (
        paragraph("<w:r><w:instrText>PAGE</w:instrText></w:r>", f"<w:fldSimple>{run('7')}</w:fldSimple>", run(".")),
        "7.",
    ),
    "table": (
        table(
            (paragraph(run("a")), paragraph(run("b")) + paragraph(run("c"))),
            (paragraph(), paragraph(run("d"))),
        )
        + paragraph(run("after")),
        "a\tb\nc\n\td\nafter",
    ),
    "table within a table": (
        table((table((paragraph(run("in")),)) + paragraph(), paragraph(run("out")))),
        "in\n\tout",
    ),
    "text box once, after its paragraph": (
        paragraph(
            run("be"),
            "<w:r><mc:AlternateContent>"
            f'<mc:Choice Requires="wps"><wps:txbx>{TEXT_BOX}</wps:txbx></mc:Choice>'
            f"<mc:Fallback><w:pict><v:textbox>{TEXT_BOX}</v:textbox></w:pict></mc:Fallback>"
            "</mc:AlternateContent></w:r>",
            run("fore"),
        ),
        "before\nboxed",
    ),
    "text box of an old document": (
        paragraph(run("a"), f"<w:r><w:pict><v:textbox>{TEXT_BOX}</v:textbox></w:pict></w:r>"),
        "a\nboxed",
    ),
    "fallback without a choice": (
        paragraph(f"<mc:AlternateContent><mc:Fallback>{run('plain')}</mc:Fallback></mc:AlternateContent>"),
        "plain",
    ),
    "hidden text": (
        paragraph(
            "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>",
            '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>shown</w:t></w:r>',
        ),
        "shown",
    ),
    "formula": (paragraph("<m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath>"), "x=1"),
    "entities of XML": (paragraph(run("a < b & c > d")), "a < b & c > d"),
    "comments are not text": (paragraph('<w:commentRangeStart w:id="0"/>', run("essay")), "essay"),
}


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_construct(name: str) -> None:
    """Each construct of a document gives exactly this text."""
    body, expected = CONSTRUCTS[name]
    assert normal(docx_text(doc.docx(body)).text) == expected


def test_all_constructs_in_one_document(folder: Folder) -> None:
    """One after another they do not disturb each other; the notes follow the body."""
    notes = (
        '<w:footnote w:type="separator"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>'
        f"<w:footnote w:id='2'>{paragraph('<w:r><w:footnoteRef/></w:r>', run(' A note.'))}</w:footnote>"
    )
    data = doc.docx(
        *(body if body.endswith("</w:p>") else body + paragraph() for body, _ in CONSTRUCTS.values()),
        paragraph('<w:r><w:footnoteReference w:id="2"/><w:endnoteReference w:id="2"/></w:r>'),
        **{
            "word__document.rels": doc.relations(
                ("footnotes", "footnotes.xml"),
                ("endnotes", "/word/endnotes.xml"),
                ("header", "header1.xml"),
                external=[("hyperlink", "http://127.0.0.1:9/")],
            ),
            "word__footnotes": doc.part("footnotes", notes),
            "word__endnotes": doc.part("endnotes", f"<w:endnote w:id='2'>{paragraph(run('The end.'))}</w:endnote>"),
            "word__header1": doc.part("hdr", paragraph(run("Anna Andersson"))),
        },
    )
    folder.put("student_essays/all.docx", data)
    expected = [text if body.endswith("</w:p>") else text + "\n" for body, text in CONSTRUCTS.values()]
    assert folder.text_of_student("all.docx") == "\n".join([*expected, "A note.", "The end."])


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=40), st.data())
def test_splitting_a_word_into_runs_changes_nothing(word: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(word)), max_size=5)))
    pieces = [word[start:end] for start, end in zip([0, *cuts], [*cuts, len(word)], strict=True)]
    assert docx_text(doc.docx(paragraph(*map(run, pieces)))).text == word


def test_the_main_part_can_have_any_name_and_the_strict_namespace() -> None:
    document = doc.part("document", f"<w:body>{paragraph(run('strict'))}</w:body>").replace(
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "http://purl.oclc.org/ooxml/wordprocessingml/main",
    )
    parts = {"_rels/.rels": doc.relations(("officeDocument", "/a/b.xml")), "a/b.xml": document}
    assert docx_text(doc.archive(parts)).text == "strict"


def kind_of(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        docx_text(data)
    assert caught.value.finding("x").remedy
    return caught.value.kind


def test_a_bomb_is_refused_without_being_unpacked(folder: Folder) -> None:
    """50 MB in 175 kB: one file refused, the memory of the process hardly grows."""
    bomb = doc.docx("<w:p/>" * 8_000_000)
    assert len(bomb) < 200_000
    folder.put("student_essays/bomb.docx", bomb)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert folder.kinds() == ["too_large"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_bomb_that_stays_below_the_ratio_is_cut_at_the_size() -> None:
    noise = os.urandom(200_000).hex()
    assert kind_of(doc.docx(f"<!--{noise}-->", "<w:p/>" * 3_000_000)) == "too_large"


@pytest.mark.parametrize(
    ("paragraphs", "refused"), [(240_000, True), (160_000, False)], ids=["1.4 MB of nothing", "0.9 MB of nothing"]
)
def test_above_a_mebibyte_a_part_that_is_blown_up_is_a_bomb_however_small(paragraphs: int, refused: bool) -> None:
    data = doc.docx("<w:p/>" * paragraphs)
    if refused:
        assert kind_of(data) == "too_large"
    else:
        assert docx_text(data).text == ""


def test_more_parts_than_a_document_has() -> None:
    assert kind_of(doc.archive({f"part{number}": "" for number in range(2_001)})) == "too_large"


def test_a_size_that_lies_is_no_way_in() -> None:
    """The directory says 10 bytes, the part has more: only what was really decompressed counts."""
    data = bytearray(doc.docx(paragraph(run("x" * 1000))))
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"word/document.xml"))
    data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    assert kind_of(bytes(data)) == "damaged_document"


def test_unusual_compression_is_refused() -> None:
    parts = {"_rels/.rels": doc.relations(("officeDocument", "d.xml")), "d.xml": doc.part("document", "")}
    assert kind_of(doc.archive(parts, method=zipfile.ZIP_LZMA)) == "damaged_document"


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    ],
)
@pytest.mark.parametrize("where", ["word__document", "word__footnotes"])
def test_entities_and_doctypes_are_refused_in_every_part(prologue: str, where: str) -> None:
    parts = {
        "word__document.rels": doc.relations(("footnotes", "footnotes.xml")),
        "word__footnotes": doc.part("footnotes", paragraph(run("n"))),
    }
    root = where.removeprefix("word__")
    parts[where] = doc.part(root, paragraph("<w:r><w:t>&e;</w:t></w:r>"), prologue=prologue)
    assert kind_of(doc.docx(**parts)) == "forbidden_xml"


@pytest.mark.parametrize("kind", ["footnotes", "subDocument", "aFChunk", "frame"])
def test_parts_from_outside_are_refused(kind: str) -> None:
    rels = doc.relations(external=[(kind, "http://127.0.0.1:9/evil")])
    assert kind_of(doc.docx(paragraph(run("x")), **{"word__document.rels": rels})) == "external_content"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 and so on",
        doc.archive({"word/document.xml": "<x/>"}),
        doc.archive({"_rels/.rels": doc.relations(("officeDocument", "nowhere.xml"))}),
        doc.archive({"_rels/.rels": "<not closed"}),
        doc.docx(word__document="<workbook/>"),
        doc.docx(word__document=doc.part("document", "<w:body>&nbsp;</w:body>")),
        doc.docx(paragraph(run("cut in two")))[:-40],
        doc.xlsx(["no", "essay"]),
    ],
    ids=range(9),
)
def test_damaged_documents_are_refused(data: bytes) -> None:
    assert kind_of(data) == "damaged_document"


def test_a_document_with_a_password_is_named_as_such() -> None:
    assert kind_of(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512) == "encrypted_document"


@settings(deadline=None)
@given(st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    """Any byte of a document changed: it is read, or refused."""
    raw = bytearray(doc.docx(paragraph(run("Hello"), "<w:ins/>")))
    for position in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=8)):
        raw[position] = data.draw(st.integers(0, 255))
    try:
        docx_text(bytes(raw))
    except Unreadable as refusal:
        assert refusal.finding("x").remedy  # noqa: PT017 - to be read is right as well
