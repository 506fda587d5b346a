"""The text of a .pdf as its reader sees it. Everything in here runs in a worker process, which limits time and memory.

    bytes -> page -> glyphs with places -> layout -> lines in reading order -> paragraphs -> text
             PDFium                        pure                                pure

`page` asks PDFium what stands where, and what a reader sees of it; `layout` finds lines and columns; `paragraphs` joins
the lines of a paragraph and the words that a line end cut in two. `document` puts them together and names what is
left out: hidden text, and pages that are pictures.
"""
