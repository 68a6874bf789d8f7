"""Receptive fields, to the pixel: how far a NaN of the input goes.

A NaN survives every arithmetic, a product with zero included, so that the units of a module that
are NaN are exactly those that see a pixel that was NaN, whatever the weights are. Where every row
before one is NaN, or every row behind it, the border among the units tells where their fields
begin and end: for all modules at once, and for all they could see. One column of pixels is enough
to look along the height, and one row along the width.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import lcm, nan
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from archspec.analysis.receptive_field import ReceptiveField
from archspec.graph.network import INPUT, Node
from archspec.ops.base import View
from archspec.ops.shape import Shape, Shapes, channels_of, kind_of, like, with_channels
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.making import ShapesOnly
from archspec.proof.subject import Effort, Subject
from archspec.proof.weights import positive_state
from archspec.report.figures import counted

BUDGETS: dict[Effort, float] = {"quick": 2e9, "normal": 20e9, "full": 4e12}
"""Multiply-accumulates that tracing along one axis may cost."""
CHUNK = 60_000
"""Pixels that are traced at a time, a picture's worth."""
MARGIN = 8
"""Pixels beyond a field, and two strides more, in which a larger one would show."""
AXES = ("rows", "columns")


class Candidate(NamedTuple):
    """A node whose field can be looked at, and that field; `channels` are those of its output."""

    node: Node
    field: ReceptiveField
    channels: int
    channels_last: bool

    def along(self, axis: int) -> tuple[int, int, int]:
        """Size, stride and offset along an axis."""
        size, stride, offset = (int(pair[axis]) for pair in self.field)
        return size, stride, offset

    def as_map(self, output: Tensor) -> Tensor | None:
        """The module's output as (N, C, H, W), None where it is something else."""
        turned = output.movedim(-1, 1) if self.channels_last else output
        return turned if turned.dim() == 4 and turned.shape[1] == self.channels else None

    @property
    def reach(self) -> int:
        """The larger of the field's height and width."""
        return max(int(size) for size in self.field.size)


class Edge(NamedTuple):
    """Where NaN ends or begins on a strip: all before `at` are NaN, or all from it on."""

    before: bool
    at: int


