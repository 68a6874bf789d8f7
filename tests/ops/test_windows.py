"""Output sizes, parameters and operations of windows are those of PyTorch's own modules."""

import re
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it
from torch.utils.flop_counter import FlopCounterMode

from archspec.diagnostics import Fault
from archspec.diagnostics.shapes import PoolingPadding
from archspec.ops import OPS_BY_NAME, Shape, Unary
from tests.ops.strategies import Ends, Padding, dilations, paddings, pair, pairs, shapes, strides

META = torch.device("meta")


def make(name: str, **attributes: Any) -> Unary:
    op = OPS_BY_NAME[name](**attributes)
    assert isinstance(op, Unary)
    return op


def macs_of(op: Unary, shape: Shape, output: Shape) -> int:
    counts = op.counts(shape, output)
    assert counts is not None
    return counts.macs


def our_shape(op: Unary, shape: Shape) -> Shape | None:
    """What the op says, None where it says that nothing fits."""
    try:
        return op.output_shape(shape)
    except Fault:
        return None


def their_shape(module: nn.Module, shape: Shape, ends: Ends) -> Shape | None:
    """What PyTorch makes of a padded input, None where it refuses."""
    (top, bottom), (left, right) = ends
    padded = F.pad(torch.empty(1, *shape, device=META), (left, right, top, bottom))
    try:
        return tuple(module(padded).shape[1:])
    except RuntimeError as error:
        if re.search(r"kernel size|output size", str(error), re.IGNORECASE):
            return None
        raise


NONE: Ends = ((0, 0), (0, 0))


@given(shapes, pairs, strides, dilations, paddings(), st.integers(1, 4), st.data())
@settings(max_examples=300)
def test_a_convolution_has_pytorchs_size_and_parameters(
    shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Padding, groups: int, data: Any
) -> None:
    channels = groups * shape[0]
    width = groups * data.draw(st.integers(1, 4))
    bias = data.draw(st.booleans())
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    op = make("conv2d", out_channels=width, padding=padding.written, bias=bias, **sizes)
    module = nn.Conv2d(channels, width, bias=bias, device=META, **sizes)
    shape = (channels, *shape[1:])
    ours = our_shape(op, shape)
    assert ours == their_shape(module, shape, padding.ends)
    if ours is not None:
        held = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        assert {tensor.name: tensor.shape for tensor in op.state(shape)} == held


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(shapes, pairs, dilations)
def test_same_padding_is_pytorchs_where_that_exists(
    shape: Shape, kernel: Any, dilation: Any
) -> None:
    """PyTorch has 'same' for stride 1 only; the odd pixel goes to the end there, too."""
    op = make("conv2d", out_channels=1, kernel_size=kernel, dilation=dilation, padding="same")
    weight = torch.zeros(1, shape[0], *pair(kernel))
    picture = torch.arange(float(shape[0] * shape[1] * shape[2])).reshape(1, *shape)
    weight[0, 0, 0, 0] = 1  # the output is the padded input, cut: before and after can be told
    assert op.output_shape(shape) == (1, *shape[1:])
    top, left = (op.ends(axis, shape[1 + axis])[0] for axis in (0, 1))  # type: ignore[attr-defined]  # a window
    with torch.no_grad():
        theirs = F.conv2d(picture, weight, dilation=pair(dilation), padding="same")
        padded = F.pad(picture[:, :1], (left, 99, top, 99))[..., : shape[1], : shape[2]]
    assert torch.equal(theirs, padded)


