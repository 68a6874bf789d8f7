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
    """A fully connected layer got a map instead of a flat vector."""

    code = "AS303"
    name = "needs-a-vector"
    template = "{op} works on a flat vector, but a map of {shape} arrives"
    advice = "put `- {{op: flatten}}` before it: it gives {flat} features"


class GroupsMismatch(Diagnostic):
    """The channels that arrive, or that leave, cannot be divided among the groups."""

    code = "AS304"
    name = "groups-mismatch"
    template = "{channels} {which} channels cannot be divided into {groups} groups"
    advice = "take a number of groups that divides both channel counts: {divisors}"


class PoolingPadding(Diagnostic):
    """A pooling window would lie wholly in the padding: there would be nothing to pool.

    Either the padding is as large as the window, or the window is dilated and the input so small
    that all of it lies between two elements of the window.
    """

    code = "AS305"
    name = "pooling-padding"
    template = "{what}: a window could see nothing but padding"


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


class MergeMismatch(Diagnostic):
    """What meets in an `add`, `mul` or `concat` does not fit together."""

    code = "AS309"
    name = "merge-mismatch"
    template = "{op}: {sides}; they need {wanted}"


class ChannelsLastArrive(Diagnostic):
    """An op works on maps with the channels first, but `permute` has put them last."""

    code = "AS310"
    name = "channels-last"
    template = "{op} works on a map (channels, height, width), but the channels of {shape} are last"
    advice = "put `- {{op: permute, dims: [0, 3, 1, 2]}}` before it"


class WrongWayRound(Diagnostic):
    """`permute` would turn a map the way that it already is."""

    code = "AS311"
    name = "wrong-way-round"
    template = "dims {dims} puts the channels {end}, but the channels of {shape} are {end} already"
    advice = "the other way is `dims: {other}`"


class NormalizedShape(Diagnostic):
    """Layer norm is not told what to normalise over, or something else arrives.

    PyTorch normalises over the last dimensions. On a map with the channels first, those are not
    the channels, so a spec has to say what is meant.
    """

    code = "AS312"
    name = "normalized-shape"
    template = "{problem}"


class ParametersPerChannel(Diagnostic):
    """The parameters of a PReLU are neither one, nor one for each channel that arrives."""

    code = "AS313"
    name = "parameters-per-channel"
    template = "{count} parameters for {channels} channels: there is one for all, or one for each"
    advice = "take 1 or {channels}; `in_channels` is always as many as arrive"


class OutputPadding(Diagnostic):
    """More output padding than a transposed convolution can have.

    It tells apart the input sizes that one output size may come from: there are as many as the
    stride, and PyTorch allows what is below the stride or the dilation.
    """

    code = "AS314"
    name = "output-padding"
    template = "output_padding {padding} along the {axis} is not below the stride or the dilation"
    advice = "use at most {most}"


class NothingLeft(Diagnostic):
    """The padding of a transposed convolution cuts off everything: there is no output."""

    code = "AS315"
    name = "nothing-left"
    template = "the output {axis} would be {arithmetic}"
    advice = "use a padding of at most {most}"


class SizeOrScale(Diagnostic):
    """`upsample` is told neither or both of `size` and `scale_factor`."""

    code = "AS316"
    name = "size-or-scale"
    template = "upsample takes a size or a scale_factor, and {given}"
    advice = "write for example `scale_factor: 2`"


class NotDivisible(Diagnostic):
    """Channels, rows or columns cannot be divided into so many equal parts."""

    code = "AS317"
    name = "not-divisible"
    template = "{count} {what} cannot be divided into {parts} equal parts"
    advice = "{count} can be divided by {divisors}"


class NoSuchChannel(Diagnostic):
    """An op reads channels that do not arrive."""

    code = "AS318"
    name = "no-such-channel"
    template = "{what}, but {channels} channels arrive (0 to {last})"


class NormOfOneNumber(Diagnostic):
    """A norm would be taken over a single number, which nothing is left of.

    What remains is 0, whatever arrives. PyTorch refuses that in an instance norm, whose maps have
    to have more than one place; in other norms it is 0/0 where `eps` is 0.
    """

    code = "AS320"
    name = "norm-of-one-number"
    template = "{op} normalises over {what}, of which {shape} has one: {result}"


class NormOfOnePicture(Diagnostic):
    """A batch norm of 1×1 maps has as many numbers a channel as there are pictures in the batch.

    With one picture that is one number, of which there is no variance: PyTorch refuses to train on
    it ("Expected more than 1 value per channel"). The last batch of an epoch may be such a one.
    """

    code = "AS321"
    name = "norm-of-one-picture"
    severity = "note"
    template = "its map is {shape}: training takes batches of two pictures or more"


class SmallerUpsample(Diagnostic):
    """An `upsample` to a `size` that is smaller than what arrives.

    Elsewhere `size` is how many times larger a map becomes (Keras): here that is `scale_factor`.
    """

    code = "AS322"
    name = "smaller-upsample"
    severity = "note"
    template = "it makes the map smaller, {before} → {after}: `size` is what it becomes"
    advice = "for a map that is {size} times larger write `scale_factor: {size}`"


class InputPassedOver(Diagnostic):
    """Windows that stand farther apart than they are large: what lies between is never read.

    A 1×1 convolution with a stride does that on purpose, and is not told of. Elsewhere it is often
    a kernel and a stride that were mistaken for each other.
    """

    code = "AS324"
    name = "input-passed-over"
    severity = "note"
    template = "{lost} between the windows are never read: {arithmetic}"
    advice = "the kernel comes first in most tables, and the stride is no larger"


class OuterBroadcast(Diagnostic):
    """Sizes of 1 are stretched in all that arrives: what comes out has the shape of none of it.

    For (C, 1, 1) and (1, H, W) that is an attention over channels and one over places together.
    """

    code = "AS325"
    name = "outer-broadcast"
    severity = "note"
    template = "{sides} are stretched along each other: {output} comes out, the shape of neither"


class LargeMomentum(Diagnostic):
    """A batch norm whose running statistics are nearly those of the last batch.

    Elsewhere momentum is the share of what was there before (Keras, the papers): 0.99 is 0.01 here,
    as in PyTorch.
    """

    code = "AS323"
    name = "large-momentum"
    severity = "note"
    template = "a momentum of {momentum} keeps {kept} of what was seen before"
    advice = "it is the share of the new batch, as in PyTorch: 0.99 of Keras is 0.01 here"


class NeitherMapNorVector(Diagnostic):
    """A mean over some dimensions would leave something that is neither a map nor a vector."""

    code = "AS319"
    name = "neither-map-nor-vector"
    template = "the mean of {shape} over {dims} leaves {left}, neither a map nor a vector"
    advice = "`keepdim: true` keeps them, with a size of 1"
