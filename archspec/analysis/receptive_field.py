"""What a unit sees: size, stride and offset of its receptive field, in input pixels.

Per axis, from the input on (Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019): a window of kernel F, stride S, padding P, dilation D over units
of field r, stride j and offset o gives

    r' = r + (D·(F − 1))·j      j' = j·S      o' = o − P·j

so that unit u sees the pixels u·j + o to u·j + o + r − 1.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from archspec.graph.network import INPUT, Network, Node
from archspec.ops import Shape, Text, View, Window
from archspec.ops.shape import is_map, places_of

if TYPE_CHECKING:
    from fractions import Fraction

    Number = int | Fraction

Pair = tuple["Number", "Number"]


class ReceptiveField(NamedTuple):
    """The field of a unit, (height, width) each, in pixels of the network's input.

    Unit u sees u·stride + offset to u·stride + offset + size − 1; `offset` is negative by the
    effective padding. A field may reach beyond the input.
    """

    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    offset: Pair = (0, 0)


def as_numbers(pair: Pair) -> list[int | float]:
    """(height, width) in the form of JSON: whole numbers, and fractions as floats."""
    return [int(number) if number == int(number) else float(number) for number in pair]


Field = ReceptiveField | Literal["global"]


class Fields(NamedTuple):
    """The field of each node's units, None where unknown: `all_paths`, and without gates.

    Where paths meet, `all_paths` is the hull of their fields: the tightest window that holds for
    every unit. `without_gates` leaves out paths that have seen the whole map, as that of
    squeeze-and-excitation: what remains is what a unit sees of its surroundings.
    """

    all_paths: tuple[Field | None, ...]
    without_gates: tuple[Field | None, ...]


def receptive_fields(network: Network) -> Fields:
    """The field of each node's units; `global` once a unit sees the whole map; None if unknown."""
    start: Field | None = None if network.input_shape is None else ReceptiveField()
    fields: list[Field | None] = []
    local: list[Field | None] = []
    gated = False

    def of_node(node: Node) -> tuple[View, ...] | None:
        arriving = network.arriving(node)
        if node.op is None or arriving is None or network.shapes[node.index] is None:
            return None
        return node.op.views(arriving)

    for node, views in zip(network.nodes, network.of_twins(of_node), strict=True):
        if views is None:
            fields.append(None)
            local.append(None)
            continue
        if len(views) == 1:
            source, view = node.inputs[0].node, views[0]
            seen = start if source == INPUT else fields[source]
            fields.append(_through(seen, view))
            near = start if source == INPUT else local[source]
            local.append(fields[-1] if near is seen or near == seen else _through(near, view))
            continue
        before = [start if i == INPUT else fields[i] for i, _ in node.inputs]
        inner = [start if i == INPUT else local[i] for i, _ in node.inputs] if gated else before
        outputs = network.shapes[node.index]
        assert outputs is not None, "views are known only where shapes are"
        assert network.input_shape is not None, "shapes are known only where that of the input is"
        meeting = partial(at_meeting, views=views, picture=network.input_shape)
        fields.append(_meet(meeting(before), outputs[0]))
        ungated = [field for field in meeting(inner) if field != "global"]
        local.append(_meet(ungated or ["global"], outputs[0]))
        gated = gated or fields[-1] != local[-1]
    return Fields(tuple(fields), tuple(local))


def at_meeting(
    fields: Sequence[Field | None], views: Sequence[View], picture: Shape
) -> list[Field | None]:
    """What the units of a node see through each of its inputs; `picture` is the network's input.

    Through a map of one place that is stretched every unit sees the same: a field of stride 0, or
    `global` where that is the whole picture.
    """
    return [
        "global" if _is_gate(field, view, picture) else _through(field, view)
        for field, view in zip(fields, views, strict=True)
    ]


def _is_gate(field: Field | None, view: View, picture: Shape) -> bool:
    """Whether a field that has seen the whole picture is that of one place, which is stretched."""
    if not isinstance(field, ReceptiveField) or not isinstance(view, tuple) or not is_map(picture):
        return False
    axes = zip(field.offset, field.size, places_of(picture), strict=True)
    sees_all = all(offset <= 0 and offset + size >= side for offset, size, side in axes)
    return sees_all and not any(window.stride for window in view)


