"""Which fields can be looked at in a module: those that are exact, whatever the input's size."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from archspec.analysis.phases import Axis
from archspec.analysis.receptive_field import ReceptiveField
from archspec.graph.network import INPUT, Node
from archspec.ops import View, Window
from archspec.ops.shape import Shape, Shapes, channels_of, kind_of, like, places_of, with_channels
from archspec.proof.subject import Subject

LARGEST = 2**16
"""Strides that are looked at: a strip is longer than two of them."""


class Candidate(NamedTuple):
    """A node whose field can be looked at, and that field; `channels` are those of its output."""

    node: Node
    field: ReceptiveField
    channels: int
    channels_last: bool

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The field along the height and along the width."""
        return self.field.height, self.field.width

    def as_map(self, output: Tensor) -> Tensor | None:
        """The module's output as (N, C, H, W), None where it is something else."""
        turned = output.movedim(-1, 1) if self.channels_last else output
        return turned if turned.dim() == 4 and turned.shape[1] == self.channels else None

    @property
    def reach(self) -> int:
        """The larger of the field's height and width."""
        return max(self.field.size)


def steady_nodes(subject: Subject) -> list[Node]:
    """The nodes whose fields no input size changes."""
    network = subject.network
    fixed: list[bool] = []
    for node in network.nodes:
        arriving = network.arriving(node)
        before = all(index == INPUT or fixed[index] for index, _ in node.inputs)
        fixed.append(before and arriving is not None and _is_steady(node, arriving))
    return [node for node in network.nodes if fixed[node.index]]


def candidates_of(subject: Subject, steady: Sequence[Node]) -> list[Candidate]:
    """Those of the steady nodes that are modules with maps, whose fields are exact."""
    network = subject.network
    modules = dict(subject.meta.named_modules())
    found = []
    for node in steady:
        shape, field = network.shape_of(node.output), subject.results.fields[node.index]
        if (
            isinstance(field, ReceptiveField)
            and not field.bound
            and not field.is_empty
            and min(field.stride) > 0
            and max(field.height.stride, field.width.stride) <= LARGEST
            and shape is not None
            and len(shape) == 3
            and node.path in modules
            and network.is_evaluated(node)
        ):
            last = kind_of(shape) == "channels_last"
            found.append(Candidate(node, field, channels_of(shape), last))
    return found


class Margins(NamedTuple):
    """How far from the ends of the input fields have to lie for no border to cut them.

    A unit that sees what a unit outside of a map would see is cut: in its place there is padding,
    or an end that was cut off. Such units' fields begin before pixel `before`, or end so many
    pixels, `behind`, before the input's end or later.
    """

    before: int
    behind: int


def margins_of(subject: Subject, steady: Sequence[Node], axis: int) -> Margins:
    """The margins along an axis: of the input itself, and of the map of every node."""
    size = subject.input_shape[1 + axis]
    before, behind = 0, 0
    for node in steady:
        shape, field = subject.network.shape_of(node.output), subject.results.fields[node.index]
        if not isinstance(field, ReceptiveField) or shape is None or len(shape) != 3:
            continue
        along, count = field[axis], places_of(shape)[axis]
        early = [along.of(unit) for unit in range(-along.period, 0)]
        late = [along.of(unit) for unit in range(count, count + along.period)]
        before = max(before, *(span[0] + 1 for span in early if span), 0)
        behind = max(behind, *(size - span[1] for span in late if span), 0)
    return Margins(before, behind)


def _is_steady(node: Node, shapes: Shapes) -> bool:
    """Whether a step looks through the same windows, whatever the size of what arrives."""
    if node.op is None:
        return False
    views = zip(node.op.views(shapes), node.op.views([*map(_larger, shapes)]), strict=True)
    return all(_windows(view) == _windows(larger) for view, larger in views)


def _larger(shape: Shape) -> Shape:
    if len(shape) != 3:
        return shape
    larger = (2 * size + 1 for size in shape)
    return with_channels(like(shape, larger), channels_of(shape))


def _windows(view: View) -> Any:
    """Windows but for their padding: what strips are long enough for settles it."""
    if view is None or view == "global":
        return view
    return [r._replace(before=0) if isinstance(r, Window) else r for r in view]
