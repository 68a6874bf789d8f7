"""Receptive fields, to the pixel: how far a NaN of the input goes.

A NaN survives every arithmetic, a product with zero included, so that the units of a module that
are NaN are exactly those that see a pixel that was NaN, whatever the weights are. Where every row
before one is NaN, or every row behind it, the border among the units tells where their fields
begin and end: for all modules at once, and for all they could see. One column of pixels is enough
to look along the height, and one row along the width.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

from archspec.analysis.phases import Axis
from archspec.analysis.receptive_field import ReceptiveField
from archspec.proof.breadths import STOPS, Breadths, breadths_of, common_stride, watch
from archspec.proof.candidates import (
    Candidate,
    Margins,
    candidates_of,
    margins_of,
    steady_nodes,
)
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.strips import Deviations, Edge, Trace, Units, look
from archspec.proof.subject import Effort, Subject
from archspec.proof.weights import positive_state
from archspec.report.field_steps import place
from archspec.report.figures import counted

BUDGETS: dict[Effort, float] = {"quick": 2e9, "normal": 20e9, "full": 4e12}
"""Multiply-accumulates that tracing along one axis may cost."""
MARGIN = 8
"""Pixels beyond a field, and two strides more, in which a larger one would show."""
AXES = ("rows", "columns")
EPSILON = 1e-5


def prove_fields(subject: Subject) -> Proof:
    """Every unit of a module sees exactly the rows and columns computed, no fewer and no more.

    Modules whose fields are exact and do not depend on the input's size are looked at.
    """
    claim = "receptive_field"
    if len(subject.input_shape) != 3:
        return not_applicable(claim, "the input is no picture")
    finite = sum(isinstance(field, ReceptiveField) for field in subject.results.fields)
    steady = steady_nodes(subject)
    candidates = candidates_of(subject, steady)
    breadths = [breadths_of(subject, candidates, axis) for axis in (0, 1)]
    candidates = [c for c in candidates if all(c.node.path in found for found in breadths)]
    if not candidates:
        return not_applicable(claim, "no module has a finite field that every size shares")
    margins = [margins_of(subject, steady, axis) for axis in (0, 1)]
    allowed = _affordable(subject, candidates, breadths, margins)
    if not allowed:
        smallest = min(candidate.reach for candidate in candidates)
        return not_applicable(claim, f"fields from {smallest} pixels on take --full")
    found: list[Difference] = []
    network = _probe(subject, torch.float32)
    for axis in (0, 1):
        trace = _trace(subject, allowed, axis, breadths[axis], margins[axis])
        differing = _compare(subject, network, allowed, trace, torch.float32)
        if differing:
            # Some fast convolutions compute neighbours together and spread a NaN; that of float64,
            # on an ordinary tensor, does not.
            # And of a narrow strip, units may see nothing but the padding beside it.
            paths = {difference.where for difference in differing}
            again = [candidate for candidate in allowed if candidate.node.path in paths]
            exact = _probe(subject, torch.float64)
            wider = _wider(subject, again, trace)
            differing = _compare(subject, exact, again, wider, torch.float64)
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


def _probe(subject: Subject, dtype: torch.dtype) -> nn.Module:
    """The network with tensors for tracing. No norm divides by zero: that would be NaN itself."""
    network = subject.with_state(positive_state(subject.meta, dtype))
    for module in network.modules():
        if getattr(module, "eps", None) == 0:
            module.eps = EPSILON  # type: ignore[assignment]  # a number, of whatever norm it is
    return network


def _affordable(
    subject: Subject,
    candidates: list[Candidate],
    breadths: Sequence[Breadths],
    margins: Sequence[Margins],
) -> list[Candidate]:
    """The candidates with the smallest fields, as many as the budget pays for."""
    _, height, width = subject.input_shape
    sums, total = [], 0
    for node in subject.network.nodes:
        counts = subject.results.operations[node.index]
        total += counts.macs if counts is not None and subject.network.is_evaluated(node) else 0
        sums.append(total)

    reaching = [candidate.reach for candidate in candidates]

    def chosen(reach: int) -> list[Candidate]:
        pairs = zip(candidates, reaching, strict=True)
        return [candidate for candidate, own in pairs if own <= reach]

    def cost(reach: int) -> float:
        last = max(candidate.node.index for candidate in chosen(reach))
        traces = (
            _trace(subject, chosen(reach), axis, breadths[axis], margins[axis]) for axis in (0, 1)
        )
        return sums[last] * max(trace.pixels for trace in traces) / (height * width)

    reaches = sorted({*reaching})
    paid = bisect_right(reaches, BUDGETS[subject.effort], key=cost)  # more fields cost more
    return chosen(reaches[paid - 1]) if paid else []


def _trace(
    subject: Subject,
    candidates: Sequence[Candidate],
    axis: int,
    breadths: Breadths,
    margins: Margins,
) -> Trace:
    """The shortest strip on which no border hides anything of these fields.

    It is as long as the network's own input but for whole strides: TensorFlow's 'same' padding
    depends on what a stride leaves over of the size, and with the padding the place of a field.
    """
    axes = sorted({candidate.axes[axis] for candidate in candidates}, key=lambda a: -a.stride)
    longest, largest = max(a.size for a in axes), int(axes[0].stride)
    margin = 2 * largest + MARGIN
    begins: list[int] = []
    ends: list[int] = []
    for along in axes:
        spans = {span for span in along.spans if span is not None}
        for first, last in sorted(spans):
            for edge in (first, first + 1):  # a field begins behind the edge; one pixel before it
                _place_edge(begins, edge, int(along.stride), margins.before + margin)
            for edge in (last + 1, last):  # likewise, where it ends
                _place_edge(ends, edge, int(along.stride), margins.before + longest)
    length = max(max(begins) + longest, max(ends) + margin) + margins.behind
    length += (subject.input_shape[1 + axis] - length) % common_stride(candidates, axis)
    breadth = max(breadths[candidate.node.path] for candidate in candidates)
    stop = length - margins.behind
    return Trace(axis, length, breadth, margins.before, stop, tuple(begins), tuple(ends))


def _wider(subject: Subject, candidates: Sequence[Candidate], trace: Trace) -> Trace:
    """The trace on a strip so broad that some unit sees no padding: a field and three strides.

    Of a period of units some may see nothing, and a crop may take others away. It is as broad as
    the network's own input, or a multiple of that.
    """
    own = subject.input_shape[2 - trace.axis]
    across = [candidate.axes[1 - trace.axis] for candidate in candidates]
    widest = int(max(along.size + 3 * along.stride for along in across))
    return trace._replace(breadth=max(trace.breadth, own * -(-widest // own)))


def _place_edge(edges: list[int], edge: int, stride: int, least: int) -> None:
    """Add an edge from `least` on, whole strides from `edge`, unless there is one."""
    if not any((at - edge) % stride == 0 for at in edges):
        edges.append(least + (edge - least) % stride)


def _compare(
    subject: Subject,
    network: nn.Module,
    candidates: Sequence[Candidate],
    trace: Trace,
    dtype: torch.dtype,
) -> list[Difference]:
    """The candidates whose units see other pixels than computed, along the trace's axis."""
    fast = dtype is torch.float32
    layout = torch.channels_last if fast else torch.contiguous_format
    wanted = {candidate.node.path: candidate for candidate in candidates}
    seen: dict[str, Deviations] = {}
    computed: dict[str, Units] = {}
    for edges, strips in trace.strips(subject.input_shape[0]):

        def keep(path: str, output: Tensor, edges: list[Edge] = edges) -> None:
            units = wanted[path].as_map(output)
            assert units is not None
            # Over channels, and across the strip: a unit for each place along the axis.
            touched = units.sum(dim=(1, 3 - trace.axis)).isnan()
            if path not in computed:
                computed[path] = Units.of(wanted[path].axes[trace.axis], touched.shape[1])
            found = seen.setdefault(path, Deviations({}, {}, set()))
            for shown, edge in zip(touched, edges, strict=True):
                look(shown, edge, computed[path], trace, found)

        hooks = watch(subject, network, set(wanted), keep)
        # What comes behind the wanted modules may fit no strip.
        with suppress(*STOPS), torch.no_grad():
            network(strips.to(dtype, memory_format=layout))
        for hook in hooks:
            hook.remove()
    return list(_differences(candidates, trace.axis, seen))


