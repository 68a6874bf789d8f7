"""The interpreter computes what PyTorch does: every op beside a module of torch built by hand."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

from archspec.ops import OPS
from archspec.proof.chance import FixedChance
from archspec.proof.interpreter import interpret
from archspec.proof.semantics import SEMANTICS
from archspec.proof.weights import in_precision, random_state
from tests.targets.networks import check

Row = dict[str, Any]
Made = nn.Module | Callable[[Tensor], Tensor]
MAP = (4, 7, 6)


class ByHand(nn.Module):
    """One step called `step`: a module, or a function."""

    def __init__(self, made: Made) -> None:
        super().__init__()
        self.step: Any = made

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.step(x)
        return result


def padded(left: int, right: int, top: int, bottom: int, module: Any, value: float = 0.0) -> Any:
    """A module behind padding; its tensors keep their names."""

    class Padded(type(module)):  # type: ignore[misc]  # whatever it is
        def forward(self, x: Tensor) -> Any:
            return super().forward(F.pad(x, (left, right, top, bottom), value=value))

    module.__class__ = Padded
    return module


def channels_last(module: Any) -> Made:
    """What works on the channels behind `permute`, on a map (N, C, H, W)."""

    class Turned(type(module)):  # type: ignore[misc]  # whatever it is
        def forward(self, x: Tensor) -> Any:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    module.__class__ = Turned
    return module  # type: ignore[no-any-return]  # a module


class Prototypes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cdist(x, self.weight) ** 2


class Partial(nn.Module):
    """A dense kernel with zeros where the table [[0, 2], [1]] has no connection."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2, 3))
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        zero = torch.zeros_like(self.weight[0])
        first = torch.stack([self.weight[0], zero, self.weight[1], zero])
        second = torch.stack([zero, self.weight[2], zero, zero])
        return F.conv2d(x, torch.stack([first, second]), self.bias, (2, 1), (1, 0))


class Subsampled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        sums = F.avg_pool2d(x, (2, 3), (2, 1)) * 6
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


class Factors(nn.Module):
    """Multiplies by a parameter of its own."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.step


class Stochastic(nn.Module):
    """torchvision's, with other names."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        size = [x.shape[0] if self.mode == "row" else 1] + [1] * (x.ndim - 1)
        noise = torch.empty(size, dtype=x.dtype).bernoulli_(1 - self.p)
        return x * noise.div_(1 - self.p)


