"""Normalisations, and what residual branches carry, in PyTorch."""

from archspec.ops.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerNorm2d,
    LocalResponseNorm,
)
from archspec.ops.reshape import Dropout
from archspec.ops.residual import LayerScale, StochasticDepth
from archspec.targets.python.tree import (
    Binary,
    Expr,
    Keyword,
    Literal,
    Tuple,
    call,
    dotted,
    literal,
)
from archspec.targets.torch.emit.row import Row, Spelling, function


def batch_norm(op: BatchNorm, row: Row) -> Spelling:
    """`nn.BatchNorm2d` for maps, `nn.BatchNorm1d` for vectors."""
    options = (
        *row.option("eps", op.eps, 1e-5),
        *row.option("momentum", op.momentum, 0.1),
        *row.option("affine", op.affine, default=True),
        *row.option("track_running_stats", op.track_running_stats, default=True),
    )
    return Spelling(call(f"nn.BatchNorm{row.dimensions - 1 or 1}d", row.channels, *options))


def instance_norm(op: InstanceNorm, row: Row) -> Spelling:
    """`nn.InstanceNorm2d`, whose momentum is a number: None is none there, and no average."""
    momentum = 0.0 if op.momentum is None else op.momentum
    options = (
        *row.option("eps", op.eps, 1e-5),
        *row.option("momentum", momentum, 0.1),
        *row.option("affine", op.affine, default=False),
        *row.option("track_running_stats", op.track_running_stats, default=False),
    )
    return Spelling(call("nn.InstanceNorm2d", row.channels, *options))


def group_norm(op: GroupNorm, row: Row) -> Spelling:
    """`nn.GroupNorm`."""
    options = (*row.option("eps", op.eps, 1e-5), *row.option("affine", op.affine, default=True))
    return Spelling(
        call("nn.GroupNorm", row.value("num_groups", op.num_groups), row.channels, *options)
    )


def layer_norm(op: LayerNorm, row: Row) -> Spelling:
    """`nn.LayerNorm`."""
    affine = op.elementwise_affine or row.is_open("elementwise_affine")
    options = (
        *row.option("eps", op.eps, 1e-5),
        *row.option("elementwise_affine", op.elementwise_affine, default=True),
        *(row.option("bias", op.bias, default=True) if affine else ()),
    )
    sizes = row.channels
    if row.is_open("normalized_shape"):
        sizes = row.value("normalized_shape", None)
    elif op.normalized_shape is not None:
        given = op.normalized_shape
        sizes = literal(given[0] if len(given) == 1 else given)
    return Spelling(call("nn.LayerNorm", sizes, *options))


def layer_norm2d(op: LayerNorm2d, row: Row) -> Spelling:
    """`nn.LayerNorm` between two permutations."""
    options = (
        *row.option("eps", op.eps, 1e-5),
        *row.option("elementwise_affine", op.elementwise_affine, default=True),
    )
    return Spelling(call("LayerNorm2d", row.channels, *options))


def local_response_norm(op: LocalResponseNorm, row: Row) -> Spelling:
    """`nn.LocalResponseNorm`."""
    options = (
        Keyword("size", row.value("size", op.size)),
        *row.option("alpha", op.alpha, 1e-4),
        *row.option("beta", op.beta, 0.75),
        *row.option("k", op.k, 1.0),
    )
    return Spelling(
        call("nn.LocalResponseNorm", *options), function("F.local_response_norm", *options)
    )


def dropout(op: Dropout, row: Row) -> Spelling:
    """`nn.Dropout`; the probability is always written, as it is in papers."""
    p = row.option("p", op.p)
    training = Keyword("training", dotted("self.training"))
    return Spelling(call("nn.Dropout", *p), function("F.dropout", *p, training))


def stochastic_depth(op: StochasticDepth, row: Row) -> Spelling:
    """A module of its own; PyTorch has none."""
    mode = row.option("mode", op.mode, "row")
    return Spelling(call("StochasticDepth", row.value("p", op.p), *mode))


def layer_scale(op: LayerScale, row: Row) -> Spelling:
    """A module of its own where one has to stand; else a parameter that multiplies what arrives."""
    value = row.value("init_value", float(op.init_value))
    if row.is_open("init_value"):
        value = call("float", value)
    ones = (Literal(1),) * (len(op.parameter_shape(row.shape)) - 1)
    shape = Tuple((row.channels, *ones))
    return Spelling(call("nn.Parameter", call("torch.full", shape, value)))


def times(parameter: Expr, value: Expr) -> Expr:
    """A parameter that multiplies a value."""
    return Binary(parameter, "*", value)