def _meet(fields: Sequence[Field | None], output: Shape) -> Field | None:
    """The hull of what several paths see; None where their strides differ."""
    if None in fields:
        return None
    windows = [field for field in fields if isinstance(field, ReceptiveField)]
    if len(windows) < len(fields):
        return "global"
    first, *others = windows
    others = [window for window in others if window != first]
    if not others:
        return first
    units = places_of(output) or (1, 1)
    axes = [_hull(windows, axis, units[axis]) for axis in (0, 1)]
    height, width = axes
    if height is None or width is None:
        return None
    return ReceptiveField(*zip(height, width, strict=True))


def _hull(
    windows: Sequence[ReceptiveField], axis: int, units: int
) -> "tuple[Number, Number, Number] | None":
    """Size, stride and offset along an axis of so many units; None where strides differ.

    What is stretched stays where it is while the others move on: the hull reaches as far back as
    the last unit has to look, and as far ahead as the first.
    """
    strides = {window.stride[axis] for window in windows}
    moving = strides - {0} or strides
    if len(moving) > 1:
        return None
    (stride,) = moving
    back = (units - 1) * stride
    start = min(w.offset[axis] - (0 if w.stride[axis] else back) for w in windows)
    end = max(w.offset[axis] + w.size[axis] for w in windows)
    return end - start, stride, start


def _through(before: Field | None, view: View) -> Field | None:
    if before is None or view is None:
        return before
    if before == "global" or view == "global":
        return "global"
    (high, down, top), (wide, right, left) = _widen(before, 0, view[0]), _widen(before, 1, view[1])
    return ReceptiveField((high, wide), (down, right), (top, left))


def _widen(before: ReceptiveField, axis: int, window: Window) -> "tuple[Number, Number, Number]":
    jump = before.stride[axis]
    size = before.size[axis] + window.dilation * (window.kernel - 1) * jump
    return size, jump * window.stride, before.offset[axis] - window.before * jump


def explain(before: Field, view: View) -> Iterator[Text]:
    """The step from the field of what arrives to that of the output, with the numbers in it.

    Both axes in one where they agree, else height and width apart.
    """
    if view == "global":
        yield Text("field", "global: every output sees all of its input")
    elif before == "global":
        yield Text("field", "global, as what arrives")
    elif view is None:
        yield Text("field", f"r' = r = {_spell(before.size)}: each output looks at a single place")
    elif view[0] == view[1] and all(low == high for low, high in before):
        yield from _explain_axis(before, 1, view[1], "")
    else:
        yield from _explain_axis(before, 0, view[0], " height")
        yield from _explain_axis(before, 1, view[1], " width")


def _explain_axis(before: ReceptiveField, axis: int, window: Window, name: str) -> Iterator[Text]:
    jump, offset = before.stride[axis], before.offset[axis]
    size, stride, start = _widen(before, axis, window)
    dilation = ("D·", f"{window.dilation}·") if window.dilation > 1 else ("", "")
    step = f"{before.size[axis]} + {dilation[1]}({window.kernel} − 1)·{jump}"
    yield Text(f"field{name}", f"r' = r + {dilation[0]}(F − 1)·j = {step} = {size}")
    yield Text("", f"j' = j·S = {jump}·{window.stride} = {stride}")
    first = f"o' = o − P·j = {_signed(offset)} − {window.before}·{jump} = {_signed(start)}"
    last = start + size - 1
    yield Text("", f"{first}: unit u sees {place(stride, start)} to {place(stride, last)}")


def place(stride: "Number", offset: "Number") -> str:
    """A pixel of unit u's field: `4·u − 1`; the same for all units where the stride is 0."""
    if stride == 0:
        return _signed(offset)
    unit = "u" if stride == 1 else f"{stride}·u"
    return unit if offset == 0 else f"{unit} {'−' if offset < 0 else '+'} {abs(offset)}"


def _signed(number: "Number") -> str:
    return f"−{-number}" if number < 0 else str(number)


def _spell(sizes: Pair) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]}×{sizes[1]}"
