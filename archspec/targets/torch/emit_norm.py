"""Normalisations, and what residual branches carry, in PyTorch."""

from archspec.ops.norm import GroupNorm, InstanceNorm, LayerNorm, LayerNorm2d
from archspec.ops.residual import LayerScale, StochasticDepth
from archspec.targets.torch.layout import Expr, Keyword, tuple_of
from archspec.targets.torch.spelling import Row, Spelling, call


def group_norm(op: GroupNorm, row: Row) -> Spelling:
    """`nn.GroupNorm`."""
    options = [
        *row.keyword("eps", op.eps, 1e-5),
        *row.keyword("affine", op.affine, default=True),
    ]
    groups = row.value("num_groups", op.num_groups)
    return Spelling(call("nn.GroupNorm", groups, row.symbols.channels, options))


def layer_norm(op: LayerNorm, row: Row) -> Spelling:
    """`nn.LayerNorm`."""
    options = [
        *row.keyword("eps", op.eps, 1e-5),
        *row.keyword("elementwise_affine", op.elementwise_affine, default=True),
        *(row.keyword("bias", op.bias, default=True) if op.elementwise_affine else ()),
    ]
    sizes: Expr = row.symbols.channels
    if op.normalized_shape is not None:
        texts = tuple(map(str, op.normalized_shape))
        sizes = texts[0] if len(texts) == 1 else tuple_of(*texts)
    return Spelling(call("nn.LayerNorm", sizes, options))


def layer_norm2d(op: LayerNorm2d, row: Row) -> Spelling:
    """`nn.LayerNorm` between two permutations."""
    options = [
        *row.keyword("eps", op.eps, 1e-5),
        *row.keyword("elementwise_affine", op.elementwise_affine, default=True),
    ]
    return Spelling(call("LayerNorm2d", row.symbols.channels, options))


def instance_norm(op: InstanceNorm, row: Row) -> Spelling:
    """`nn.InstanceNorm2d`."""
    options = [
        *row.keyword("eps", op.eps, 1e-5),
        *row.keyword("momentum", op.momentum, 0.1),
        *row.keyword("affine", op.affine, default=False),
        *row.keyword("track_running_stats", op.track_running_stats, default=False),
    ]
    return Spelling(call("nn.InstanceNorm2d", row.symbols.channels, options))


def stochastic_depth(op: StochasticDepth, row: Row) -> Spelling:
    """A module of its own; PyTorch has none."""
    mode = [Keyword("mode", f'"{op.mode}"')] if op.mode != "row" else []
    return Spelling(call("StochasticDepth", row.value("p", op.p), mode))


def layer_scale(op: LayerScale, row: Row) -> Spelling:
    """An `nn.Parameter` that multiplies what arrives: it bears the step's own name."""
    ones = ["1"] * (len(op.parameter_shape(row.shape)) - 1)
    shape = tuple_of(row.symbols.channels, *ones)
    return Spelling(
        call("nn.Parameter", call("torch.full", shape, row.value("init_value", op.init_value)))
    )
