"""Padding: PyTorch's layers know the symmetric kinds; what to write for each of the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as Word

from archspec.ops import Shape
from archspec.ops.arithmetic import extent
from archspec.ops.fields import Pair
from archspec.ops.pool import Pool
from archspec.ops.sliding import Sliding
from archspec.targets.python.tree import Expr, Literal, Subscript, Tuple, literal
from archspec.targets.torch.emit.row import Row, Written, tree_of

Kind = Word["native", "sides", "dynamic"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a step is padded.

    native: the layer does it, `height` and `width` have equal ends. sides: every side has its own
    amount. dynamic: TensorFlow's 'same' with a stride, whose amounts depend on the size of what
    arrives, so they are computed when it does.
    """

    kind: Kind
    height: Pair
    width: Pair

    @property
    def pair(self) -> Pair:
        """The symmetric padding per axis (native only)."""
        return self.height[0], self.width[0]

    @property
    def ends_padded(self) -> bool:
        """Whether there is padding after the input."""
        return self.height[1] > 0 or self.width[1] > 0


def leaps(op: object) -> bool:
    """Whether 'same' could ask for less than no padding: the stride leaps over the window."""
    return (
        isinstance(op, Sliding)
        and op.padding == "same"
        and any(op.strides[i] > extent(op.kernel_size[i], op.dilation[i]) for i in (0, 1))
    )


def planned(op: Sliding, row: Row) -> Plan:
    """How to pad a row's step: for all but 'same', whatever its size."""
    return plan(op, row.shape if op.padding == "same" else (0, 0, 0))


def plan(op: Sliding, shape: Shape) -> Plan:
    """How to pad; PyTorch's poolings take at most half of their kernel, at both ends."""
    most = tuple(size // 2 for size in op.kernel_size) if isinstance(op, Pool) else None
    height, width = (op.ends(axis, size) for axis, size in enumerate(shape[1:]))
    if op.padding == "same" and any(
        op.strides[axis] > 1 and extent(op.kernel_size[axis], op.dilation[axis]) > 1
        for axis in (0, 1)
    ):
        return Plan("dynamic", height, width)
    symmetric = height[0] == height[1] and width[0] == width[1]
    fits = most is None or (height[0] <= most[0] and width[0] <= most[1])
    return Plan("native" if symmetric and fits else "sides", height, width)


def is_asymmetric(written: Written) -> bool:
    """Whether padding is written with ends of its own, `[before, after]`."""
    if isinstance(written, Mapping):
        return any(isinstance(part, list | tuple) for part in written.values())
    return isinstance(written, list | tuple)


def sides(row: Row, padding: Plan, attribute: str = "padding") -> Expr:
    """As `F.pad` wants it: (left, right, top, bottom)."""
    if attribute not in row.attributes:
        return literal((*padding.width, *padding.height))
    ends = ends_of(row.attributes[attribute])
    (top, bottom), (left, right) = map(_taken_apart, ends, (padding.height, padding.width))
    return Tuple((left, right, top, bottom))


def _taken_apart(written: tuple[Expr, Expr], ends: Pair) -> tuple[Expr, Expr]:
    """What stands for both ends of an axis is a pair where they differ."""
    both, other = written
    if both != other or ends[0] == ends[1]:
        return written
    return Subscript(both, Literal(0)), Subscript(both, Literal(1))


def ends_of(written: Written) -> tuple[tuple[Expr, Expr], tuple[Expr, Expr]]:
    """Written padding as ((top, bottom), (left, right)), in all the ways to write it."""
    if isinstance(written, Mapping):
        zero = Literal(0)
        return _ends(written.get("height", zero)), _ends(written.get("width", zero))
    if isinstance(written, list | tuple) and any(isinstance(p, list | tuple) for p in written):
        height, width = written
        return _ends(height), _ends(width)
    return _ends(written), _ends(written)


def _ends(written: Written) -> tuple[Expr, Expr]:
    if isinstance(written, list | tuple):
        before, after = map(tree_of, written)
        return before, after
    both = tree_of(written)
    return both, both
