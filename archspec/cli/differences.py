"""What differs between a file and what would be written: lines of a text, sizes of all else."""

from collections.abc import Iterator
from difflib import unified_diff
from itertools import islice

DIFF_LINES = 20
"""So many lines of a difference are shown; the rest is counted."""


def differences(name: str, found: bytes, wanted: bytes) -> Iterator[str]:
    """A unified difference of two texts; of what is no text, or has the same lines, the sizes."""
    old, new = _lines(found), _lines(wanted)
    lines: Iterator[str] = iter(())
    if old is not None and new is not None:
        names = (f"{name} (found)", f"{name} (generated)")
        lines = unified_diff(old, new, *names, lineterm="", n=1)
    shown = list(islice(lines, DIFF_LINES))
    yield from shown or [f"differs ({len(found)} bytes, {len(wanted)} bytes)"]
    if rest := sum(1 for _ in lines):
        yield f"… {rest} more lines"


def _lines(content: bytes) -> list[str] | None:
    """The lines of a text; None for what is none."""
    try:
        return None if b"\0" in content else content.decode().splitlines()
    except UnicodeDecodeError:
        return None
