"""At the bounds of what fits: what is accepted runs in PyTorch, and what does not is refused."""

from contextlib import suppress
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archspec.api import check_text, write
from archspec.diagnostics import Fault
from archspec.ops import OPS_BY_NAME, ChannelsLast, Shape
from archspec.ops.arithmetic import extent, straddles, window_output

HEAD = "archspec: 1\nname: Net\ninput: {shape}\nlayers:\n  - {{name: step, {row}}}\n"

RUN: dict[str, tuple[Shape, ...]] = {
    "op: adaptive_avg_pool, output_size: 7": ((3, 4, 4), (3, 1, 1)),
    "op: adaptive_max_pool, output_size: [7, 1]": ((3, 4, 4), (3, 1, 1)),
    "op: avg_pool, kernel_size: 2, padding: 1, ceil_mode: true": ((3, 4, 4), (3, 1, 1)),
    "op: avg_pool, kernel_size: 3, padding: 2, count_include_pad: false": ((3, 4, 4), (3, 1, 1)),
    "op: batch_norm": ((3,), (3, 1, 1)),
    "op: batch_norm, track_running_stats: false": ((3,), (3, 1, 1)),
    "op: batch_norm, momentum: 2": ((3,), (3, 4, 4)),
    "op: channel_shuffle, groups: 3": ((3, 1, 1),),
    "op: chunk, chunks: 3, index: 2": ((3,), (3, 1, 1)),
    "op: chunk, chunks: 1, index: 0": ((3,), (3, 1, 1)),
    "op: conv_transpose2d, out_channels: 2, kernel_size: 2, dilation: 3, output_padding: 2": (
        (3, 4, 4),
        (3, 1, 1),
    ),
    "op: conv_transpose2d, out_channels: 2, kernel_size: 3, padding: 1": ((3, 4, 4), (3, 1, 1)),
    "op: dropout, p: 1": ((3,), (3, 4, 4)),
    "op: elu, alpha: 0": ((3,), (3, 4, 4)),
    "op: group_norm, num_groups: 3": ((3,), (3, 1, 1)),
    "op: group_norm, num_groups: 3, eps: 0": ((3, 4, 4),),
    "op: hardtanh, min_val: -0.001, max_val: 0": ((3,),),
    "op: instance_norm, eps: 0": ((3, 1, 2),),
    "op: instance_norm, track_running_stats: true": ((3, 2, 1),),
    "op: layer_norm": ((1,), (3,)),
    "op: layer_norm, normalized_shape: 1": ((3, 4, 1),),
    "op: layer_norm2d": ((1, 4, 4), (3, 1, 1)),
    "op: leaky_relu, negative_slope: -1": ((3,), (3, 4, 4)),
    "op: local_response_norm, size: 9": ((3, 4, 4), (1, 1, 1)),
    "op: max_pool, kernel_size: 1, stride: 2, ceil_mode: true": ((3, 4, 4), (3, 1, 1)),
    "op: max_pool, kernel_size: 3, padding: 2": ((3, 4, 4), (3, 1, 1)),
    "op: max_pool, kernel_size: 2, padding: 1, dilation: 2": ((3, 2, 2),),
    "op: mean, dim: [1, -1]": ((3, 4, 4),),
    "op: mean, dim: 1, keepdim: true": ((3,), (3, 4, 4)),
    "op: pixel_shuffle, upscale_factor: 1": ((3, 4, 4),),
    "op: prelu, num_parameters: 3": ((3,), (3, 1, 1)),
    "op: rbf, out_features: 1": ((3,),),
    "op: scaled_avg_pool, kernel_size: 1": ((3, 1, 1),),
    "op: softmax": ((3,), (3, 1, 1)),
    "op: softmax, dim: -1": ((3,), (3, 4, 4)),
    "op: softplus, beta: -1, threshold: -3": ((3,),),
    "op: stochastic_depth, p: 1": ((3,), (3, 4, 4)),
    "op: stochastic_depth, p: 1, mode: batch": ((3,),),
    "op: upsample, size: 1, mode: bilinear, align_corners: true": ((3, 4, 4), (3, 1, 1)),
    "op: upsample, size: 4, mode: bilinear, align_corners: true": ((3, 1, 1),),
    "op: conv2d, out_channels: 2, kernel_size: 1, init: {weight: {uniform: {a: 1}}}": ((3, 1, 1),),
    "op: linear, out_features: 2, init: {weight: {trunc_normal: {a: 1, b: 1}}}": ((3,),),
    "op: linear, out_features: 2, init: {weight: {xavier_uniform: {gain: 0}}}": ((3,),),
    "op: layer_scale, init: {weight: kaiming_normal}": ((3, 4, 4),),
    "op: partial_conv2d, kernel_size: 1, table: [[0]], init: {weight: xavier_normal}": ((3, 2, 2),),
}
"""Rows at the bounds of their attributes, and what arrives at them."""


