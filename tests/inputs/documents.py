"""Documents made by hand, so that a test says exactly what is in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

from openpyxl import Workbook

from tests.inputs import odd_pdfs

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    f'xmlns:r="{OFFICE}" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:v="urn:schemas-microsoft-com:vml"'
)


def run(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<w:r><w:t xml:space="preserve">{escaped}</w:t></w:r>'


def paragraph(*contents: str) -> str:
    return f"<w:p>{''.join(contents)}</w:p>"


def relations(*targets: tuple[str, str], external: Sequence[tuple[str, str]] = ()) -> str:
    lines = [
        f'<Relationship Id="r{number}" Type="{OFFICE}/{kind}" Target="{target}"{mode}/>'
        for number, (kind, target, mode) in enumerate(
            [(*each, "") for each in targets] + [(*each, ' TargetMode="External"') for each in external]
        )
    ]
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f"{''.join(lines)}</Relationships>"
    )


def part(root: str, contents: str, prologue: str = "") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{prologue}<w:{root} {NAMESPACES}>{contents}</w:{root}>'


def archive(parts: Mapping[str, str | bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return buffer.getvalue()


def docx(*body: str, **parts: str) -> bytes:
    """A docx with these paragraphs; `parts` adds or replaces parts by name, `__` standing for `/`."""
    contents = {
        "_rels/.rels": relations(("officeDocument", "word/document.xml")),
        "word/document.xml": part("document", f"<w:body>{''.join(body)}</w:body>"),
    }
    contents |= {name.replace("__", "/") + ".xml": content for name, content in parts.items()}
    if "word/document.rels.xml" in contents:
        contents["word/_rels/document.xml.rels"] = contents.pop("word/document.rels.xml")
    return archive(contents)


def pdf(*pages: str) -> bytes:
    """A PDF with a paragraph of text on each page."""
    return odd_pdfs.pdf(*(odd_pdfs.Page(content=odd_pdfs.typeset([page])) for page in pages))


def pdf_of(streams: Sequence[bytes]) -> bytes:
    numbers = [4 + 2 * index for index in range(len(streams))]
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % number for number in numbers), len(streams)),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for number, stream in zip(numbers, streams, strict=True):
        objects[number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (number + 1)
        )
        objects[number + 1] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in sorted(objects.items()):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def xlsx(*rows: Sequence[object]) -> bytes:
    workbook = Workbook()
    for row in rows:
        workbook.worksheets[0].append(row)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def odd_xlsx(
    *sheets: tuple[str, str, Sequence[Sequence[str]]],
    strict: bool = False,
    folder: str = "xl",
    shared: Sequence[str] = (),
    **parts: str,
) -> bytes:
    """A spreadsheet as other programs write it: name, state and rows of cells in XML of each sheet.

    Cells say no place, and there are no styles; `parts` adds parts by name, `__` standing for `/`.
    """
    office = "http://purl.oclc.org/ooxml" if strict else "http://schemas.openxmlformats.org"
    main = f"{office}/spreadsheetml/main" if strict else f"{office}/spreadsheetml/2006/main"
    relations_of = f"{office}/officeDocument/relationships" if strict else OFFICE
    targets = [("worksheet", f"worksheets\\sheet{n}.xml") for n in range(len(sheets))]
    targets += [("sharedStrings", "Strings.xml")] if shared else []
    listed = "".join(f'<sheet name="{name}" state="{state}" r:id="r{n}"/>' for n, (name, state, _) in enumerate(sheets))
    workbook = f'<workbook xmlns="{main}" xmlns:r="{relations_of}"><sheets>{listed}</sheets></workbook>'
    contents = {
        "_rels/.rels": relations(("officeDocument", f"{folder}/workbook.xml")).replace(OFFICE, relations_of),
        f"{folder}/workbook.xml": workbook,
        f"{folder}/_rels/workbook.xml.rels": relations(*targets).replace(OFFICE, relations_of),
        f"{folder}/strings.xml": f'<sst xmlns="{main}">{"".join(f"<si>{text}</si>" for text in shared)}</sst>',
    }
    for n, (_, _, rows) in enumerate(sheets):
        cells = "".join(f"<row>{''.join(row)}</row>" for row in rows)
        contents[f"{folder}/worksheets/sheet{n}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
        )
    return archive(contents | {name.replace("__", "/"): content for name, content in parts.items()})


def cell(text: str) -> str:
    return f'<c t="inlineStr"><is><r><t>{text[:1]}</t></r><r><t>{text[1:]}</t></r></is></c>'


def cells(*rows: Sequence[str]) -> list[list[str]]:
    return [[cell(text) for text in row] for row in rows]


def slow_pdf() -> bytes:
    """A PDF that keeps its reader busy for seconds."""
    return pdf_of([b"BT /F1 12 Tf " + b"1 0 0 1 5 5 Tm (a) Tj " * 300_000 + b"ET"] * 4)
