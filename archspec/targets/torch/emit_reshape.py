"""Ops in PyTorch that cut, turn round or average what arrives."""

from archspec.ops.channels import (
    ChannelShuffle,
    Chunk,
    PadChannels,
    PixelShuffle,
    PixelUnshuffle,
    Slice,
)
from archspec.ops.pool import Mean
from archspec.ops.reshape import Permute
from archspec.ops.resize import Upsample, ZeroPad2d
from archspec.targets.torch.layout import Bracketed, Expr, Keyword, tuple_of
from archspec.targets.torch.spelling import Row, Spelling, Wrap, call, function, size


def method(name: str, *arguments: Expr | Keyword) -> Wrap:
    """`x.name(…)`; of anything but a plain name, `torch.name(…, …)`."""

    def wrap(x: Expr) -> Bracketed:
        if isinstance(x, str):
            return Bracketed(f"{x}.{name}", arguments)
        return Bracketed(f"torch.{name}", (x, *arguments))

    return wrap


def permute(op: Permute, row: Row) -> Spelling:
    """`x.permute(0, 2, 3, 1)`."""
    del row
    dims = tuple(map(str, op.dims))

    def wrap(x: Expr) -> Bracketed:
        if isinstance(x, str):
            return Bracketed(f"{x}.permute", dims)
        return call("torch.permute", x, tuple_of(*dims))

    return Spelling(Bracketed("Permute", dims), wrap)


def mean(op: Mean, row: Row) -> Spelling:
    """`x.mean([2, 3])`."""
    dims = Bracketed("", tuple(map(str, op.axes(row.shape))), "[]")
    keepdim = [Keyword("keepdim", "True")] if op.keepdim else []
    return Spelling(call("Mean", dims, keepdim), method("mean", dims, *keepdim))


def chunk(op: Chunk, row: Row) -> Spelling:
    """`x.chunk(2, dim=1)[0]`."""
    part = row.shape[0] // op.chunks

    def wrap(x: Expr) -> Bracketed:
        if isinstance(x, str):
            return Bracketed(f"{x}.chunk({op.chunks}, dim=1)", (str(op.index),), "[]")
        return call("torch.narrow", x, "1", str(op.index * part), str(part))

    return Spelling(call("Chunk", str(op.chunks), str(op.index)), wrap)


def slice_(op: Slice, row: Row) -> Spelling:
    """`x[:, 16:32]`."""
    del row

    def wrap(x: Expr) -> Bracketed:
        if isinstance(x, str):
            first = str(op.start) if op.start else ""
            return Bracketed(x, (":", f"{first}:{op.stop}"), "[]")
        return call("torch.narrow", x, "1", str(op.start), str(op.stop - op.start))

    return Spelling(call("Slice", str(op.start), str(op.stop)), wrap)


def pad_channels(op: PadChannels, row: Row) -> Spelling:
    """`nn.ZeroPad3d` for maps, whose third dimension from the end are the channels; `F.pad`."""
    dimensions = len(row.shape)
    before, after = row.value("before", op.before), row.value("after", op.after)
    sides = tuple_of(*["0"] * (2 * dimensions - 2), before, after)
    return Spelling(call(f"nn.ZeroPad{dimensions}d", sides), function("F.pad", sides))


def channel_shuffle(op: ChannelShuffle, row: Row) -> Spelling:
    """`nn.ChannelShuffle`."""
    groups = row.value("groups", op.groups)
    return Spelling(call("nn.ChannelShuffle", groups), function("F.channel_shuffle", groups))


def pixel_shuffle(op: PixelShuffle, row: Row) -> Spelling:
    """`nn.PixelShuffle`."""
    del row
    factor = str(op.upscale_factor)
    return Spelling(call("nn.PixelShuffle", factor), function("F.pixel_shuffle", factor))


def pixel_unshuffle(op: PixelUnshuffle, row: Row) -> Spelling:
    """`nn.PixelUnshuffle`."""
    del row
    factor = str(op.downscale_factor)
    return Spelling(call("nn.PixelUnshuffle", factor), function("F.pixel_unshuffle", factor))


def upsample(op: Upsample, row: Row) -> Spelling:
    """`nn.Upsample`, as a function `F.interpolate`."""
    del row
    options = [
        *([Keyword("size", size(op.size))] if op.size else ()),
        *([Keyword("scale_factor", size(op.scale_factor))] if op.scale_factor else ()),
        *([Keyword("mode", f'"{op.mode}"')] if op.mode != "nearest" else ()),
        *([Keyword("align_corners", "True")] if op.align_corners else ()),
    ]
    return Spelling(call("nn.Upsample", options), function("F.interpolate", options))


def zero_pad2d(op: ZeroPad2d, row: Row) -> Spelling:
    """`nn.ZeroPad2d`, as a function `F.pad`."""
    del row
    (top, bottom), (left, right) = op.padding
    sides = tuple_of(*map(str, (left, right, top, bottom)))
    return Spelling(call("nn.ZeroPad2d", sides), function("F.pad", sides))
