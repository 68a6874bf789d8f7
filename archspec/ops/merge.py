"""Where paths meet: ops that take several inputs."""

from abc import abstractmethod
from collections.abc import Iterator
from math import prod
from typing import ClassVar

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import MergeMismatch, OuterBroadcast
from archspec.ops.base import Counts, Op, Remark, Text, require_channels_first
from archspec.ops.fields import Number
from archspec.ops.mixing import EACH, Groups, Mixing
from archspec.ops.shape import Shape, Shapes, channels_of, like, places_of, show
from archspec.ops.taps import View, Window

STRETCHED = (Window(1, 0), Window(1, 0))
"""What is read of a map of a single place, wherever one is in the output."""


class Merge(Op):
    """An op of several inputs and one output; a subclass says what shape they give together.

    The graph names the inputs in its message when they do not fit.
    """

    arity: ClassVar = "several"

    def infer(self, shapes: Shapes) -> tuple[Shape, ...]:
        return (self.together(shapes),)

    @abstractmethod
    def together(self, shapes: Shapes) -> Shape:
        """The output's shape; raises `Fault` where the inputs do not fit each other."""

    def views(self, shapes: Shapes) -> tuple[View, ...]:
        """Each place itself; along an axis that is stretched, the only one there is."""
        if all(shape == shapes[0] for shape in shapes) or len(shapes[0]) != 3:
            return (None,) * len(shapes)
        sizes = [max(column) for column in zip(*map(places_of, shapes), strict=True)]
        return tuple(_stretched(places_of(shape), sizes) for shape in shapes)

    def mixings(self, shapes: Shapes, outputs: Shapes) -> tuple[Mixing, ...]:
        """Each channel the one in its place, or the only one where that is stretched."""
        leaving = channels_of(outputs[0])
        return tuple(
            EACH if channels_of(shape) == leaving else Groups(1, leaving) for shape in shapes
        )

    def infer_in_spite(self, shapes: Shapes) -> tuple[Shape, ...] | None:
        """The largest of what arrives: the path that was not reduced by mistake."""
        return (max(shapes, key=prod),)

    def remarks(self, shapes: Shapes) -> Iterator[Remark]:
        (output,) = self.infer(shapes)
        if prod(output) > sum(map(prod, shapes)):
            sides = " and ".join(show(shape) for shape in dict.fromkeys(shapes))
            yield Remark(OuterBroadcast, "", {"sides": sides, "output": show(output)})

    def explain_output(self, shapes: Shapes) -> Iterator[Text]:
        if all(shape == shapes[0] for shape in shapes):
            how = f"{len(shapes)} inputs of {show(shapes[0])}, element by element"
        else:
            sides = " and ".join(map(show, shapes))
            how = f"{sides}, sizes of 1 stretched = {show(self.together(shapes))}"
        yield Text("output", how)


class Add(Merge):
    """The sum of its inputs, `torch.add`: of one shape, or broadcast where a size is 1.

    With `alpha`, the first of two and alpha times the second.
    """

    op_name: ClassVar = "add"
    backward_needs: ClassVar = frozenset()

    alpha: Number = 1

    def together(self, shapes: Shapes) -> Shape:
        if self.alpha != 1 and len(shapes) != 2:
            raise Fault(MergeMismatch, "alpha", op="this", wanted="to be two, as there is an alpha")
        return _broadcast(shapes)

    def operations(self, shapes: Shapes, outputs: Shapes) -> Counts:
        scaled = prod(shapes[1]) if abs(self.alpha) != 1 else 0
        return Counts(elementwise=(len(shapes) - 1) * prod(outputs[0]) + scaled)

    def explain_output(self, shapes: Shapes) -> Iterator[Text]:
        yield from super().explain_output(shapes)
        if self.alpha != 1:
            yield Text("output", f"the first + {self.alpha:g} · the second")


class Mul(Merge):
    """The product of its inputs, `torch.mul`: a gate (C, 1, 1) scales the channels of a map."""

    op_name: ClassVar = "mul"
    backward_needs: ClassVar = frozenset({"input"})

    def together(self, shapes: Shapes) -> Shape:
        return _broadcast(shapes)

    def operations(self, shapes: Shapes, outputs: Shapes) -> Counts:
        return Counts(elementwise=(len(shapes) - 1) * prod(outputs[0]))


class Concat(Merge):
    """Its inputs behind each other along the channels, `torch.cat`; of one height and width."""

    op_name: ClassVar = "concat"
    backward_needs: ClassVar = frozenset()
    divides: ClassVar = True

    def together(self, shapes: Shapes) -> Shape:
        for shape in shapes:
            require_channels_first(self.op_name, shape)
        if any(shape[1:] != shapes[0][1:] for shape in shapes):
            raise Fault(MergeMismatch, op=self.op_name, wanted="one height and width")
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def explain_output(self, shapes: Shapes) -> Iterator[Text]:
        total = sum(shape[0] for shape in shapes)
        channels = " + ".join(str(shape[0]) for shape in shapes)
        yield Text("output", f"channels {channels} = {total}")


def _stretched(places: Shape, sizes: list[int]) -> View:
    """What is read of an input of those places where the output has so many."""
    if list(places) == sizes:
        return None
    height, width = (Window(1, int(p == s)) for p, s in zip(places, sizes, strict=True))
    return height, width


def _broadcast(shapes: Shapes) -> Shape:
    """The shape that inputs of equal rank have together, sizes of 1 being stretched."""
    first = shapes[0]
    alike = all(type(shape) is type(first) for shape in shapes)
    if alike and all(shape == first for shape in shapes):
        return first
    if any(len(shape) != len(first) for shape in shapes):
        raise Fault(MergeMismatch, op="this", wanted="to be all maps, or all vectors")
    if not alike:
        raise Fault(MergeMismatch, op="this", wanted="the channels at the same end")
    sizes = [max(column) for column in zip(*shapes, strict=True)]
    if any(s not in (1, m) for shape in shapes for s, m in zip(shape, sizes, strict=True)):
        raise Fault(MergeMismatch, op="this", wanted="one shape")
    return like(first, sizes)
