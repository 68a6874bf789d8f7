"""Ops that change height and width without reading windows: sizes, tensors and fields."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it
from torch.utils.flop_counter import FlopCounterMode

from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check_text
from archspec.diagnostics import Fault
from archspec.ops import OPS_BY_NAME, Shape, Unary
from tests.ops.strategies import dilations, pair, pairs, strides

META = torch.device("meta")
Span = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """Rows, and the same in PyTorch on a single channel of ones, whose outputs are never zero."""

    rows: tuple[str, ...]
    run: Callable[[torch.Tensor], torch.Tensor]


def yaml(value: Any) -> str:
    return str(value).replace("(", "[").replace(")", "]")


@st.composite
def transposed(draw: st.DrawFn) -> Step:
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2))
    padding = draw(st.integers(0, dilation * (kernel - 1)))
    row = f"op: conv_transpose2d, out_channels: 1, kernel_size: {kernel}, stride: {stride}"
    row += f", padding: {padding}, dilation: {dilation}"
    ones = torch.ones(1, 1, kernel, kernel, dtype=torch.float64)

    def run(x: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(x, ones, stride=stride, padding=padding, dilation=dilation)

    return Step((row,), run)


@st.composite
def upsampled(draw: st.DrawFn) -> Step:
    mode = draw(st.sampled_from(["nearest", "bilinear", "aligned"]))
    options: dict[str, Any] = {"mode": "nearest" if mode == "nearest" else "bilinear"}
    if mode == "aligned":
        options["align_corners"] = True
    row = f"op: upsample, mode: {options['mode']}"
    row += ", align_corners: true" if mode == "aligned" else ""
    if draw(st.booleans()):
        factor = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        row, options = f"{row}, scale_factor: {yaml(factor)}", options | {"scale_factor": factor}
    else:
        size = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
        row, options = f"{row}, size: {yaml(size)}", options | {"size": size}
    return Step((row,), lambda x: F.interpolate(x, **options))


def pointwise(channels: int) -> str:
    """A row that changes the number of channels and nothing else."""
    return f"op: conv2d, out_channels: {channels}, kernel_size: 1"


def repeated(x: torch.Tensor, factor: int) -> torch.Tensor:
    """A map's places, each `factor`² times: what a pixel shuffle does to places."""
    return F.pixel_shuffle(x.expand(1, factor**2, *x.shape[2:]), factor)


shuffled = st.integers(1, 4).map(
    lambda r: Step(
        (pointwise(r * r), f"op: pixel_shuffle, upscale_factor: {r}"), lambda x: repeated(x, r)
    )
)
unshuffled = st.sampled_from([1, 2, 3, 4, 6]).map(
    lambda r: Step(
        (f"op: pixel_unshuffle, downscale_factor: {r}", pointwise(1)),
        lambda x: F.pixel_unshuffle(x, r).sum(1, keepdim=True),
    )
)
padded = st.tuples(*[st.integers(0, 3)] * 4).map(
    lambda p: Step(
        (f"op: zero_pad2d, padding: [[{p[0]}, {p[1]}], [{p[2]}, {p[3]}]]",),
        lambda x: F.pad(x, (p[2], p[3], p[0], p[1])),
    )
)
windows = st.tuples(st.integers(1, 3), st.integers(1, 2)).map(
    lambda w: Step(
        (f"op: conv2d, out_channels: 1, kernel_size: {w[0]}, stride: {w[1]}",),
        lambda x: F.avg_pool2d(x, w[0], w[1]),
    )
)
resizing = st.one_of(transposed(), upsampled(), shuffled, unshuffled, padded)


def field_of(steps: list[Step], shape: Shape) -> tuple[ReceptiveField, Shape]:
    """The field and the shape behind the steps."""
    text = f"archspec: 1\nname: Net\ninput: {list(shape)}\nlayers:\n"
    result = check_text(text + "".join(f"  - {{{row}}}\n" for step in steps for row in step.rows))
    assume(all(f.name not in ("window-too-large", "not-divisible") for f in result.diagnostics))
    assert result.ok, [fault.message for fault in result.diagnostics]
    assert result.network is not None
    assert result.results is not None
    field, output = result.results.fields[-1], result.network.shape_of(result.network.output)
    assert isinstance(field, ReceptiveField)
    assert output is not None
    return field, output


