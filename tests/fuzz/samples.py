"""Values for every attribute of every op, such as fit what arrives, small and far from defaults."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from archspec.ops import Shape
from tests.fuzz import facts
from tests.fuzz.facts import channels

MOST_CHANNELS = 16

Given = Mapping[str, Any]
Sampler = Callable[[Random, Shape, Given], Any]


def divisors(number: int) -> list[int]:
    """All numbers that divide another."""
    return [d for d in range(1, number + 1) if number % d == 0]


def _of(*values: Any) -> Sampler:
    def draw(rng: Random, shape: Shape, given: Given) -> Any:
        del shape, given
        return rng.choice(values)

    return draw


def _whole_padding(rng: Random, most: int = 2) -> int:
    return rng.randint(0, most)


def _ends(rng: Random, shape: Shape, given: Given) -> Any:
    """Padding in any of the ways to write it, but for words."""
    del shape, given
    a, b, c, d = (_whole_padding(rng) for _ in range(4))
    forms = [a, [a, b], [[a, b], [c, d]], [[a, b], c], {"height": a}, {"width": [a, b]}]
    return rng.choice([*forms, {"height": [a, b], "width": c}, {"height": a, "width": b}])


def _padding(rng: Random, shape: Shape, given: Given) -> Any:
    return rng.choice(["same", "valid", *(_ends(rng, shape, given) for _ in range(5))])


def _equal_ends(rng: Random, shape: Shape, given: Given) -> Any:
    del shape, given
    a, b = (_whole_padding(rng, 1) for _ in range(2))
    return rng.choice([a, [a, a], [[a, a], [b, b]], {"height": a}, {"height": [a, a], "width": b}])


def _groups(rng: Random, shape: Shape, given: Given) -> int:
    del given
    return rng.choice(divisors(channels(shape)))


def _width(rng: Random, shape: Shape, given: Given) -> int:
    del shape
    groups: int = given.get("groups", 1)
    return groups * rng.randint(1, max(1, min(9, MOST_CHANNELS // groups)))


def _table(rng: Random, shape: Shape, given: Given) -> list[list[int]]:
    del given
    inputs = range(shape[0])
    outputs = range(rng.randint(1, 4))
    return [sorted(rng.sample(inputs, rng.randint(1, min(3, len(inputs))))) for _ in outputs]


def _chunk_index(rng: Random, shape: Shape, given: Given) -> int:
    del shape
    chunks: int = given["chunks"]
    return rng.randrange(chunks)


def _start(rng: Random, shape: Shape, given: Given) -> int:
    del given
    return rng.randrange(-shape[0] if rng.random() < 0.3 else 0, shape[0])


def _stop(rng: Random, shape: Shape, given: Given) -> int:
    start: int = given.get("start", 0)
    first = (start + shape[0] if start < 0 else start) + 1
    stop = rng.randint(first, max(shape[0], first))
    return stop - shape[0] if stop < shape[0] and rng.random() < 0.3 else stop


def _factor(rng: Random, shape: Shape, given: Given) -> int:
    del given
    return rng.choice([f for f in (1, 2, 3) if shape[0] % (f * f) == 0])


def _down_factor(rng: Random, shape: Shape, given: Given) -> int:
    del given
    fits = [f for f in (1, 2, 3) if shape[1] % f == 0 and shape[2] % f == 0]
    return rng.choice(fits)


def _normalized(rng: Random, shape: Shape, given: Given) -> Any:
    del given
    sizes = list(shape)
    tails = [sizes, sizes[-1:], sizes[-1], sizes[1:] or sizes]
    return rng.choice(tails)


def _dims(rng: Random, shape: Shape, given: Given) -> Any:
    if len(shape) == 1:
        return rng.choice([1, -1, [1]])
    dims: list[Any] = [None, [2, 3], [-1, -2], [1, 2], [3, 2]]
    return rng.choice([*dims, 1, 2, -1, [1], [1, 2, 3]] if given.get("keepdim") else dims)


def _softmax_dim(rng: Random, shape: Shape, given: Given) -> int:
    del given
    dims: list[int] = [1, -1, *range(1, len(shape) + 1)]
    return rng.choice(dims)


def _parameters(rng: Random, shape: Shape, given: Given) -> int:
    del given
    counts: list[int] = [1, 1, shape[0]]
    return rng.choice(counts)


def _permutation(rng: Random, shape: Shape, given: Given) -> list[int]:
    del rng, given
    return [0, 3, 1, 2] if facts.is_last(shape) else [0, 2, 3, 1]


def _to_size(rng: Random, shape: Shape, given: Given) -> Any:
    del shape, given
    return rng.choice([1, 2, 3, 5, [1, 2], [3, 1], [4, 2], 7])


_KERNEL = _of(1, 2, 3, 3, 5, [1, 3], [3, 1], [2, 3], [3, 2])
_STRIDE = _of(1, 1, 2, 2, 3, [1, 2], [2, 1])
_DILATION = _of(1, 2, 2, 4, [1, 2], [2, 1], [1, 5])
_TRUTH = _of(*(True, False))
_EPS = _of(1e-3, 1e-2, 0.125, 0.5, 1)
_MOMENTUM = _of(0.25, 0.5, 0.01, 1, 0, None)
_P = _of(0.25, 0.5, 0.1, 0, 1, 0.75)

SAMPLERS: Mapping[str, Mapping[str, Sampler]] = {
    "conv2d": {
        "groups": _groups,
        "out_channels": _width,
        "kernel_size": _KERNEL,
        "stride": _STRIDE,
        "padding": _padding,
        "dilation": _DILATION,
        "bias": _TRUTH,
    },
    "depthwise_conv2d": {
        "channel_multiplier": _of(1, 2, 3),
        "kernel_size": _KERNEL,
        "stride": _STRIDE,
        "padding": _padding,
        "dilation": _DILATION,
        "bias": _TRUTH,
    },
    "conv_transpose2d": {
        "groups": _groups,
        "out_channels": _width,
        "kernel_size": _KERNEL,
        "stride": _STRIDE,
        "padding": _equal_ends,
        "output_padding": _of(0, 1, 1, [0, 1], [1, 0]),
        "dilation": _DILATION,
        "bias": _TRUTH,
    },
    "partial_conv2d": {
        "table": _table,
        "kernel_size": _KERNEL,
        "stride": _STRIDE,
        "padding": _padding,
        "bias": _TRUTH,
    },
    "linear": {"out_features": _of(1, 2, 5, 6, 8, 10), "bias": _TRUTH},
    "rbf": {"out_features": _of(1, 2, 5, 6), "trainable": _TRUTH},
    "max_pool": {
        "kernel_size": _KERNEL,
        "stride": _STRIDE,
        "padding": _padding,
        "dilation": _DILATION,
        "ceil_mode": _TRUTH,
    },
    "avg_pool": {
        "kernel_size": _KERNEL,
        "stride": _STRIDE,
        "padding": _padding,
        "ceil_mode": _TRUTH,
        "count_include_pad": _TRUTH,
    },
    "scaled_avg_pool": {"kernel_size": _KERNEL, "stride": _STRIDE},
    "adaptive_avg_pool": {"output_size": _to_size},
    "adaptive_max_pool": {"output_size": _to_size},
    "mean": {"keepdim": _TRUTH, "dim": _dims},
    "local_response_norm": {
        "size": _of(1, 2, 3, 5, 9),
        "alpha": _of(0.5, 1, 0.125),
        "beta": _of(0.5, 1, 0.25),
        "k": _of(1, 2, 0.5),
    },
    "batch_norm": {
        "eps": _EPS,
        "momentum": _MOMENTUM,
        "affine": _TRUTH,
        "track_running_stats": _TRUTH,
    },
    "instance_norm": {
        "eps": _EPS,
        "momentum": _MOMENTUM,
        "affine": _TRUTH,
        "track_running_stats": _TRUTH,
    },
    "group_norm": {"num_groups": _groups, "eps": _EPS, "affine": _TRUTH},
    "layer_norm": {
        "normalized_shape": _normalized,
        "eps": _EPS,
        "elementwise_affine": _TRUTH,
        "bias": _TRUTH,
    },
    "layer_norm2d": {"eps": _EPS, "elementwise_affine": _TRUTH},
    "dropout": {"p": _P},
    "stochastic_depth": {"p": _P, "mode": _of("row", "batch")},
    "layer_scale": {"init_value": _of(0.5, 1, 20, 1e-2)},
    "flatten": {},
    "permute": {"dims": _permutation},
    "identity": {},
    "add": {"alpha": _of(2, 0.5, -1, -0.25, 1)},
    "mul": {},
    "concat": {},
    "chunk": {"chunks": _groups, "index": _chunk_index},
    "slice": {"start": _start, "stop": _stop},
    "pad_channels": {"before": _of(0, 1, 2), "after": _of(0, 1, 3)},
    "channel_shuffle": {"groups": _groups},
    "pixel_shuffle": {"upscale_factor": _factor},
    "pixel_unshuffle": {"downscale_factor": _down_factor},
    "upsample": {
        "scale_factor": _of(1, 2, 2, 3, [1, 2], [2, 1]),
        "size": _of(3, 5, 8, [4, 7], [6, 3]),
        "mode": _of("nearest", "bilinear"),
        "align_corners": _TRUTH,
    },
    "zero_pad2d": {"padding": _ends},
    "relu": {},
    "relu6": {},
    "leaky_relu": {"negative_slope": _of(0.2, 0.5, -0.5, 2, 0)},
    "prelu": {"num_parameters": _parameters},
    "elu": {"alpha": _of(0.5, 2, 1, -0.5)},
    "gelu": {"approximate": _of("none", "tanh")},
    "silu": {},
    "hardswish": {},
    "hardsigmoid": {},
    "mish": {},
    "softplus": {"beta": _of(0.5, 2, 1, -0.5), "threshold": _of(0.5, 1, 2)},
    "sigmoid": {},
    "tanh": {},
    "scaled_tanh": {},
    "hardtanh": {"min_val": _of(-0.5, -2, -1), "max_val": _of(0.5, 2, 1)},
    "softmax": {"dim": _softmax_dim},
    "log_softmax": {"dim": _softmax_dim},
}
"""Per op, in an order in which each may look at those before it."""

ATTRIBUTES = tuple((op, name) for op, samplers in SAMPLERS.items() for name in samplers)
"""Every attribute of every op."""
