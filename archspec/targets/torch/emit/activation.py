"""Activations in PyTorch: a module, and a function."""

from typing import Any

from archspec.ops import Op
from archspec.ops.activation import PReLU
from archspec.targets.python.tree import Keyword, call
from archspec.targets.torch.emit.row import Options, Row, Spelling, function


class Activation:
    """The emitter of an activation; `defaults` are its attributes and PyTorch's values.

    `in_place` says that its module can overwrite what arrives.
    """

    def __init__(self, layer: str, name: str, *, in_place: bool = False, **defaults: Any) -> None:
        self.layer = layer
        self.name = name
        self.in_place = in_place
        self.defaults = defaults

    def __call__(self, op: Op, row: Row) -> Spelling:
        """`nn.ReLU()`, or `F.relu(x)`."""
        options = self._options(op, row)
        # Autograd refuses to work in place where the slope below zero is negative.
        known = self.in_place and all(
            not row.is_open(name) and getattr(op, name) > 0 for name in self.defaults
        )
        return Spelling(
            call(f"nn.{self.layer}", *options),
            function(self.name, *options),
            overwrites=known,
        )

    def _options(self, op: Op, row: Row) -> Options:
        options: list[Keyword] = []
        for attribute, default in self.defaults.items():
            options += row.option(attribute, getattr(op, attribute), default)
        return tuple(options)


def prelu(op: PReLU, row: Row) -> Spelling:
    """`nn.PReLU`."""
    is_one = op.num_parameters == 1 and not row.is_open("num_parameters")
    count = () if is_one else (row.value("num_parameters", op.num_parameters),)
    return Spelling(call("nn.PReLU", *count))