CASES: list[tuple[Row, Sequence[int], Made]] = [
    (
        {"op": "conv2d", "out_channels": 6, "kernel_size": [3, 2], "stride": [2, 1]},
        MAP,
        nn.Conv2d(4, 6, (3, 2), (2, 1)),
    ),
    (
        {"op": "conv2d", "out_channels": 6, "kernel_size": 3, "dilation": 2, "padding": 2},
        MAP,
        nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    ),
    (
        {"op": "conv2d", "out_channels": 6, "kernel_size": 4, "padding": [[1, 2], [0, 3]]},
        MAP,
        padded(0, 3, 1, 2, nn.Conv2d(4, 6, 4)),
    ),
    (
        {"op": "conv2d", "out_channels": 6, "kernel_size": 3, "padding": "same", "groups": 2},
        MAP,
        nn.Conv2d(4, 6, 3, padding="same", groups=2),
    ),
    (  # of 7 rows 4 come out, which takes 2 of padding; of 6 columns 3, which takes 1, at the end
        {"op": "conv2d", "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": "same"},
        MAP,
        padded(0, 1, 1, 1, nn.Conv2d(4, 6, 3, stride=2)),
    ),
    (  # a stride that leaps over what is left
        {"op": "conv2d", "out_channels": 2, "kernel_size": 1, "stride": 4, "padding": "same"},
        MAP,
        nn.Conv2d(4, 2, 1, stride=4),
    ),
    (
        {"op": "conv2d", "out_channels": 2, "kernel_size": 2, "padding": "valid", "bias": False},
        MAP,
        nn.Conv2d(4, 2, 2, bias=False),
    ),
    (
        {"op": "depthwise_conv2d", "kernel_size": 3, "channel_multiplier": 2, "padding": 1},
        MAP,
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
    ),
    (
        {
            "op": "depthwise_conv2d",
            "kernel_size": [3, 2],
            "stride": 2,
            "dilation": [1, 2],
            "bias": False,
        },
        MAP,
        nn.Conv2d(4, 4, (3, 2), stride=2, dilation=(1, 2), groups=4, bias=False),
    ),
    (
        {
            "op": "conv_transpose2d",
            "out_channels": 6,
            "kernel_size": [4, 3],
            "stride": 2,
            "padding": 1,
            "output_padding": [0, 1],
            "groups": 2,
            "dilation": [1, 2],
        },
        MAP,
        nn.ConvTranspose2d(4, 6, (4, 3), 2, 1, (0, 1), groups=2, dilation=(1, 2)),
    ),
    (
        {
            "op": "partial_conv2d",
            "table": [[0, 2], [1]],
            "kernel_size": [2, 3],
            "stride": [2, 1],
            "padding": {"height": 1},
        },
        MAP,
        Partial(),
    ),
    ({"op": "linear", "out_features": 3}, (5,), nn.Linear(5, 3)),
    ({"op": "linear", "out_features": 3, "bias": False}, (5,), nn.Linear(5, 3, bias=False)),
    ({"op": "rbf", "out_features": 3}, (5,), Prototypes()),
    (
        {"op": "max_pool", "kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        MAP,
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    ),
    (
        {"op": "max_pool", "kernel_size": [3, 2], "dilation": [2, 1]},
        MAP,
        nn.MaxPool2d((3, 2), dilation=(2, 1)),
    ),
    (
        {"op": "max_pool", "kernel_size": 3, "stride": 2, "padding": [0, 1]},
        MAP,
        padded(0, 1, 0, 1, nn.MaxPool2d(3, 2), value=-torch.inf),
    ),
    (
        {"op": "max_pool", "kernel_size": 3, "stride": 2, "padding": "same"},
        MAP,
        padded(0, 1, 1, 1, nn.MaxPool2d(3, 2), value=-torch.inf),
    ),
    *(
        (
            {
                "op": "avg_pool",
                "kernel_size": 3,
                "stride": stride,
                "padding": 1,
                "ceil_mode": up,
                "count_include_pad": count,
            },
            (4, 8, 6),
            nn.AvgPool2d(3, stride, 1, up, count),
        )
        for stride in (2, 3, 4)
        for up in (True, False)
        for count in (True, False)
    ),
    (  # zeros count that are padding, as `nn.ZeroPad2d` before a plain pooling
        {"op": "avg_pool", "kernel_size": 2, "stride": 2, "padding": [[0, 1], [1, 0]]},
        (4, 7, 7),
        padded(1, 0, 0, 1, nn.AvgPool2d(2)),
    ),
    ({"op": "avg_pool", "kernel_size": [2, 3]}, MAP, nn.AvgPool2d((2, 3))),
    ({"op": "scaled_avg_pool", "kernel_size": [2, 3], "stride": [2, 1]}, MAP, Subsampled()),
    ({"op": "adaptive_avg_pool", "output_size": [3, 2]}, MAP, nn.AdaptiveAvgPool2d((3, 2))),
    ({"op": "adaptive_max_pool", "output_size": [3, 4]}, MAP, nn.AdaptiveMaxPool2d((3, 4))),
    ({"op": "mean"}, MAP, lambda x: x.mean((2, 3))),
    ({"op": "mean", "dim": -3, "keepdim": True}, MAP, lambda x: x.mean(1, keepdim=True)),
    (
        {"op": "local_response_norm", "size": 3, "alpha": 0.3, "beta": 0.6, "k": 2.0},
        MAP,
        nn.LocalResponseNorm(3, 0.3, 0.6, 2.0),
    ),
    ({"op": "local_response_norm", "size": 2}, MAP, nn.LocalResponseNorm(2)),
    *(
        (
            {"op": "batch_norm", "eps": 0.1, "momentum": m, "affine": a, "track_running_stats": t},
            shape,
            kind(shape[0], 0.1, m, a, t),
        )
        for shape, kind in (((4, 3, 2), nn.BatchNorm2d), ((4,), nn.BatchNorm1d))
        for m, a, t in ((0.3, True, True), (None, False, True), (0.3, True, False))
    ),
    *(
        (
            {
                "op": "instance_norm",
                "eps": 0.1,
                "momentum": m,
                "affine": a,
                "track_running_stats": t,
            },
            MAP,
            nn.InstanceNorm2d(4, 0.1, m, a, t),  # type: ignore[arg-type]  # it takes None
        )
        for m, a, t in ((0.3, True, True), (None, False, True), (0.3, False, False))
    ),
    ({"op": "group_norm", "num_groups": 2, "eps": 0.1}, MAP, nn.GroupNorm(2, 4, 0.1)),
    (
        {"op": "group_norm", "num_groups": 2, "affine": False},
        (4,),
        nn.GroupNorm(2, 4, affine=False),
    ),
    ({"op": "layer_norm", "eps": 0.1}, (5,), nn.LayerNorm(5, 0.1)),
    (
        {"op": "layer_norm", "normalized_shape": [7, 6], "bias": False},
        MAP,
        nn.LayerNorm((7, 6), bias=False),
    ),
    (
        {"op": "layer_norm", "normalized_shape": 6, "elementwise_affine": False},
        MAP,
        nn.LayerNorm(6, elementwise_affine=False),
    ),
    ({"op": "layer_norm2d", "eps": 0.1}, MAP, channels_last(nn.LayerNorm(4, 0.1))),
    ({"op": "dropout", "p": 0.3}, MAP, nn.Dropout(0.3)),
    ({"op": "dropout", "p": 1}, MAP, nn.Dropout(1.0)),
    ({"op": "stochastic_depth", "p": 0.3}, MAP, Stochastic(0.3, "row")),
    ({"op": "stochastic_depth", "p": 0.3, "mode": "batch"}, MAP, Stochastic(0.3, "batch")),
    ({"op": "layer_scale"}, MAP, Factors(4, 1, 1)),
    ({"op": "flatten"}, MAP, nn.Flatten()),
    ({"op": "identity"}, MAP, nn.Identity()),
    ({"op": "chunk", "chunks": 2, "index": 1}, MAP, lambda x: x.chunk(2, dim=1)[1]),
    ({"op": "slice", "start": 1, "stop": 3}, MAP, lambda x: x[:, 1:3]),
    ({"op": "pad_channels", "before": 1, "after": 2}, MAP, nn.ConstantPad3d((0, 0, 0, 0, 1, 2), 0)),
    ({"op": "pad_channels", "after": 2}, (5,), nn.ConstantPad1d((0, 2), 0)),
    ({"op": "channel_shuffle", "groups": 2}, MAP, nn.ChannelShuffle(2)),
    ({"op": "pixel_shuffle", "upscale_factor": 2}, (8, 3, 5), nn.PixelShuffle(2)),
    ({"op": "pixel_unshuffle", "downscale_factor": 2}, (3, 4, 6), nn.PixelUnshuffle(2)),
    ({"op": "upsample", "scale_factor": [2, 3]}, MAP, nn.Upsample(scale_factor=(2, 3))),
    ({"op": "upsample", "size": [5, 9]}, MAP, nn.Upsample((5, 9))),
    (
        {"op": "upsample", "scale_factor": 2, "mode": "bilinear"},
        MAP,
        nn.Upsample(scale_factor=2, mode="bilinear"),
    ),
    (
        {"op": "upsample", "size": [5, 9], "mode": "bilinear", "align_corners": True},
        MAP,
        nn.Upsample((5, 9), mode="bilinear", align_corners=True),
    ),
    ({"op": "zero_pad2d", "padding": [[1, 2], [0, 3]]}, MAP, nn.ZeroPad2d((0, 3, 1, 2))),
    ({"op": "relu"}, MAP, nn.ReLU()),
    ({"op": "relu6"}, MAP, nn.ReLU6()),
    ({"op": "leaky_relu", "negative_slope": 0.2}, MAP, nn.LeakyReLU(0.2)),
    ({"op": "prelu"}, (5,), nn.PReLU()),
    ({"op": "prelu", "num_parameters": 4}, MAP, nn.PReLU(4)),
    ({"op": "elu", "alpha": 0.5}, MAP, nn.ELU(0.5)),
    ({"op": "gelu"}, MAP, nn.GELU()),
    ({"op": "gelu", "approximate": "tanh"}, MAP, nn.GELU(approximate="tanh")),
    ({"op": "silu"}, MAP, nn.SiLU()),
    ({"op": "hardswish"}, MAP, nn.Hardswish()),
    ({"op": "hardsigmoid"}, MAP, nn.Hardsigmoid()),
    ({"op": "mish"}, MAP, nn.Mish()),
    ({"op": "softplus", "beta": 3, "threshold": 2}, MAP, nn.Softplus(3, 2)),
    ({"op": "sigmoid"}, MAP, nn.Sigmoid()),
    ({"op": "tanh"}, MAP, nn.Tanh()),
    ({"op": "scaled_tanh"}, MAP, lambda x: 1.7159 * torch.tanh(x * (2 / 3))),
    ({"op": "hardtanh", "min_val": -0.5, "max_val": 2}, MAP, nn.Hardtanh(-0.5, 2)),
    ({"op": "softmax", "dim": -1}, MAP, nn.Softmax(-1)),
    ({"op": "log_softmax"}, (5,), nn.LogSoftmax(1)),
]
MERGES_AND_PERMUTE = {"add", "mul", "concat", "permute"}
"""Their cases stand below: they take more than a row."""


def leaves(state: dict[str, Tensor], trained: set[str]) -> dict[str, Tensor]:
    """Copies of tensors; gradients are wanted of those that are trained."""
    return {name: tensor.clone().requires_grad_(name in trained) for name, tensor in state.items()}


def require_same(rows: list[Row], shape: Sequence[int], network: nn.Module) -> None:
    """Outputs, gradients and statistics, of one step of training and in evaluation."""
    checked = check(rows, shape)
    checked.raise_for_errors()
    assert checked.network is not None
    network.double()
    trained = {name for name, _ in network.named_parameters()}
    state = in_precision(random_state(network), torch.float64)
    x = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2
    for training in (True, False):
        network.load_state_dict(state)
        network.train(training).zero_grad()
        theirs_in = x.clone().requires_grad_()
        with FixedChance():
            expected = network(theirs_in)
        weights = torch.arange(expected.numel(), dtype=torch.float64).cos().reshape(expected.shape)
        (expected * weights).sum().backward()
        own, arriving = leaves(state, trained), x.clone().requires_grad_()
        found = interpret(checked.network, own, arriving, training=training)
        (got,) = found.outputs.values()
        torch.testing.assert_close(got, expected)
        (got * weights).sum().backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.testing.assert_close(arriving.grad, theirs_in.grad)
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(own[name].grad, parameter.grad)
        after = {**state, **found.buffers}
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(after[name], buffer)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[0].values())))
def test_an_op_computes_what_torch_does(case: tuple[Row, Sequence[int], Made]) -> None:
    row, shape, made = case
    network = made if isinstance(made, Factors) else ByHand(made)
    require_same([{"name": "step", **row}], shape, network)


