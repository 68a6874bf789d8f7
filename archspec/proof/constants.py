"""The constants that modules were made with, compared with the attributes of their steps."""

from collections.abc import Iterator
from math import isclose
from typing import Any

from torch import nn

from archspec.graph.network import Node
from archspec.ops import Op, Shape, channels_of
from archspec.ops.activation import Softmax
from archspec.ops.conv import Convolution
from archspec.ops.norm import InstanceNorm, LayerNorm
from archspec.ops.pool import Mean
from archspec.ops.sliding import Sliding
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.subject import Subject
from archspec.report.figures import counted

CLAIM = "constants"
ABSENT = object()
WORKED_OUT = frozenset({"bias", "ceil_mode", "dim", "normalized_shape", "padding", "stride"})
"""Attributes that are to be told from what an op says, not from what is written."""
WIDTHS = ("in_channels", "in_features", "num_features", "num_channels")
"""What modules call the channels that arrive."""


def prove_constants(subject: Subject) -> Proof:
    """Every module that bears a node's path was made with the attributes of its step.

    What a module does not remember under the attribute's name, and steps that are functions, the
    outputs compare.
    """
    modules = dict(subject.meta.named_modules())
    found: list[Difference] = []
    seen = constants = 0
    for node in subject.network.nodes:
        module = modules.get(node.path)
        arriving = subject.network.arriving(node)
        if module is None or node.op is None or arriving is None:
            continue
        expected = dict(_expected(node.op, arriving[0], module))
        pairs = [
            (name, wanted, held)
            for name, wanted in expected.items()
            if (held := _held(module, name, 1 + len(arriving[0]))) is not ABSENT
        ]
        seen += bool(pairs)
        constants += len(pairs)
        found += _differing(node, pairs)
    if not constants:
        return not_applicable(CLAIM, "no step is a module that remembers any")
    text = f"{counted(constants, 'constant')} of {counted(seen, 'module')}"
    if found:
        return verdict(CLAIM, f"not all of {text} are as their steps have them", found)
    return verdict(CLAIM, f"{text}, as their steps have them")


def _differing(node: Node, pairs: list[tuple[str, Any, Any]]) -> Iterator[Difference]:
    for name, wanted, held in pairs:
        if not _same(wanted, held):
            yield Difference(node.path, f"{name}={_spell(wanted)}", _spell(held))


def _expected(op: Op, shape: Shape, module: nn.Module) -> Iterator[tuple[str, Any]]:
    """What a module for an op is made with, by the name under which PyTorch remembers it."""
    for name in type(op).model_fields:
        value = getattr(op, name)
        if isinstance(op, InstanceNorm) and name == "momentum" and value is None:
            value = 0.0  # there, PyTorch takes the one for the other
        if name not in WORKED_OUT and (value is not None or name == "momentum"):
            yield name, value
    yield from _worked_out(op, shape)
    if hasattr(op, "padding"):
        yield from _padding(op, shape, module)


def _worked_out(op: Op, shape: Shape) -> Iterator[tuple[str, Any]]:
    """What follows from the attributes, and from what arrives."""
    for name in WIDTHS:
        yield name, channels_of(shape)
    if hasattr(op, "bias"):
        yield "bias", op.bias and getattr(op, "elementwise_affine", True)
    if isinstance(op, Sliding):
        yield "stride", op.strides
        if op.padding != "same":  # ⌈size/stride⌉ windows fit exactly: nothing is left to round
            yield "ceil_mode", op.rounds_up
    if isinstance(op, Convolution):
        yield "out_channels", op.width(shape)
        yield "groups", op.group_count(shape)
    if isinstance(op, LayerNorm):
        yield "normalized_shape", op.sizes(shape)
    if isinstance(op, Mean):
        yield "dim", op.axes(shape)
    if isinstance(op, Softmax):
        yield "dim", (op.dim % (len(shape) + 1),)


def _padding(op: Op, shape: Shape, module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The padding that a module has of its own; where it has none, something else may pad."""
    if not isinstance(op, Sliding):
        height, width = op.padding  # type: ignore[attr-defined]  # this attribute is asked for
        pair = isinstance(height, int)
        yield "padding", (height, width) if pair else (*width, *height)
        return
    height, width = (op.ends(axis, size) for axis, size in enumerate(shape[1:]))
    yield "pad", (*width, *height)
    own = _held(module, "padding")
    if own == "same" and op.padding == "same":
        return
    if own not in (0, (0, 0), [0, 0], "valid"):
        even = height[0] == height[1] and width[0] == width[1]
        yield "padding", (height[0], width[0]) if even else (height, width)


def _held(module: nn.Module, name: str, rank: int = 0) -> Any:
    """What a module remembers, or the last one inside: a padded one is a sequence of two.

    Of `rank` dimensions, the batch's among them, those counted from the end get their number.
    """
    for inner in reversed(list(module.modules())):
        held: Any = getattr(inner, name, ABSENT)
        if held is not ABSENT and not callable(held):
            if name == "dim":
                dims = held if isinstance(held, list | tuple) else [held]
                return sorted(dim % rank for dim in dims)
            return held is not None if name == "bias" else held
    return ABSENT


def _same(wanted: Any, held: Any) -> bool:
    """Whether two values mean the same: one number is a pair of them, None is no truth."""
    if isinstance(wanted, bool):
        return wanted == bool(held)
    if isinstance(wanted, tuple | list):
        many = tuple(held) if isinstance(held, tuple | list) else (held,) * len(wanted)
        return len(many) == len(wanted) and all(map(_same, wanted, many))
    if isinstance(held, tuple | list):
        return all(_same(wanted, one) for one in held)
    if isinstance(wanted, int | float) and isinstance(held, int | float):
        return isclose(wanted, held, rel_tol=1e-9)
    return bool(wanted == held)


def _spell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
