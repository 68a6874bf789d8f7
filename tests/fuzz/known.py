"""Faults that are known and not mended yet: the list is to become empty."""

import re
from typing import NamedTuple


class Known(NamedTuple):
    """Failures whose signature matches `pattern`, and why they are let pass for now."""

    pattern: str
    reason: str


KNOWN: tuple[Known, ...] = (
    Known(r"^crash in gen: Mismatch", "padding of its own in front of a pooling, inside a body"),
)


def is_known(signature: str) -> bool:
    """Whether a fault is on the list."""
    return any(re.search(known.pattern, signature) for known in KNOWN)