@given(shapes, pairs, strides, dilations)
def test_same_padding_gives_the_input_over_the_stride_rounded_up(
    shape: Shape, kernel: Any, stride: Any, dilation: Any
) -> None:
    """TensorFlow's rule: ⌈W/S⌉ outputs, the least padding that does it, the odd one at the end."""
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    op = make("conv2d", out_channels=1, padding="same", **sizes)
    (_, *outputs) = op.output_shape(shape)
    for axis, output in enumerate(outputs):
        size, step = shape[1 + axis], pair(stride)[axis]
        before, after = op.ends(axis, size)  # type: ignore[attr-defined]  # a window has ends
        assert output == -(-size // step)
        assert 0 <= after - before <= 1
    ends = tuple(op.ends(axis, shape[1 + axis]) for axis in (0, 1))  # type: ignore[attr-defined]  # a window
    module = nn.Conv2d(shape[0], 1, **sizes, device=META)
    assert their_shape(module, shape, ends) == (1, *outputs)


POOLS = {"max_pool": nn.MaxPool2d, "avg_pool": nn.AvgPool2d}


@given(st.sampled_from(list(POOLS)), shapes, pairs, st.none() | strides, dilations, paddings(2))
@settings(max_examples=300)
def test_a_pooling_has_pytorchs_size(
    name: str, shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Padding
) -> None:
    sizes = {"kernel_size": kernel, "stride": stride}
    if name == "max_pool":
        sizes["dilation"] = dilation
    op = make(name, padding=padding.written, **sizes)
    try:
        ours = our_shape_or_refusal(op, shape)
    except Fault:
        return
    assert ours == their_shape(POOLS[name](**sizes), shape, padding.ends)


def our_shape_or_refusal(op: Unary, shape: Shape) -> Shape | None:
    """Like `our_shape`, but raises where windows would lie wholly in the padding."""
    try:
        return op.output_shape(shape)
    except Fault as fault:
        if fault.kind is PoolingPadding:
            raise
        return None


@given(
    st.sampled_from(list(POOLS)),
    shapes,
    pairs,
    st.none() | strides,
    dilations,
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.booleans(),
)
@settings(max_examples=300)
def test_a_pooling_rounds_up_where_pytorch_does(
    name: str, shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Any, include: Any
) -> None:
    """PyTorch's own padding, which has at most half of the window, with ceil_mode.

    Where it has windows without any input, which give −∞, the pooling is refused.
    """
    assume(all(2 * p <= k for p, k in zip(padding, pair(kernel), strict=True)))
    sizes = {"kernel_size": kernel, "stride": stride, "ceil_mode": True}
    sizes |= {"dilation": dilation} if name == "max_pool" else {"count_include_pad": include}
    op = make(name, padding={"height": padding[0], "width": padding[1]}, **sizes)
    module = POOLS[name](padding=padding, **sizes)
    theirs = their_shape(module, shape, NONE)
    if theirs is not None:
        empty = 0 in theirs or not bool(module(torch.zeros(1, *shape)).isfinite().all())
        theirs = None if empty else theirs
    assert our_shape(op, shape) == theirs


@given(shapes, pairs, strides, paddings(3), st.booleans())
def test_a_pooling_counts_its_windows_one_by_one(
    shape: Shape, kernel: Any, stride: Any, padding: Padding, rounds_up: Any
) -> None:
    """PyTorch has no padding that differs between the ends; its rule is counted out by hand."""
    sizes = {"kernel_size": kernel, "stride": stride, "ceil_mode": rounds_up}
    op = make("max_pool", padding=padding.written, **sizes)
    shape_or_none = our_shape(op, shape)
    assume(shape_or_none is not None)
    for axis, output in enumerate((shape_or_none or ())[1:]):
        before, after = padding.ends[axis]
        size, window, step = shape[1 + axis], pair(kernel)[axis], pair(stride)[axis]
        end = before + size + after
        starts = [start for start in range(0, end, step) if start + window <= end]
        if rounds_up:  # less than a step is missing, and it begins before the padding at the end
            reach = range(0, before + size, step)
            starts = [start for start in reach if start + window < end + step]
        assert output == len(starts)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
@given(shape=shapes, padding=paddings(3), kernel=st.integers(1, 3))
def test_a_pooling_refuses_windows_of_nothing_but_padding(
    name: str, shape: Shape, padding: Padding, kernel: int
) -> None:
    op = make(name, kernel_size=kernel, stride=1, padding=padding.written)
    empty = any(max(ends) >= kernel for ends in padding.ends)
    if empty:
        with pytest.raises(Fault) as refused:
            op.output_shape(shape)
        assert refused.value.kind is PoolingPadding
        return
    # An average over ones is zero exactly where a window sees nothing of them.
    (top, bottom), (left, right) = padding.ends
    ones = F.pad(torch.ones(1, 1, *shape[1:]), (left, right, top, bottom))
    if our_shape(op, shape) is not None:
        assert bool((F.avg_pool2d(ones, kernel, stride=1) > 0).all())


@given(shapes, st.tuples(st.integers(1, 8), st.integers(1, 8)) | st.integers(1, 8))
def test_adaptive_pooling_has_pytorchs_size(shape: Shape, output: Any) -> None:
    op = make("adaptive_avg_pool", output_size=output)
    assert op.output_shape(shape) == their_shape(nn.AdaptiveAvgPool2d(output), shape, NONE)


@given(st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_a_linear_layer_has_pytorchs_parameters(inputs: int, outputs: int, bias: Any) -> None:
    op = make("linear", out_features=outputs, bias=bias)
    held = nn.Linear(inputs, outputs, bias=bias, device=META).state_dict()
    assert op.output_shape((inputs,)) == (outputs,)
    assert {t.name: t.shape for t in op.state((inputs,))} == {
        name: tuple(value.shape) for name, value in held.items()
    }


@given(st.integers(1, 64), st.booleans(), st.booleans())
def test_batch_norm_has_pytorchs_parameters_and_buffers(
    channels: int, affine: Any, tracked: Any
) -> None:
    op = make("batch_norm", affine=affine, track_running_stats=tracked)
    module = nn.BatchNorm2d(channels, affine=affine, track_running_stats=tracked, device=META)
    trainable = {name for name, _ in module.named_parameters()}
    tensors = op.state((channels, 4, 4))
    assert {t.name: t.shape for t in tensors} == {
        name: tuple(value.shape) for name, value in module.state_dict().items()
    }
    assert {t.name for t in tensors if t.trainable} == trainable


@given(shapes, pairs, strides, dilations, paddings(2), st.integers(1, 3), st.integers(1, 3))
def test_macs_are_half_of_pytorchs_flops(
    shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Padding, groups: int, width: int
) -> None:
    shape = (groups * shape[0], *shape[1:])
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    op = make("conv2d", out_channels=groups * width, padding=padding.written, **sizes)
    ours = our_shape(op, shape)
    assume(ours is not None)
    module = nn.Conv2d(shape[0], groups * width, device=META, **sizes)
    with FlopCounterMode(display=False) as counter:
        their_shape(module, shape, padding.ends)
    assert 2 * macs_of(op, shape, ours or ()) == counter.get_total_flops()


@given(st.integers(1, 64), st.integers(1, 64))
def test_macs_of_a_linear_layer_are_half_of_pytorchs_flops(inputs: int, outputs: int) -> None:
    op = make("linear", out_features=outputs)
    with FlopCounterMode(display=False) as counter:
        nn.Linear(inputs, outputs, device=META)(torch.empty(1, inputs, device=META))
    assert 2 * macs_of(op, (inputs,), (outputs,)) == counter.get_total_flops()
