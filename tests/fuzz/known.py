"""Faults that are known and not mended yet: the list is to become empty."""

import re
from typing import NamedTuple


class Known(NamedTuple):
    """Failures whose signature matches `pattern`, and why they are let pass for now."""

    pattern: str
    reason: str


KNOWN: tuple[Known, ...] = (
    # --- what `check` accepts although it cannot be run, or does not survive ----------------------
    Known(r"^crash in check: Fault: channels-last", "a window over channels that are last"),
    Known(r"^crash in check: ValueError: zip", "a map and a vector, multiplied or added"),
    Known(r"^cannot be built: AssertionError: max_val", "hardtanh with bounds that are no range"),
    Known(r"^cannot be built: ValueError: Fan in", "kaiming and xavier schemes for a bias"),
    Known(r"batch_norm eps must be positive", "an eps of 0, which is refused in training only"),
    Known(r"more than # spatial element", "instance_norm on maps of one pixel"),
    Known(r"a window of a pooling sees nothing", "dilated poolings whose windows miss the input"),
    Known(r"appears multiple times in the list of dims", "a mean over one dimension, named twice"),
    Known(r"^field differs: ", "batch_norm without running statistics sees the whole map"),
    # --- the generator, which is being written anew -----------------------------------------------
    Known(r"^refused: ", "what has no plain form in today's generator (AS501)"),
    Known(r"^crash in gen: ", "ops as values, merges as values, defaults that nothing uses"),
    Known(r"^does not parse: ", "`each` over rows without columns"),
    Known(r"^cannot be built: NameError", "`when: in_channels …` in the network's body"),
    Known(r"^cannot be built: RuntimeError: Only Tensors", "whole numbers as parameters"),
    Known(r"^cannot be built: TypeError", "lists as sizes, ops as values, bare parameters"),
    Known(r"^cannot be built: AttributeError", "`init` in a block that `when` leaves out"),
    Known(r"^cannot be built: ValueError: out_channels", "an expression without its parentheses"),
    Known(r"^cannot be run: ", "variables that are not bound, `chunks: 1`, padding of one axis"),
    Known(r"^cannot be differentiated: ", "sums in place over what backward needs"),
    Known(r"^state differs: ", "`from` in groups, empty steps with names"),
    Known(r"^init differs: ", "`init` of blocks whose uses differ"),
    Known(r"^output differs: ", "`from` in groups and of dropped steps, outputs by number"),
    Known(r"^gradient differs: ", "sums in place; `from` of dropped steps"),
    Known(r"^statistics differ: ", "a momentum that is lost with the op's attributes"),
    Known(r"^macs differ: ", "steps that nothing reads are run, and not counted"),
)


def is_known(signature: str) -> bool:
    """Whether a fault is on the list."""
    return any(re.search(known.pattern, signature) for known in KNOWN)
