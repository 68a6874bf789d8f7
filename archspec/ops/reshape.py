"""Ops that compute nothing: they drop, pass on or rearrange."""

from collections.abc import Iterator
from math import prod
from typing import Annotated, ClassVar

from pydantic import PlainValidator

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import NotAMap, WrongWayRound
from archspec.ops.base import Ratio, Text, Unary, thousands
from archspec.ops.fields import Probability, spell
from archspec.ops.shape import ChannelsLast, Shape, kind_of, places_of, show


class Dropout(Unary):
    """Inverted dropout, `nn.Dropout`: in training drop with probability p and divide by 1 − p."""

    op_name: ClassVar = "dropout"
    role: ClassVar = "dropout"
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True

    p: Probability = 0.5


class Identity(Unary):
    """Passes its input on, `nn.Identity`."""

    op_name: ClassVar = "identity"
    role: ClassVar = "activation"
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True


class Flatten(Unary):
    """A map (C, H, W) as a vector of C·H·W, `nn.Flatten`."""

    op_name: ClassVar = "flatten"
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def ratio(self, shape: Shape) -> Ratio:
        return Ratio(places_of(shape))

    def output_text(self, shape: Shape) -> Iterator[Text]:
        product = show(shape).replace("×", "·")
        yield Text("output", f"{product} = {thousands(prod(shape))}")


LAST = (0, 2, 3, 1)
FIRST = (0, 3, 1, 2)


def _dims(value: object) -> tuple[int, ...]:
    dims = tuple(value) if isinstance(value, list | tuple) else ()
    for known in (LAST, FIRST):
        if dims == known:
            return known  # of whole numbers, whatever a division made of those that were written
    ways = f"{spell(LAST)} (channels last) or {spell(FIRST)} (channels first again)"
    raise ValueError(f"dims has to be {ways}, not {spell(value)}")


Dimensions = Annotated[tuple[int, ...], PlainValidator(_dims)]


class Permute(Unary):
    """Turns a map to (H, W, C) with dims `[0, 2, 3, 1]` and back with `[0, 3, 1, 2]`.

    Dimension 0 is the batch, as in `torch.permute`; a generated module brings its own `nn.Module`
    where it needs one. While the channels are last, `linear` and `layer_norm` work on them, as do
    the ops that treat every element alike; those that look at places refuse such a map.
    """

    op_name: ClassVar = "permute"
    backward_needs: ClassVar = frozenset()
    is_view: ClassVar = True

    dims: Dimensions

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise Fault(NotAMap, op=self.op_name, shape=show(shape))
        last = kind_of(shape) == "channels_last"
        if last == (self.dims == LAST):
            end, other = ("last", FIRST) if last else ("first", LAST)
            facts = {"dims": spell(self.dims), "end": end, "other": spell(other)}
            raise Fault(WrongWayRound, "dims", shape=show(shape), **facts)
        a, b, c = shape
        return (c, a, b) if last else ChannelsLast((b, c, a))

    def shape_in_spite(self, shape: Shape) -> Shape | None:
        return shape if len(shape) == 3 else None

    def output_text(self, shape: Shape) -> Iterator[Text]:
        yield Text("output", f"{show(shape)} with the dimensions {spell(self.dims)}, 0 the batch")