def test_every_op_has_a_meaning_and_a_case() -> None:
    assert [op.op_name for op in OPS if op not in SEMANTICS] == []
    tried = {row["op"] for row, _, _ in CASES} | MERGES_AND_PERMUTE
    assert [op.op_name for op in OPS if op.op_name not in tried] == []


class Merged(nn.Module):
    """A gate (C, 1, 1), a convolution, and the input."""

    def __init__(self, join: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.join(x, self.conv(x), x.mean((2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("merge", "join"),
    [
        ({"op": "add", "from": ["conv", "gate", "input"]}, lambda x, conv, gate: x + conv + gate),
        ({"op": "add", "from": ["gate", "conv"], "alpha": -3}, lambda _, conv, g: g - 3 * conv),
        ({"op": "add", "from": ["conv", "input"], "alpha": 0}, lambda _, conv, __: conv),
        ({"op": "mul", "from": ["conv", "gate", "input"]}, lambda x, conv, gate: x * conv * gate),
        ({"op": "concat", "from": ["conv", "input"]}, lambda x, conv, _: torch.cat([conv, x], 1)),
    ],
)
def test_paths_meet(merge: Row, join: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    conv = {"name": "conv", "op": "conv2d", "out_channels": 4, "kernel_size": 1}
    gate = {"name": "gate", "op": "mean", "keepdim": True, "from": "input"}
    rows = [gate, {**conv, "from": "input"}, merge]
    if "gate" not in merge["from"]:
        rows.pop(0)
    require_same(rows, MAP, Merged(join))


class ChannelsLast(nn.Module):
    """What may stand between two permutations: the channels are the last dimension there."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.fc = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.zeros(3))
        self.act = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.permute(0, 2, 3, 1))
        x = self.act(self.scale * self.fc(x).softmax(3))
        places = x.mean((1, 2), keepdim=True)
        return (x + places).permute(0, 3, 1, 2)


def test_channels_may_be_last() -> None:
    rows: list[Row] = [
        {"op": "permute", "dims": [0, 2, 3, 1]},
        {"name": "norm", "op": "layer_norm"},
        {"name": "fc", "op": "linear", "out_features": 3},
        {"op": "softmax", "dim": 3},
        {"name": "scale", "op": "layer_scale"},
        {"name": "act", "op": "prelu"},
        {"name": "places", "op": "mean", "keepdim": True},
        {"op": "add", "from": ["act", "places"]},
        {"op": "permute", "dims": [0, 3, 1, 2]},
    ]
    require_same(rows, MAP, ChannelsLast())


def heads() -> Iterator[Row]:
    yield {"name": "stem", "op": "batch_norm"}
    yield {"name": "aux", "op": "batch_norm"}
    yield {"name": "main", "op": "relu", "from": "stem"}


def test_training_gives_back_more_than_evaluation() -> None:
    outputs = {"out": "main", "aux": {"from": "aux", "training_only": True}}
    checked = check(list(heads()), (4,), outputs=outputs)
    assert checked.network is not None
    network = nn.ModuleDict({"stem": nn.BatchNorm1d(4), "aux": nn.BatchNorm1d(4)})
    state, x = random_state(network), torch.randn(3, 4)
    trained = interpret(checked.network, state, x, training=True)
    assert list(trained.outputs) == ["out", "aux"]
    assert trained.buffers.keys() == {
        f"{name}.{buffer}"
        for name in ("stem", "aux")
        for buffer in ("running_mean", "running_var", "num_batches_tracked")
    }
    evaluated = interpret(checked.network, state, {"input": x}, training=False)
    assert list(evaluated.outputs) == ["out"]
    assert evaluated.values[1] is None
    assert evaluated.buffers == {}


def test_another_size_gets_its_own_padding() -> None:
    """Of 9 pixels the `same` padding is another one than of 8."""
    row = {"op": "max_pool", "kernel_size": 3, "stride": 2, "padding": "same"}
    checked = check([row], (1, 8, 8))
    assert checked.network is not None
    x = torch.arange(81.0).reshape(1, 1, 9, 9)
    found = interpret(checked.network, {}, x, training=False)
    torch.testing.assert_close(found.outputs["0"], F.max_pool2d(x, 3, 2, padding=1))


def test_chance_is_fixed_and_tells_its_probability() -> None:
    x = torch.ones(2, 3)
    with FixedChance():
        once, again = F.dropout(x, 0.3), F.dropout(x, 0.3)
        other, none, off = F.dropout(x, 0.4), F.dropout(x, 0.0), F.dropout(x, 0.3, training=False)
        undivided = torch.empty(2, 3).bernoulli_(0.7)
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    for different in (other, none, undivided):
        assert not torch.isclose(once, different).any()
    assert len(set(once.flatten().tolist())) == 6  # it matters which element it is
    torch.testing.assert_close(none, x)
    torch.testing.assert_close(off, x)