@pytest.mark.parametrize(
    ("row", "shape"), [(row, s) for row, shapes in RUN.items() for s in shapes]
)
@pytest.mark.parametrize("training", [True, False])
def test_what_is_accepted_at_its_bounds_runs(row: str, shape: Shape, *, training: bool) -> None:
    check = check_text(HEAD.format(shape=list(shape), row=row))
    assert check.ok, [fault.message for fault in check.diagnostics]
    assert check.network is not None
    names: dict[str, Any] = {"__name__": "written"}
    exec(write(check), names)  # noqa: S102 - the module that is tested
    module: nn.Module = names["Net"]().train(training)
    x = torch.randn(2, *shape, requires_grad=True)
    output = module(x)
    assert tuple(output.shape[1:]) == check.network.shape_of(check.network.root.output)
    assert bool(output.isfinite().all())
    output.sum().backward()


# --- windows that see nothing ------------------------------------------------------------------

sizes = st.integers(1, 12)


@given(sizes, sizes, sizes, sizes, st.data())
def test_a_dilated_window_around_the_input_is_found(
    size: int, kernel: int, stride: int, dilation: int, data: st.DataObject
) -> None:
    span, ceil_mode = extent(kernel, dilation), data.draw(st.booleans())
    before, after = (data.draw(st.integers(0, span - 1)) for _ in range(2))
    windows = window_output(size, kernel, stride, before, after, dilation, ceil_mode=ceil_mode)
    starts = [stride * window - before for window in range(windows)]
    reads = [any(0 <= start + dilation * i < size for i in range(kernel)) for start in starts]
    assert straddles(size, stride, before, dilation, max(windows, 0)) == (not all(reads))


def test_a_dilated_window_of_any_size_is_found_at_once() -> None:
    assert straddles(10**9 - 1, 1, 10**9 - 1, 10**9, 10**9)
    assert not straddles(10**9 - 1, 2, 10**9 - 2, 10**9, 10**9)


# --- whatever arrives --------------------------------------------------------------------------

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "channel_shuffle": {"groups": 2},
    "chunk": {"chunks": 2, "index": 1},
    "conv2d": {"out_channels": 4, "kernel_size": 3},
    "conv_transpose2d": {"out_channels": 4, "kernel_size": 3},
    "depthwise_conv2d": {"kernel_size": 3},
    "avg_pool": {"kernel_size": 3},
    "max_pool": {"kernel_size": 3},
    "scaled_avg_pool": {"kernel_size": 3},
    "group_norm": {"num_groups": 2},
    "linear": {"out_features": 4},
    "local_response_norm": {"size": 3},
    "partial_conv2d": {"kernel_size": 3, "table": [[0], [3]]},
    "permute": {"dims": [0, 2, 3, 1]},
    "pixel_shuffle": {"upscale_factor": 2},
    "pixel_unshuffle": {"downscale_factor": 2},
    "rbf": {"out_features": 4},
    "slice": {"start": 1, "stop": 3},
    "stochastic_depth": {"p": 0.5},
    "upsample": {"scale_factor": 2},
    "zero_pad2d": {"padding": 1},
}
ARRIVING = ((4,), (1,), (4, 8, 8), (1, 1, 1), (4, 1, 8), ChannelsLast((8, 8, 4)))


@pytest.mark.parametrize("name", OPS_BY_NAME)
def test_whatever_arrives_is_answered_or_refused(name: str) -> None:
    """An op that refuses says what would have been, or that it does not know; nothing else."""
    op = OPS_BY_NAME[name](**ATTRIBUTES.get(name, {}))
    answered = 0
    for shapes in product(ARRIVING, repeat=2 if op.arity == "several" else 1):
        try:
            outputs = op.infer(shapes)
        except Fault:
            spite = op.infer_in_spite(shapes)
            assert spite is None or all(min(shape) > 0 for shape in spite)
            with suppress(Fault):
                list(op.explain_output(shapes))
            continue
        answered += 1
        assert len(op.views(shapes)) == len(shapes)
        assert list(op.explain_output(shapes))
        assert op.operations(shapes, outputs) is not None
        op.channel_ratio(shapes)
        list(op.remarks(shapes))
    assert answered