class Trace(NamedTuple):
    """A strip of pixels along an axis: its length and breadth, and where edges lie in it.

    Before an edge of `begins`, or from one of `ends` on, all pixels are NaN. Units count whose
    fields begin at pixel `start` or later.
    """

    axis: int
    length: int
    breadth: int
    start: int
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def pixels(self) -> int:
        """Pixels of all strips together."""
        return self.length * self.breadth * (len(self.begins) + len(self.ends))

    def strips(self, channels: int) -> Iterator[tuple[list[Edge], Tensor]]:
        """Inputs (N, C, H, W), a picture's worth at a time, with the edge that lies in each."""
        edges = [Edge(before=True, at=at) for at in self.begins]
        edges += [Edge(before=False, at=at) for at in self.ends]
        step = max(1, CHUNK // (self.length * self.breadth))
        for start in range(0, len(edges), step):
            chosen = edges[start : start + step]
            strips = torch.ones(len(chosen), channels, self.length, self.breadth)
            for strip, edge in zip(strips, chosen, strict=True):
                strip[:, slice(0, edge.at) if edge.before else slice(edge.at, None)] = nan
            yield chosen, strips if self.axis == 0 else strips.transpose(2, 3).contiguous()


class Seen(NamedTuple):
    """Where fields begin and end, counted from where they should: the extremes over all units.

    (0, 0) each, where every unit sees what was computed.
    """

    first: tuple[int, int]
    last: tuple[int, int]


def prove_fields(subject: Subject) -> Proof:
    """Every unit of a module sees exactly the rows and columns computed, no fewer and no more.

    Modules whose fields are whole numbers and do not depend on the input's size are looked at.
    """
    claim = "receptive_field"
    if len(subject.input_shape) != 3:
        return not_applicable(claim, "the input is no picture")
    finite = sum(isinstance(field, ReceptiveField) for field in subject.results.fields)
    candidates = _candidates(subject)
    breadths = [_breadths(subject, candidates, axis) for axis in (0, 1)]
    candidates = [c for c in candidates if all(c.node.path in found for found in breadths)]
    if not candidates:
        return not_applicable(claim, "no module has a finite field that every size shares")
    allowed = _affordable(subject, candidates, breadths)
    if not allowed:
        smallest = min(candidate.reach for candidate in candidates)
        return not_applicable(claim, f"fields from {smallest} pixels on take --full")
    found: list[Difference] = []
    for axis in (0, 1):
        trace = _trace(subject, allowed, axis, breadths[axis])
        differing = _compare(subject, allowed, trace, torch.float32)
        if differing:
            # Some fast convolutions compute neighbours together and spread a NaN; that of float64,
            # on an ordinary tensor, does not.
            # And of a narrow strip, units may see nothing but the padding beside it.
            paths = {difference.where for difference in differing}
            again = [candidate for candidate in allowed if candidate.node.path in paths]
            differing = _compare(subject, again, _wider(subject, again, trace), torch.float64)
        found += differing
    largest = max(candidate.reach for candidate in allowed)
    text = f"{len(allowed)} of {counted(finite, 'node')} with a finite field"
    if found:
        wrong = len({difference.where for difference in found})
        return verdict(claim, f"{text} compared, {wrong} have another", found)
    text += f" see exactly the pixels computed, up to {largest} across"
    if len(allowed) < len(candidates):
        left = len(candidates) - len(allowed)
        text += f"; {left} larger {'one takes' if left == 1 else 'ones take'} --full"
    return verdict(claim, text)


def _candidates(subject: Subject) -> list[Candidate]:
    """Nodes that are modules with maps and whole fields, which no input size changes."""
    network = subject.network
    modules = dict(subject.meta.named_modules())
    fixed: list[bool] = []
    found = []
    for node in network.nodes:
        shape, arriving = network.shape_of(node.output), network.arriving(node)
        before = all(index == INPUT or fixed[index] for index, _ in node.inputs)
        fixed.append(before and arriving is not None and _is_steady(node, arriving))
        field = subject.results.fields[node.index]
        if (
            fixed[-1]
            and isinstance(field, ReceptiveField)
            and shape is not None
            and len(shape) == 3
            and node.path in modules
            and network.is_evaluated(node)
            and all(number == int(number) for pair in field for number in pair)
            and min(field.stride) >= 1
        ):
            last = kind_of(shape) == "channels_last"
            found.append(Candidate(node, field, channels_of(shape), last))
    return found


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
    """Kernels, strides and dilations: what strips are long enough for settles the padding."""
    if view is None or view == "global":
        return view
    return [(window.kernel, window.stride, window.dilation) for window in view]


Breadths = dict[str, int]
"""By module: the least breadth of a strip on which it runs."""


def _breadths(subject: Subject, candidates: list[Candidate], axis: int) -> Breadths:
    """The least width (for axis 0; height for 1) on which modules run, tried in growing steps.

    Along the axis the strip is longer than the input by whole inputs: paths of several
    resolutions meet only where every stride divides the size.
    """
    _, *sides = subject.input_shape
    wanted = {candidate.node.path: candidate for candidate in candidates}
    longest = max((candidate.reach for candidate in candidates), default=1)
    along = sides[axis] * max(2, -(-longest // sides[axis]))
    found: Breadths = {}
    network = subject.meta
    for breadth in _growing(sides[1 - axis]):
        size = (along, breadth) if axis == 0 else (breadth, along)
        for path in _reached(subject, network, wanted, size):
            found.setdefault(path, breadth)
        if len(found) == len(wanted):
            break
    return found


def _growing(last: int) -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, … and `last`: whatever strides of 2 and 3 divide is among them."""
    breadth = 1
    while breadth < last:
        yield breadth
        breadth += max(1, breadth // (2 if breadth & (breadth - 1) == 0 else 3))
    yield last


class _EnoughError(Exception):
    """Ends a forward pass: what comes next is not wanted, or fits the network's own size only."""


def _reached(
    subject: Subject, network: nn.Module, wanted: dict[str, Candidate], size: tuple[int, int]
) -> set[str]:
    """Which of the wanted modules run on an input of that height and width, and give maps."""
    seen: set[str] = set()

    def keep(path: str, output: Tensor) -> None:
        if wanted[path].as_map(output) is not None:
            seen.add(path)

    hooks = _watch(subject, network, set(wanted), keep)
    # Whatever stops it, these have run by then.
    with suppress(_EnoughError, RuntimeError, ValueError), torch.no_grad(), ShapesOnly():
        network(torch.empty(1, subject.input_shape[0], *size, device="meta"))
    for hook in hooks:
        hook.remove()
    return seen


def _watch(
    subject: Subject, network: nn.Module, wanted: set[str], keep: Callable[[str, Tensor], None]
) -> list[RemovableHandle]:
    """Hand the outputs of the wanted modules to `keep`, and stop behind the last of them.

    Also stop before a module that takes a vector of another size than the network's own.
    """
    left = set(wanted)
    hooks = []
    vectors = {
        node.path: shapes[0]
        for node in subject.network.nodes
        if (shapes := subject.network.arriving(node)) is not None and len(shapes[0]) == 1
    }

    for path, module in network.named_modules():
        if path in vectors:

            def refuse(_: nn.Module, inputs: Any, own: Any = vectors[path]) -> None:
                if tuple(inputs[0].shape[1:]) != own:
                    raise _EnoughError

            hooks.append(module.register_forward_pre_hook(refuse))
        if path in wanted:

            def look(_: nn.Module, __: Any, output: Any, path: str = path) -> None:
                if isinstance(output, Tensor):
                    keep(path, output)
                left.discard(path)
                if not left:
                    raise _EnoughError

            hooks.append(module.register_forward_hook(look))
    return hooks


def _affordable(
    subject: Subject, candidates: list[Candidate], breadths: Sequence[Breadths]
) -> list[Candidate]:
    """The candidates with the smallest fields, as many as the budget pays for."""
    _, height, width = subject.input_shape
    sums, total = [], 0
    for node in subject.network.nodes:
        counts = subject.results.operations[node.index]
        total += counts.macs if counts is not None and subject.network.is_evaluated(node) else 0
        sums.append(total)

    def chosen(reach: int) -> list[Candidate]:
        return [candidate for candidate in candidates if candidate.reach <= reach]

    def cost(reach: int) -> float:
        last = max(candidate.node.index for candidate in chosen(reach))
        traces = (_trace(subject, chosen(reach), axis, breadths[axis]) for axis in (0, 1))
        return sums[last] * max(trace.pixels for trace in traces) / (height * width)

    reaches = sorted({candidate.reach for candidate in candidates})
    paid = bisect_right(reaches, BUDGETS[subject.effort], key=cost)  # more fields cost more
    return chosen(reaches[paid - 1]) if paid else []


def _trace(
    subject: Subject, candidates: Sequence[Candidate], axis: int, breadths: Breadths
) -> Trace:
    """The shortest strip on which no border hides anything of these fields.

    It is as long as the network's own input but for whole strides: TensorFlow's 'same' padding
    depends on what a stride leaves over of the size, and with the padding the place of a field.
    """
    measures = sorted((c.along(axis) for c in candidates), key=lambda m: -m[1])
    margin = 2 * max(stride for _, stride, _ in measures) + MARGIN
    start = max(0, *(offset for _, _, offset in measures))
    beyond = max(0, *(offset + size for size, _, offset in measures))
    begins: list[int] = []
    ends: list[int] = []
    for size, stride, offset in measures:
        for edge in (offset, offset + 1):  # a field begins behind the edge; one pixel lies before
            _place_edge(begins, edge, stride, start + margin)
        for edge in (offset + size, offset + size - 1):  # likewise, where it ends
            _place_edge(ends, edge, stride, beyond)
    longest = max(size for size, _, _ in measures)
    length = max(max(begins) + longest, max(ends) + margin)
    length += (subject.input_shape[1 + axis] - length) % lcm(*(stride for _, stride, _ in measures))
    breadth = max(breadths[candidate.node.path] for candidate in candidates)
    return Trace(axis, length, breadth, start, tuple(begins), tuple(ends))


def _wider(subject: Subject, candidates: Sequence[Candidate], trace: Trace) -> Trace:
    """The trace on a strip so broad that some unit sees no padding: a field and a stride.

    It is as broad as the network's own input, or a multiple of that.
    """
    own = subject.input_shape[2 - trace.axis]
    widest = max(sum(candidate.along(1 - trace.axis)[:2]) for candidate in candidates)
    return trace._replace(breadth=max(trace.breadth, own * -(-widest // own)))


def _place_edge(edges: list[int], edge: int, stride: int, least: int) -> None:
    """Add an edge from `least` on, whole strides from `edge`, unless there is one."""
    if not any((at - edge) % stride == 0 for at in edges):
        edges.append(least + (edge - least) % stride)


def _compare(
    subject: Subject, candidates: Sequence[Candidate], trace: Trace, dtype: torch.dtype
) -> list[Difference]:
    """The candidates whose units see other pixels than computed, along the trace's axis."""
    network = subject.with_state(positive_state(subject.meta, dtype))
    fast = dtype is torch.float32
    layout = torch.channels_last if fast else torch.contiguous_format
    wanted = {candidate.node.path: candidate for candidate in candidates}
    seen: dict[str, list[Seen]] = {path: [] for path in wanted}
    for edges, strips in trace.strips(subject.input_shape[0]):

        def keep(path: str, output: Tensor, edges: list[Edge] = edges) -> None:
            units = wanted[path].as_map(output)
            assert units is not None
            # Over channels, and across the strip: a unit for each place along the axis.
            touched = units.sum(dim=(1, 3 - trace.axis)).isnan()
            measures = wanted[path].along(trace.axis)
            seen[path] += [
                _look(shown, edge, measures, trace)
                for shown, edge in zip(touched, edges, strict=True)
            ]

        hooks = _watch(subject, network, set(wanted), keep)
        # What comes behind the wanted modules may fit no strip.
        with suppress(_EnoughError, RuntimeError, ValueError), torch.no_grad():
            network(strips.to(dtype, memory_format=layout))
        for hook in hooks:
            hook.remove()
    return list(_differences(candidates, trace.axis, seen))


def _look(units: Tensor, edge: Edge, measures: tuple[int, int, int], trace: Trace) -> Seen:
    """What one strip shows of one module, whose units `units` are NaN or not.

    A unit that is NaN sees a pixel before the edge; one that is not begins behind it. So both
    bound where fields begin, and likewise where they end.
    """
    size, stride, offset = measures
    first = torch.arange(len(units)) * stride + offset
    last = first + size - 1
    if edge.before:
        shown = first >= trace.start  # the others begin in the padding
        early = _least(edge.at - 1 - first[shown & units])
        late = _most(edge.at - first[shown & ~units])
        return Seen((early, late), (0, 0))
    shown = last < trace.length  # the others end in it
    late = _most(edge.at - last[shown & units])
    early = _least(edge.at - 1 - last[shown & ~units])
    return Seen((0, 0), (early, late))


def _least(numbers: Tensor) -> int:
    """The least of numbers, where it is less than 0."""
    return min(0, int(numbers.min())) if len(numbers) else 0


def _most(numbers: Tensor) -> int:
    """The largest of numbers, where it is more than 0."""
    return max(0, int(numbers.max())) if len(numbers) else 0


def _differences(
    candidates: Sequence[Candidate], axis: int, seen: dict[str, list[Seen]]
) -> Iterator[Difference]:
    for candidate in candidates:
        size, stride, offset = candidate.along(axis)
        shown = seen[candidate.node.path]
        first = _worst([look.first for look in shown])
        last = _worst([look.last for look in shown])
        if first or last or not shown:
            expected = _spell(axis, stride, offset, offset + size - 1)
            got = _spell(axis, stride, offset + first, offset + size - 1 + last)
            yield Difference(candidate.node.path, expected, got if shown else "nothing")


def _worst(extremes: list[tuple[int, int]]) -> int:
    """The number farthest from 0."""
    return max((number for pair in extremes for number in pair), key=abs, default=0)


def _spell(axis: int, stride: int, first: int, last: int) -> str:
    """`unit u sees rows 4·u − 1 to 4·u + 9`."""
    return f"unit u sees {AXES[axis]} {_place(stride, first)} to {_place(stride, last)}"


def _place(stride: int, offset: int) -> str:
    unit = "u" if stride == 1 else f"{stride}·u"
    return f"{unit} {'−' if offset < 0 else '+'} {abs(offset)}" if offset else unit