def _differences(
    candidates: Sequence[Candidate], axis: int, seen: dict[str, Deviations]
) -> Iterator[Difference]:
    """A difference for each candidate, told of the phase that is farthest off."""
    for candidate in candidates:
        along, found = candidate.axes[axis], seen.get(candidate.node.path)
        if found is None:
            phase = next(k for k, span in enumerate(along.spans) if span is not None)
            yield Difference(candidate.node.path, _spell(axis, along, phase), "nothing")
        elif found.first or found.last:
            deviations = {**found.last, **found.first}
            phase = max(
                deviations,
                key=lambda k: max(abs(found.first.get(k, 0)), abs(found.last.get(k, 0))),
            )
            off = found.first.get(phase, 0), found.last.get(phase, 0)
            expected, got = _spell(axis, along, phase), _spell(axis, along, phase, off)
            yield Difference(candidate.node.path, expected, got)
        elif found.unseen:
            phase = min(found.unseen)
            got = f"{_spell(axis, along, phase).removesuffix('nothing')}something"
            yield Difference(candidate.node.path, _spell(axis, along, phase), got)


def _spell(axis: int, along: Axis, phase: int, off: tuple[int, int] = (0, 0)) -> str:
    """`unit u sees rows 4·u − 1 to 4·u + 9`, `unit 2·q + 1 sees rows 2·q to 2·q + 3`."""
    name = "u" if along.period == 1 else "q"
    unit, span = place(along.period, phase, name), along.spans[phase]
    if span is None:
        return f"unit {unit} sees nothing"
    first, last = (place(along.stride, at + by, name) for at, by in zip(span, off, strict=True))
    return f"unit {unit} sees {AXES[axis]} {first} to {last}"
