"""The ops beyond the usual ones, generated and run: values, names and shapes of tensors."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from archspec.api import Check, write
from archspec.ops import OPS_BY_NAME
from archspec.targets.torch.run import instantiate
from tests.ops.references import MORE
from tests.targets.networks import batch, check

Row = dict[str, Any]
LAST: Row = {"op": "permute", "dims": [0, 2, 3, 1]}
FIRST: Row = {"op": "permute", "dims": [0, 3, 1, 2]}

TABLE = [[0, 2], [1], [0, 1, 2, 3]]
ROWS: list[tuple[tuple[int, ...], list[Row]]] = [
    ((4, 7, 6), [{"op": "depthwise_conv2d", "kernel_size": 3}]),
    ((4, 7, 6), [{"op": "depthwise_conv2d", "kernel_size": 3, "channel_multiplier": 3}]),
    ((4, 7, 6), [{"op": "depthwise_conv2d", "kernel_size": [3, 2], "padding": [0, 1]}]),
    (
        (4, 7, 6),
        [
            {
                "op": "depthwise_conv2d",
                "kernel_size": 3,
                "stride": 2,
                "padding": "same",
                "bias": False,
            }
        ],
    ),
    ((4, 3, 4), [{"op": "conv_transpose2d", "out_channels": 6, "kernel_size": 3, "stride": 2}]),
    (
        (4, 3, 4),
        [
            {
                "op": "conv_transpose2d",
                "out_channels": 6,
                "kernel_size": [3, 4],
                "stride": [2, 3],
                "padding": {"height": 1, "width": 2},
                "output_padding": [1, 2],
                "groups": 2,
                "dilation": [2, 1],
                "bias": False,
            }
        ],
    ),
    ((4, 7, 6), [{"op": "partial_conv2d", "kernel_size": 3, "table": TABLE}]),
    (
        (4, 7, 6),
        [
            {
                "op": "partial_conv2d",
                "kernel_size": [2, 3],
                "stride": 2,
                "padding": [0, 1],
                "table": TABLE,
                "bias": False,
            }
        ],
    ),
    ((9,), [{"op": "rbf", "out_features": 4}]),
    ((9,), [{"op": "rbf", "out_features": 4, "trainable": False}]),
    ((4, 7, 6), [{"op": "scaled_avg_pool", "kernel_size": 2}]),
    ((4, 7, 6), [{"op": "scaled_avg_pool", "kernel_size": [3, 2], "stride": 1}]),
    ((4, 7, 6), [{"op": "adaptive_max_pool"}]),
    ((4, 7, 6), [{"op": "adaptive_max_pool", "output_size": [3, 4]}]),
    ((4, 7, 6), [{"op": "mean"}]),
    ((4, 7, 6), [{"op": "mean", "dim": [-1, -2], "keepdim": True}]),
    ((4, 7, 6), [{"op": "mean", "dim": 1, "keepdim": True}]),
    ((4, 7, 6), [{"op": "group_norm", "num_groups": 2, "eps": 0.1}]),
    ((6,), [{"op": "group_norm", "num_groups": 3, "affine": False}]),
    ((4, 7, 6), [{"op": "instance_norm"}]),
    ((4, 7, 6), [{"op": "instance_norm", "affine": True, "track_running_stats": True}]),
    ((6,), [{"op": "layer_norm", "eps": 0.1}]),
    ((6,), [{"op": "layer_norm", "elementwise_affine": False}]),
    ((4, 7, 6), [{"op": "layer_norm", "normalized_shape": [4, 7, 6], "bias": False}]),
    ((4, 7, 6), [{"op": "layer_norm", "normalized_shape": 6}]),
    ((4, 7, 6), [{"op": "layer_norm2d", "eps": 0.1}]),
    ((4, 7, 6), [{"op": "layer_norm2d", "elementwise_affine": False}]),
    ((4, 7, 6), [LAST, {"op": "layer_norm"}, FIRST]),
    ((4, 7, 6), [{"op": "stochastic_depth", "p": 0.5}]),
    ((4, 7, 6), [LAST]),
    ((4, 7, 6), [{"op": "chunk", "chunks": 2, "index": 1}]),
    ((6,), [{"op": "slice", "start": 1, "stop": 4}]),
    ((4, 7, 6), [{"op": "slice", "stop": 3}]),
    ((4, 7, 6), [{"op": "slice", "start": 1}]),
    ((4, 7, 6), [{"op": "slice", "start": -2}]),
    ((4, 7, 6), [{"op": "slice", "start": 1, "stop": -1}]),
    ((4, 7, 6), [{"op": "slice"}]),
    ((4, 7, 6), [{"op": "pad_channels", "before": 1, "after": 2}]),
    ((4, 7, 6), [{"op": "pad_channels", "after": "in_channels"}]),
    ((6,), [{"op": "pad_channels", "before": 3}]),
    ((6, 4, 4), [{"op": "channel_shuffle", "groups": 2}]),
    ((18, 2, 3), [{"op": "pixel_shuffle", "upscale_factor": 3}]),
    ((2, 6, 9), [{"op": "pixel_unshuffle", "downscale_factor": 3}]),
    ((4, 3, 5), [{"op": "upsample", "scale_factor": 2}]),
    ((4, 3, 5), [{"op": "upsample", "scale_factor": [1, 3], "mode": "bilinear"}]),
    ((4, 3, 5), [{"op": "upsample", "size": [5, 7], "mode": "bilinear"}]),
    ((4, 3, 5), [{"op": "upsample", "size": 7, "mode": "bilinear", "align_corners": True}]),
    ((4, 6, 8), [{"op": "upsample", "size": [3, 12]}]),
    ((4, 3, 5), [{"op": "zero_pad2d", "padding": [[1, 2], [0, 3]]}]),
    ((4, 3, 5), [{"op": "prelu"}]),
    ((4, 3, 5), [{"op": "prelu", "num_parameters": "in_channels"}]),
    ((8,), [{"op": "softplus", "beta": 0.5, "threshold": 0.1}]),
    ((8,), [{"op": "mish"}]),
    ((8,), [{"op": "hardtanh", "min_val": -0.5, "max_val": 0.25}]),
    ((8,), [{"op": "scaled_tanh"}]),
]


def build(checked: Check) -> nn.Module:
    """The generated network in evaluation, in double precision."""
    torch.manual_seed(0)
    module: nn.Module = instantiate(write(checked, "torch")).eval().double()
    return module


def named(rows: list[Row]) -> list[Row]:
    """The rows with names, so that each has a place of its own in the generated class."""
    return [{"name": f"step{i}", **row} for i, row in enumerate(rows)]


def shake(module: nn.Module) -> None:
    """Values for all tensors, so that none is left at what it begins with."""
    torch.manual_seed(2)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 2) if name.endswith("var") else tensor.normal_()


@pytest.mark.parametrize("form", ["sequential", "named"])
@pytest.mark.parametrize(
    ("shape", "rows"), ROWS, ids=lambda value: value[-1]["op"] if isinstance(value, list) else ""
)
def test_what_is_generated_computes_what_is_meant(
    shape: tuple[int, ...], rows: list[Row], form: str
) -> None:
    checked = check(named(rows) if form == "named" else rows, shape)
    module = build(checked)
    shake(module)
    assert checked.network is not None
    x = expected = batch(shape)
    counted: dict[str, tuple[int, ...]] = {}
    for node in checked.network.nodes:
        assert node.op is not None
        assert node.module.tensors is not None
        held = {tensor.name: tensor for tensor in node.module.tensors}
        counted |= {f"{node.path}.{name}": tensor.shape for name, tensor in held.items()}
        tensors = {name: module.state_dict()[f"{node.path}.{name}"] for name in held}
        expected = MORE[node.op.op_name](node.op, expected, tensors)
        trained = {f"{node.path}.{name}" for name, tensor in held.items() if tensor.trainable}
        parameters = {n for n, _ in module.named_parameters() if n.startswith(f"{node.path}.")}
        assert parameters == trained
    assert {n: tuple(t.shape) for n, t in module.state_dict().items()} == counted
    assert list(module.state_dict()) == list(counted)
    assert (tuple(expected.shape[1:]),) == checked.network.shapes[-1]
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    ("shape", "rows"), ROWS, ids=lambda value: value[-1]["op"] if isinstance(value, list) else ""
)
def test_what_is_generated_can_be_exported_and_copied(
    shape: tuple[int, ...], rows: list[Row]
) -> None:
    module, x = build(check(rows, shape)), batch(shape)
    exported = torch.export.export(module, (x,)).module()
    torch.testing.assert_close(exported(x), module(x))
    torch.testing.assert_close(copy.deepcopy(module)(x), module(x))


def test_every_reference_is_run() -> None:
    run = {row["op"] for _, rows in ROWS for row in rows}
    assert MORE.keys() - run == {"layer_scale"}  # a parameter of its own, no module


def test_partial_weights_are_trained_alone() -> None:
    """No gradient reaches a connection that the table does not have, since there is none."""
    module = build(check([{"op": "partial_conv2d", "kernel_size": 3, "table": TABLE}], (4, 5, 5)))
    module(batch((4, 5, 5))).sum().backward()
    (weight, bias) = module.parameters()
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.shape == (7, 3, 3)
    assert bool((weight.grad != 0).all())


def test_partial_weights_begin_as_those_of_a_convolution() -> None:
    """Uniform within one over the root of what an output reads: 1·3·3, or 4·3·3."""
    table = [[0], [0, 1, 2, 3]] * 40
    module = build(check([{"op": "partial_conv2d", "kernel_size": 3, "table": table}], (4, 5, 5)))
    weight, bias = (parameter.detach() for parameter in module.parameters())
    narrow, wide = 1 / 3, 1 / 6
    lone, shared = weight[0::5], torch.cat([weight[i::5] for i in range(1, 5)])
    for values, bound in ((lone, narrow), (shared, wide), (bias[0::2], narrow), (bias[1::2], wide)):
        assert bound * 0.8 < float(values.abs().max()) <= bound


def test_prototypes_begin_at_plus_and_minus_one() -> None:
    (weight,) = build(check([{"op": "rbf", "out_features": 10}], (84,))).parameters()
    assert set(weight.detach().flatten().tolist()) == {-1.0, 1.0}


def test_subsampling_begins_as_an_average() -> None:
    module = build(check([{"op": "scaled_avg_pool", "kernel_size": [2, 3]}], (2, 6, 6)))
    x = batch((2, 6, 6))
    torch.testing.assert_close(module(x), nn.AvgPool2d((2, 3))(x))


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_stochastic_depth_drops_whole_samples_and_scales_the_rest(mode: str) -> None:
    row = {"op": "stochastic_depth", "p": 0.25, "mode": mode}
    module = build(check([row], (3, 2, 2))).train()
    torch.manual_seed(0)
    x, seen = torch.ones(64, 3, 2, 2), []
    for _ in range(64):
        y = module(x)
        assert bool((y == y[:, :1, :1, :1]).all())  # a sample as a whole
        if mode == "batch":
            assert bool((y == y[0]).all())
        seen.append(y[:, 0, 0, 0])
    values = torch.cat(seen)
    assert sorted(set(values.tolist())) == pytest.approx([0, 4 / 3])
    dropped = float((values == 0).double().mean())
    assert dropped == pytest.approx(0.25, abs=0.02 if mode == "row" else 0.12)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_stochastic_depth_of_none_or_all(p: float) -> None:
    module = build(check([{"op": "stochastic_depth", "p": p}], (3, 2, 2))).train()
    x = batch((3, 2, 2))
    torch.testing.assert_close(module(x), x * (1 - p))


def test_a_width_is_followed_through_what_changes_the_channels() -> None:
    """The class built with another width: every later layer is as wide as it has to be."""
    rows: list[Row] = [
        {"op": "conv2d", "out_channels": "width", "kernel_size": 1},
        {"op": "depthwise_conv2d", "kernel_size": 1, "channel_multiplier": 2},
        {"op": "chunk", "chunks": 2, "index": 0},
        {"op": "pixel_unshuffle", "downscale_factor": 2},
        {"op": "pixel_shuffle", "upscale_factor": 2},
        {"op": "channel_shuffle", "groups": 2},
        LAST,
        {"op": "layer_norm"},
        {"op": "linear", "out_features": "3 * in_channels"},
        FIRST,
        {"op": "group_norm", "num_groups": 2},
        {"op": "layer_norm2d"},
        {"op": "mean"},
        {"op": "linear", "out_features": 5},
    ]
    text = write(check(rows, (3, 4, 4), vars={"width": 8}), "torch")
    for width in (8, 12):
        module = instantiate(text, width=width)
        assert module(torch.zeros(2, 3, 4, 4)).shape == (2, 5)
        last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
        assert last.in_features == 3 * width


def test_a_width_is_followed_through_padded_channels() -> None:
    rows: list[Row] = [
        {"op": "conv2d", "out_channels": "width", "kernel_size": 1},
        {"op": "pad_channels", "before": "width // 4", "after": "2 * width - in_channels"},
        {"op": "conv2d", "out_channels": 5, "kernel_size": 1, "groups": 1},
    ]
    text = write(check(rows, (3, 4, 4), vars={"width": 8}), "torch")
    assert "nn.ZeroPad3d((0, 0, 0, 0, width // 4, 2 * width - width))" in text
    for width in (8, 12):
        module = instantiate(text, width=width)
        assert module(torch.zeros(2, 3, 4, 4)).shape == (2, 5, 4, 4)
        assert module[2].in_channels == 2 * width + width // 4


def test_ops_are_known_by_name() -> None:
    assert MORE.keys() <= OPS_BY_NAME.keys()
