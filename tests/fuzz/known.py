"""Faults that are known and not mended yet: the list is to become empty."""

import re
from typing import NamedTuple


class Known(NamedTuple):
    """Failures whose signature matches `pattern`, and why they are let pass for now."""

    pattern: str
    reason: str


KNOWN: tuple[Known, ...] = (
    # --- what `check` accepts although PyTorch does not, or does not survive ----------------------
    Known(r"^crash in check: Fault: channels-last", "a window over channels that are last"),
    Known(r"^crash in check: ValueError: zip", "a map and a vector, multiplied or added"),
    Known(r"max_val .* must be greater|min_val cannot be", "hardtanh with bounds of no range"),
    Known(r"^cannot be built: ValueError: Fan in", "kaiming and xavier schemes for a bias"),
    Known(r"^cannot be built: RuntimeError: uniform_", "a uniform scheme from above to below"),
    Known(r"batch_norm eps must be positive", "an eps of 0, which is refused in training only"),
    Known(r"more than # spatial element", "instance_norm on maps of one pixel"),
    Known(r"a window of a pooling sees nothing", "dilated poolings whose windows miss the input"),
    Known(r"appears multiple times in the list of dims", "a mean over one dimension, named twice"),
    Known(r"^field differs: (add|mul): a unit sees", "a map of one place, stretched over another"),
    # --- the generator ----------------------------------------------------------------------------
    Known(
        r"pad should be at most half", "a padding that some places of a pooling get a helper for"
    ),
    Known(r"^crash in gen: Mismatch: .* is not computed", "padding at one end inside a block"),
    Known(r"positional argument follows keyword", "a linear layer of a bias that is an expression"),
    Known(r"^macs differ: more are run", "a module that two steps read, called for each"),
)


def is_known(signature: str) -> bool:
    """Whether a fault is on the list."""
    return any(re.search(known.pattern, signature) for known in KNOWN)
