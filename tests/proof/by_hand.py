"""Every op as a row, beside a module of torch built by hand that computes the same."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

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
    (  # the only row of windows ends before the map does begin
        {"op": "conv2d", "out_channels": 2, "kernel_size": 1, "stride": [20, 2], "padding": 3},
        MAP,
        nn.Conv2d(4, 2, 1, stride=(20, 2), padding=3),
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
    ({"op": "slice", "start": -3}, MAP, lambda x: x.narrow(1, 1, 3)),
    ({"op": "slice", "start": -3, "stop": -1}, MAP, lambda x: x.narrow(1, 1, 2)),
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
