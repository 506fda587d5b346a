"""From an assets folder to the inputs of a run.

    assets folder -> find_locations -> scan -> ScannedAssets -> assemble -> Inputs
                     which file is      read      texts and       decide    or findings
                     what               files     hashes

`read_assets` does all of it, once, and reports everything that is wrong together:

    assets = read_assets(Path("examples/eng5_demo"), grade_scale="eng5_np_legacy_9_step")
    assets.inputs                    # None if a finding is an error
    assets.findings                  # (Finding(severity="warning", kind="short_anchor", file=…, …), …)
    assets.texts["5f70bf18…"]        # b"…", an essay's text by its SHA-256

Only `read`, `locations`, `safe_files`, `extraction` and `boundary_pairs.read_pairs` touch files; the decisions
(`assemble`, `anchor_grades`, `essay_ids`, `findings`) work on values. Documents of unknown origin are parsed in
worker processes with limits of time and memory. `findings` holds the words of everything that can be wrong.
"""
