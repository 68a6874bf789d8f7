"""What a unit sees: size, stride and offset of its receptive field, in input pixels.

Per axis, from the input on (Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019): a window of kernel F, stride S, padding P, dilation D over units
of field r, stride j and offset o gives

    r' = r + (D·(F − 1))·j      j' = j·S      o' = o − P·j

so that unit u sees the pixels u·j + o to u·j + o + r − 1.
"""

from typing import Literal, NamedTuple

from archspec.graph.network import INPUT, Network
from archspec.ops import View, Window

Pair = tuple[int, int]


class ReceptiveField(NamedTuple):
    """The field of a unit, (height, width) each, in pixels of the network's input.

    Unit u sees u·stride + offset to u·stride + offset + size − 1; `offset` is negative by the
    effective padding. A field may reach beyond the input.
    """

    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    offset: Pair = (0, 0)


Field = ReceptiveField | Literal["global"]


def receptive_fields(network: Network) -> tuple[Field | None, ...]:
    """The field of each node's units; `global` once a unit sees the whole map; None if unknown."""
    fields: list[Field | None] = []
    start: Field | None = None if network.input_shape is None else ReceptiveField()
    for node, output in zip(network.nodes, network.shapes, strict=True):
        index = node.inputs[0]
        arriving = network.shape_of(index)
        before = start if index == INPUT else fields[index]
        if node.op is None or arriving is None or output is None or before is None:
            fields.append(None)
        else:
            fields.append(_through(before, node.op.view(arriving)))
    return tuple(fields)


def _through(before: Field, view: View) -> Field:
    if before == "global" or view == "global":
        return "global"
    if view is None:
        return before
    height, width = (_widen(before, i, view[i]) for i in (0, 1))
    sizes, strides, offsets = zip(height, width, strict=True)
    return ReceptiveField(sizes, strides, offsets)


def _widen(before: ReceptiveField, axis: int, window: Window) -> tuple[int, int, int]:
    jump = before.stride[axis]
    size = before.size[axis] + window.dilation * (window.kernel - 1) * jump
    return size, jump * window.stride, before.offset[axis] - window.before * jump
