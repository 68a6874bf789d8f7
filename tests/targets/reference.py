"""What every op computes, written down slowly and without the layers that generated code uses."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

import torch

from archspec.graph.network import INPUT, Network, Node
from archspec.ops import OPS_BY_NAME, Op
from tests.ops.references import MORE

Tensors = Mapping[str, torch.Tensor]


def forward(op: Op, inputs: Sequence[torch.Tensor], tensors: Tensors) -> torch.Tensor:
    """The op applied to a batch, or to the batches that it merges, in evaluation."""
    given: Any = inputs if op.arity == "several" else inputs[0]
    return REFERENCES[type(op)](op, given, tensors)


def run(network: Network, state: Tensors, x: torch.Tensor) -> list[torch.Tensor]:
    """What every node of a network puts out for a batch, computed one after the other."""
    outputs: list[torch.Tensor] = []
    for node in network.nodes:
        assert node.op is not None
        inputs = [x if value.node == INPUT else outputs[value.node] for value in node.inputs]
        outputs.append(forward(node.op, inputs, tensors_of(node, state)))
    return outputs


def tensors_of(node: Node, state: Tensors) -> dict[str, torch.Tensor]:
    """A node's own tensors by name; one that is the whole of the node has no name."""
    prefix = f"{node.path}."
    own = {"": state[node.path]} if node.path in state else {}
    inner = {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
    return own | {key: tensor for key, tensor in inner.items() if "." not in key}


def ends(op: Any, axis: int, size: int) -> tuple[int, int]:
    """Padding before and after along an axis."""
    if op.padding == "valid":
        return 0, 0
    if op.padding != "same":
        before, after = op.padding[axis]
        return before, after
    windows = math.ceil(size / op.strides[axis])
    reach = (windows - 1) * op.strides[axis] + (op.kernel_size[axis] - 1) * op.dilation[axis] + 1
    total = max(reach - size, 0)
    return total // 2, math.ceil(total / 2)


def windows(op: Any, axis: int, size: int) -> list[list[int]]:
    """The places that each window reads along an axis, those in the padding included."""
    before, after = ends(op, axis, size)
    found: list[list[int]] = []
    start = -before
    while True:
        places = [start + i * op.dilation[axis] for i in range(op.kernel_size[axis])]
        fits = places[-1] < size + after
        reaches_something = bool(found) and found[-1][-1] < size + after - 1 and start < size
        if not (fits or (op.rounds_up and (reaches_something or not found))):
            return found
        found.append(places)
        start += op.strides[axis]


def conv2d(op: Any, x: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    rows, columns = windows(op, 0, x.shape[2]), windows(op, 1, x.shape[3])
    weight = tensors["weight"]
    fan, width = weight.shape[1], weight.shape[0] // op.groups
    result = torch.zeros(len(x), op.out_channels, len(rows), len(columns), dtype=x.dtype)
    for (i, window), (j, across) in product(enumerate(rows), enumerate(columns)):
        for (a, row), (b, column) in product(enumerate(window), enumerate(across)):
            if not (0 <= row < x.shape[2] and 0 <= column < x.shape[3]):
                continue
            for g in range(op.groups):
                outs, ins = slice(g * width, (g + 1) * width), slice(g * fan, (g + 1) * fan)
                result[:, outs, i, j] += x[:, ins, row, column] @ weight[outs, :, a, b].T
    return result + tensors["bias"].view(-1, 1, 1) if op.bias else result


def pool(op: Any, x: torch.Tensor, gather: Callable[..., torch.Tensor]) -> torch.Tensor:
    rows, columns = windows(op, 0, x.shape[2]), windows(op, 1, x.shape[3])
    lines = [[gather(op, x, row, column) for column in columns] for row in rows]
    return torch.stack([torch.stack(line, -1) for line in lines], -2)


def inside(places: Sequence[int], size: int) -> list[int]:
    return [place for place in places if 0 <= place < size]


def maximum(op: Any, x: torch.Tensor, rows: list[int], columns: list[int]) -> torch.Tensor:
    del op
    read = x[:, :, inside(rows, x.shape[2])][:, :, :, inside(columns, x.shape[3])]
    if read.shape[2] * read.shape[3] == 0:
        return torch.full(x.shape[:2], -math.inf, dtype=x.dtype)
    return read.amax((2, 3))


def average(op: Any, x: torch.Tensor, rows: list[int], columns: list[int]) -> torch.Tensor:
    counts = 1
    for axis, places in enumerate((rows, columns)):
        size = x.shape[2 + axis]
        before, after = ends(op, axis, size)
        counts *= (
            sum(1 for place in places if -before <= place < size + after)
            if op.count_include_pad
            else len(inside(places, size))
        )
    read = x[:, :, inside(rows, x.shape[2])][:, :, :, inside(columns, x.shape[3])]
    mean: torch.Tensor = read.sum((2, 3)) / counts
    return mean


def adaptive(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    bins = [
        [range(i * size // n, math.ceil((i + 1) * size / n)) for i in range(n)]
        for size, n in zip(x.shape[2:], op.output_size, strict=True)
    ]
    lines = [[x[:, :, list(r)][:, :, :, list(c)].mean((2, 3)) for c in bins[1]] for r in bins[0]]
    return torch.stack([torch.stack(line, -1) for line in lines], -2)


def batch_norm(op: Any, x: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    others = [axis for axis in range(x.ndim) if axis != 1]
    shape = [1, -1] + [1] * (x.ndim - 2)
    tracked = op.track_running_stats
    mean = tensors["running_mean"] if tracked else x.mean(others)
    variance = tensors["running_var"] if tracked else x.var(others, unbiased=False)
    result: torch.Tensor = (x - mean.view(shape)) / (variance.view(shape) + op.eps).sqrt()
    if op.affine:
        result = result * tensors["weight"].view(shape) + tensors["bias"].view(shape)
    return result


def local_response_norm(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    result = torch.empty_like(x)
    for i in range(x.shape[1]):
        first, last = max(i - op.size // 2, 0), min(i + (op.size - 1) // 2, x.shape[1] - 1)
        squares = (x[:, first : last + 1] ** 2).sum(1)
        result[:, i] = x[:, i] / (op.k + op.alpha / op.size * squares) ** op.beta
    return result


def gelu(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    if op.approximate == "tanh":
        return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))


def softmax(op: Any, x: torch.Tensor, _: Tensors) -> torch.Tensor:
    powers = (x - x.amax(op.dim, keepdim=True)).exp()
    return powers / powers.sum(op.dim, keepdim=True)


def _hard(x: torch.Tensor) -> torch.Tensor:
    return (x + 3).clamp(0, 6) / 6


def together(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The channels of all parts, put into one batch part by part."""
    channels = [part.shape[1] for part in parts]
    result = parts[0].new_empty(len(parts[0]), sum(channels), *parts[0].shape[2:])
    for i, part in enumerate(parts):
        result[:, sum(channels[:i]) : sum(channels[: i + 1])] = part
    return result


_BY_NAME: dict[str, Callable[[Any, Any, Tensors], torch.Tensor]] = {
    "add": lambda op, parts, _: reduce(lambda x, y: x + op.alpha * y, parts),
    "mul": lambda _, parts, __: reduce(torch.mul, parts),
    "concat": lambda _, parts, __: together(parts),
    "conv2d": conv2d,
    "linear": lambda op, x, t: x @ t["weight"].T + (t["bias"] if op.bias else 0),
    "max_pool": lambda op, x, _: pool(op, x, maximum),
    "avg_pool": lambda op, x, _: pool(op, x, average),
    "adaptive_avg_pool": adaptive,
    "local_response_norm": local_response_norm,
    "batch_norm": batch_norm,
    "dropout": lambda _, x, __: x,
    "identity": lambda _, x, __: x,
    "flatten": lambda _, x, __: x.reshape(len(x), -1),
    "relu": lambda _, x, __: x.clamp(min=0),
    "relu6": lambda _, x, __: x.clamp(0, 6),
    "leaky_relu": lambda op, x, _: torch.where(x > 0, x, op.negative_slope * x),
    "elu": lambda op, x, _: torch.where(x > 0, x, op.alpha * (x.exp() - 1)),
    "gelu": gelu,
    "silu": lambda _, x, __: x / (1 + (-x).exp()),
    "hardswish": lambda _, x, __: x * _hard(x),
    "hardsigmoid": lambda _, x, __: _hard(x),
    "sigmoid": lambda _, x, __: 1 / (1 + (-x).exp()),
    "tanh": lambda _, x, __: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "softmax": softmax,
    "log_softmax": lambda op, x, t: softmax(op, x, t).log(),
}

REFERENCES = {OPS_BY_NAME[name]: reference for name, reference in (_BY_NAME | MORE).items()}
