"""What goes along with a public copy of a run: a README, the prompts, the methods, and the RO-Crate that ties them up.

files = companion_files(artefact)
files["ro-crate-metadata.json"] = crate(artefact, entries)
"""
