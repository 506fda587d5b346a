"""A run's record without names, texts and reasons: what another researcher needs to compute it again.

Nothing is copied unless it is listed here. Each value of the copy is a number, a time, a word of a fixed list, a text
that the judge was given as its instructions, a hash, or a name that the copy itself gives:

So a field that a later version adds stays private until somebody lists it.

>>> from eng5_runner.core.inputs import SourceFile, Student
>>> from eng5_runner.core.public.pseudonyms import is_short
>>> file = SourceFile.of(b"I do not know.", source_path="anna.txt", encoding="utf-8", file_format="txt")
>>> is_short(Student(essay_id="anna", file=file, text_sha256=file.sha256, word_count=4))
True
"""
