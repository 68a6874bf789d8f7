"""AS3xx: sizes that do not fit."""

from archspec.diagnostics.base import Diagnostic


class WindowTooLarge(Diagnostic):
    """A kernel is larger than the padded map it slides over: there is no output."""

    code = "AS301"
    name = "window-too-large"
    template = (
        "a {kernel} window does not fit into {height}×{width}{padded}: {axis} would be {arithmetic}"
    )
    advice = (
        "use a kernel of at most {largest}, add {missing} of padding, or drop a stride before it"
    )


class NotAMap(Diagnostic):
    """An op that works on maps (C, H, W) got a flat vector."""

    code = "AS302"
    name = "needs-a-map"
    template = "{op} works on a map (channels, height, width), but a vector of {shape} arrives"
    advice = "move it before `flatten`"


class NotFlat(Diagnostic):
    """A linear layer got a map instead of a flat vector."""

    code = "AS303"
    name = "needs-a-vector"
    template = "linear works on a flat vector, but a map of {shape} arrives"
    advice = "put `- {{op: flatten}}` before it: it gives {flat} features"


class GroupsMismatch(Diagnostic):
    """The channels that arrive, or that leave, cannot be divided among the groups."""

    code = "AS304"
    name = "groups-mismatch"
    template = "{channels} {which} channels cannot be divided into {groups} groups"
    advice = "take a number of groups that divides both channel counts: {divisors}"


class PoolingPadding(Diagnostic):
    """A pooling window would lie wholly in the padding: there would be nothing to pool."""

    code = "AS305"
    name = "pooling-padding"
    template = (
        "padding {padding} {side} a window of {kernel}: a window could see nothing but padding"
    )
    advice = "use a padding smaller than the window ({kernel})"


class InputNotRead(Diagnostic):
    """The last window ends before the (padded) input does, so the floor drops what is left.

    `(224 − 11 + 4)/4 + 1 = 55.25` is 55: one column, here one of padding, is never read. That
    is often intended, and sometimes the reason why a size is not the one in a paper.
    """

    code = "AS306"
    name = "input-not-read"
    severity = "note"
    template = "{lost}: {arithmetic}"


class AxisMissing(Diagnostic):
    """An op is asked to work along an axis that its input does not have."""

    code = "AS307"
    name = "axis-missing"
    template = "{op} works along dimension {dim}, but {shape} has dimensions from {first} to {last}"
    advice = "dimension 0 is the batch, 1 the channels, 2 and 3 height and width"


class TooBig(Diagnostic):
    """A size passes every bound that a tensor could have."""

    code = "AS308"
    name = "size-too-big"
    template = "{what} would have {count} elements, more than any machine can hold"
    advice = "check the widths above this row"
