"""The process that parses documents of unknown origin: `python -m …extraction_worker`.

It reads requests from standard input, a JSON line and then the file's bytes, and answers each with one JSON line. It
handles many files; if one kills it, the runner starts another.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import orjson

from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.docx.document import docx_text
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.text import normalised
from eng5_runner.inventory.xlsx import xlsx_sheets
from eng5_runner.systems import limit_cpu_time, limit_memory

_MEMORY_BYTES = 1536 * 1024 * 1024


def main() -> None:
    """Answer requests until standard input ends, which it also does when the runner is killed."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints must not become part of an answer
    limit_memory(_MEMORY_BYTES)
    for line in sys.stdin.buffer:
        request = orjson.loads(line)
        # CPU time and not the clock: on a busy machine a harmless file waits for a long time.
        limit_cpu_time(request["seconds"])
        answers.write(orjson.dumps(_answer(request["format"], _exactly(sys.stdin.buffer, request["size"]))))
        answers.write(b"\n")
        answers.flush()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        sys.exit("the runner went away")
    return data


def _answer(file_format: str, data: bytes) -> dict[str, object]:
    # The reader of PDF takes half a second to load, and most essays are none.
    try:
        match file_format:
            case "docx":
                return _document(docx_text(data))
            case "pdf":
                from eng5_runner.inventory.pdf.document import pdf_text  # noqa: PLC0415 - see above  # law: inner_import - see above

                return _document(pdf_text(data))
            case _:
                return {"sheets": [list(sheet) for sheet in xlsx_sheets(data)]}
    except Unreadable as refusal:
        return {"refused": {"kind": refusal.kind, **refusal.facts}}
    except MemoryError:
        return {
            "refused": {"kind": "extraction_stopped", "how": f"needs more than {_MEMORY_BYTES / 2**30:g} GiB of memory"}
        }


def _document(document: DocumentText) -> dict[str, object]:
    made = normalised(document)
    return {"text": made.text, "remarks": made.remarks}


if __name__ == "__main__":
    main()
