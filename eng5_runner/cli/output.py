"""Lines for people, and JSON lines. Rich, which takes long to load, is needed only where colours can be seen.

say("written: export/essays.csv")               on standard error
write_json({"event": "Exported", "runs": 2})    on standard output
"""

from __future__ import annotations

import os

from eng5_runner.core.harmless import harmless, json_line
from eng5_runner.effects.standard_streams import StandardError, write_line


def say(text: str, *, style: str = "") -> None:
    """A line for people, exactly as it is but for commands, which are shown as this program was called.

    Args:
        text: the line.
        style: of Rich, such as `bold`, for a terminal.
    """
    stream = StandardError()
    # These variables tell Rich to write colours into a pipe.
    if stream.isatty() or os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE"):
        from eng5_runner.cli.console import people

        people().print(text, style=style or None, markup=False, emoji=False)
        return
    from eng5_runner.cli.called import Called

    stream.write(f"{harmless(Called.now().text(text))}\n")


def write_json(value: object) -> None:
    """One JSON line on standard output.

    Raises:
        DiskError: what is behind standard output, such as a full disk, takes nothing any more.
    """
    write_line(json_line(value))
