"""Ops in PyTorch that cut, turn round, resize or pass on what arrives."""

from collections.abc import Sequence

from archspec.ops.channels import (
    ChannelShuffle,
    Chunk,
    PadChannels,
    PixelShuffle,
    PixelUnshuffle,
    Slice,
)
from archspec.ops.lenet import RBF, ScaledTanh
from archspec.ops.linear import Linear
from archspec.ops.reshape import Flatten, Identity, Permute
from archspec.ops.resize import Upsample, ZeroPad2d
from archspec.targets.python.arithmetic import add_up, product, simplify
from archspec.targets.python.tree import (
    Attribute,
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    Keyword,
    Literal,
    Name,
    Subscript,
    Tuple,
    Unary,
    call,
    literal,
)
from archspec.targets.python.tree import Slice as Range
from archspec.targets.torch.emit.padding import Plan, sides
from archspec.targets.torch.emit.row import Options, Row, Spelling, function


def linear(op: Linear, row: Row) -> Spelling:
    """`nn.Linear`."""
    width = row.value("out_features", op.out_features)
    bias = row.option("bias", op.bias, default=True)
    return Spelling(call("nn.Linear", row.channels, width, *bias), width=width)


def rbf(op: RBF, row: Row) -> Spelling:
    """A module of its own; PyTorch has none."""
    trainable = row.option("trainable", op.trainable, default=True)
    width = row.value("out_features", op.out_features)
    return Spelling(call("RBF", row.channels, width, *trainable), width=width)


def scaled_tanh(op: ScaledTanh, row: Row) -> Spelling:
    """A module of its own."""
    del op, row
    return Spelling(call("ScaledTanh"))


def flatten(op: Flatten, row: Row) -> Spelling:
    """`nn.Flatten`, or `torch.flatten` from dimension 1 on."""
    del op, row
    return Spelling(call("nn.Flatten"), function("torch.flatten", Literal(1)))


def identity(op: Identity, row: Row) -> Spelling:
    """`nn.Identity`; as a function it is its argument."""
    del op, row
    return Spelling(call("nn.Identity"), lambda values: values[0])


def permute(op: Permute, row: Row) -> Spelling:
    """`x.permute(0, 2, 3, 1)`."""
    del row
    dims = tuple(map(Literal, op.dims or ()))

    def wrap(values: Sequence[Expr]) -> Expr:
        if isinstance(values[0], Name):
            return Call(Attribute(values[0], "permute"), dims)
        return call("torch.permute", values[0], Tuple(dims))

    return Spelling(call("Permute", *dims), wrap)


def chunk(op: Chunk, row: Row) -> Spelling:
    """`x.chunk(2, dim=1)[0]`."""
    chunks, index = row.value("chunks", op.chunks), row.value("index", op.index)

    def wrap(values: Sequence[Expr]) -> Expr:
        dim = Keyword("dim", Literal(1))
        if isinstance(values[0], Name):
            return Subscript(Call(Attribute(values[0], "chunk"), (chunks, dim)), index)
        return Subscript(call("torch.chunk", values[0], chunks, dim), index)

    width = simplify(Binary(row.channels, "//", chunks))
    return Spelling(call("Chunk", chunks, index), wrap, width=width)


def slice_(op: Slice, row: Row) -> Spelling:
    """`x[:, 16:32]`, to the end `x[:, 16:]`."""
    start = row.value("start", op.start)
    stop = None if op.stop is None else row.value("stop", op.stop)
    from_the_end = op.start < 0 or (op.stop or 0) < 0

    def wrap(values: Sequence[Expr]) -> Expr:
        lower = None if start == Literal(0) else start
        if isinstance(values[0], Name) or stop is None or from_the_end:
            return Subscript(values[0], (Range(), Range(lower, stop)))
        width = literal((op.stop or 0) - op.start)
        return call("torch.narrow", values[0], Literal(1), start, width)

    ends = [row.channels] if stop is None or (op.stop or 0) < 0 else []
    ends += [] if stop is None else [stop]
    before = [Unary("-", row.channels)] if op.start < 0 else []
    width = add_up([*ends, *before, Unary("-", start)])
    given = () if stop is None else (stop,)
    return Spelling(call("Slice", start, *given), wrap, width=width)


def pad_channels(op: PadChannels, row: Row) -> Spelling:
    """`nn.ZeroPad3d` for maps, whose third dimension from the end are the channels; `F.pad`."""
    dimensions = row.dimensions
    ends = (row.value("before", op.before), row.value("after", op.after))
    around = Tuple(((Literal(0),) * (2 * dimensions - 2)) + ends)
    width = add_up([row.channels, *ends])
    return Spelling(
        call(f"nn.ZeroPad{dimensions}d", around), function("F.pad", around), width=width
    )


def channel_shuffle(op: ChannelShuffle, row: Row) -> Spelling:
    """`nn.ChannelShuffle`."""
    groups = row.value("groups", op.groups)
    return Spelling(call("nn.ChannelShuffle", groups), function("F.channel_shuffle", groups))


def pixel_shuffle(op: PixelShuffle, row: Row) -> Spelling:
    """`nn.PixelShuffle`."""
    factor = row.value("upscale_factor", op.upscale_factor)
    width = simplify(Binary(row.channels, "//", product(factor, factor)))
    module = call("nn.PixelShuffle", factor)
    return Spelling(module, function("F.pixel_shuffle", factor), width=width)


def pixel_unshuffle(op: PixelUnshuffle, row: Row) -> Spelling:
    """`nn.PixelUnshuffle`."""
    factor = row.value("downscale_factor", op.downscale_factor)
    width = product(row.channels, product(factor, factor))
    module = call("nn.PixelUnshuffle", factor)
    return Spelling(module, function("F.pixel_unshuffle", factor), width=width)


def upsample(op: Upsample, row: Row) -> Spelling:
    """`nn.Upsample`, as a function `F.interpolate`."""
    options = (
        *row.sizes("size", op.size, None),
        *row.sizes("scale_factor", op.scale_factor, None),
        *_blending(op, row),
    )
    return Spelling(call("nn.Upsample", *options), function("F.interpolate", *options))


def _blending(op: Upsample, row: Row) -> Options:
    """The mode, and how its corners are aligned; PyTorch wants no word of that for `nearest`."""
    mode = row.option("mode", op.mode, "nearest")
    aligned = row.option("align_corners", op.align_corners, default=False)
    if row.is_open("mode") and row.is_open("align_corners"):
        blends = _blends(mode[0].value)
        aligned = (Keyword("align_corners", Conditional(blends, aligned[0].value, Literal(None))),)
    return (*mode, *aligned) if op.mode != "nearest" or row.is_open("mode") else ()


def _blends(mode: Expr) -> Expr:
    """Whether a mode is `bilinear`; of `"bilinear" if smooth else "nearest"` its condition."""
    match mode:
        case Conditional(test=test, body=Literal(value="bilinear"), orelse=Literal()):
            return test
        case Conditional(test=test, body=Literal(), orelse=Literal(value="bilinear")):
            return Unary("not", test)
    return Compare((mode, Literal("bilinear")), ("==",))


def zero_pad2d(op: ZeroPad2d, row: Row) -> Spelling:
    """`nn.ZeroPad2d`, as a function `F.pad`."""
    around = sides(row, Plan("sides", *op.padding))
    return Spelling(call("nn.ZeroPad2d", around), function("F.pad", around))
