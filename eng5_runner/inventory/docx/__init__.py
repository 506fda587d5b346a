"""The text of a .docx as its reader sees it.

    bytes -> package -> styles, numbering -> reader -> text
             parts and relations             one pass over each part

`document.docx_text` does all of it. Nothing is loaded from outside the file, and no part is unpacked without limits.
"""