def supports(steps: list[Step], shape: Shape) -> list[list[Span | None]]:
    """For either axis, the first and last input that each output reads; None where it reads none.

    Asked along the middle of the other axis, which every op here treats apart.
    """
    found: list[list[Span | None]] = [[], []]
    picture = torch.ones(1, 1, *shape[1:], dtype=torch.float64, requires_grad=True)
    output = picture
    for step in steps:
        output = step.run(output)
    for axis in (0, 1):
        lines = output[0, 0].sum(1 - axis)
        for line in lines:
            (gradient,) = torch.autograd.grad(line, picture, retain_graph=True)
            read = gradient[0, 0].sum(1 - axis).nonzero()
            found[axis].append((int(read.min()), int(read.max())) if len(read) else None)
    return found


def first_of(field: ReceptiveField, axis: int, unit: int) -> Fraction:
    return Fraction(unit * field.stride[axis] + field.offset[axis])


@given(resizing, st.sampled_from([6, 12]), st.sampled_from([6, 12]))
@settings(max_examples=80, deadline=None)
def test_the_field_is_the_tightest_that_holds_for_all_units(
    step: Step, height: int, width: int
) -> None:
    """Nothing outside is read, and at either end some unit reads the very last it may."""
    shape = (1, height, width)
    field, output = field_of([step], shape)
    for axis, seen in enumerate(supports([step], shape)):
        assert len(seen) == output[1 + axis]
        before, after, inside = [], [], 0
        for unit, span in enumerate(seen):
            first = first_of(field, axis, unit)
            last = first + field.size[axis] - 1
            is_inside = first >= 0 and last <= shape[1 + axis] - 1
            inside += is_inside
            if span is None:
                continue
            assert first <= span[0] <= span[1] <= last
            before += [span[0] - first] * is_inside
            after += [last - span[1]] * is_inside
        if before and inside >= Fraction(field.stride[axis]).denominator:
            assert min(before) == min(after) == 0


@given(st.lists(st.one_of(windows, resizing), min_size=2, max_size=3))
@settings(max_examples=40, deadline=None)
def test_behind_each_other_nothing_outside_is_read(steps: list[Step]) -> None:
    shape = (1, 12, 12)
    field, output = field_of(steps, shape)
    for axis, seen in enumerate(supports(steps, shape)):
        assert len(seen) == output[1 + axis]
        for unit, span in enumerate(seen):
            first = first_of(field, axis, unit)
            if span is not None:
                assert first <= span[0] <= span[1] <= first + field.size[axis] - 1


def make(name: str, **attributes: Any) -> Unary:
    op = OPS_BY_NAME[name](**attributes)
    assert isinstance(op, Unary)
    return op


def run(module: nn.Module, shape: Shape) -> tuple[Shape, int]:
    """The shape that PyTorch gives, () where it refuses or nothing is left, and its FLOPs."""
    with FlopCounterMode(display=False) as counter:
        try:
            output = tuple(module(torch.empty(1, *shape, device=META)).shape[1:])
        except RuntimeError as error:
            if re.search(r"output|negative dimension", str(error)):
                return (), 0
            raise
    return () if 0 in output else output, counter.get_total_flops()


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    pairs,
    strides,
    dilations,
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=300)
def test_a_transposed_convolution_is_pytorchs(
    shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Any, extra: Any, groups: int,
    bias: Any,
) -> None:  # fmt: skip
    """Its size, or refusal; its tensors; and its operations, half of PyTorch's FLOPs."""
    shape = (groups * shape[0], *shape[1:])
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    attributes = {"out_channels": 2 * groups, "output_padding": extra, "bias": bias, **sizes}
    padded_by = {"height": padding[0], "width": padding[1]}
    op = make("conv_transpose2d", padding=padded_by, **attributes)
    module = nn.ConvTranspose2d(
        shape[0],
        2 * groups,
        kernel_size=pair(kernel),
        stride=pair(stride),
        dilation=pair(dilation),
        padding=padding,
        output_padding=extra,
        groups=groups,
        bias=bias,
        device=META,
    )
    theirs, flops = run(module, shape)
    try:
        ours = op.output_shape(shape)
    except Fault:
        ours = ()
    assert ours == theirs
    if not ours:
        return
    held = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert {tensor.name: tensor.shape for tensor in op.state(shape)} == held
    counts = op.counts(shape, ours)
    assert counts is not None
    assert 2 * counts.macs == flops
    (line,) = [text.how for text in op.macs_text(shape)]
    assert line.replace(" ", "").endswith(f"={counts.macs}")
