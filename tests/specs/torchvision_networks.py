"""torchvision's networks as these tests see them: tensors, called modules, counts and results."""

from collections.abc import Iterable
from functools import cache
from math import prod
from typing import Any, NamedTuple

import pytest

from archspec.api import Check
from archspec.graph.network import INPUT, Node
from archspec.ops import OPS

REASON = "torchvision's networks are what these specs are compared with"


class Layer(NamedTuple):
    """A module as it was called: its name, class, shapes, parameters, and attributes."""

    name: str
    kind: str
    arriving: tuple[int, ...]
    output: tuple[int, ...]
    params: int
    attributes: dict[str, Any]


class Reference(NamedTuple):
    """What torchvision's constructor gives: tensors, called modules, MACs, what is published."""

    state: dict[str, tuple[int, ...]]
    layers: list[Layer]
    params: int
    macs: int
    published: list[tuple[int, float, int]]


COMPARED = (
    *("kernel_size", "stride", "dilation", "groups", "eps", "momentum", "p", "mode", "output_size"),
    *("dims", "ceil_mode", "count_include_pad", "padding", "bias"),
)


@cache
def torchvision_has(name: str, size: int, width_mult: float | None = None) -> Reference:
    torch = pytest.importorskip("torch", reason=REASON)
    models = pytest.importorskip("torchvision", reason=REASON).models
    from torch.utils.flop_counter import FlopCounterMode

    settings = {} if width_mult is None else {"width_mult": width_mult}
    with torch.device("meta"):
        model = models.get_model(name, weights=None, **settings).eval()
        picture = torch.zeros(1, 3, size, size)
    layers: list[Layer] = []

    def note(path: str) -> Any:
        def hook(module: Any, given: Any, output: Any) -> None:
            layers.append(_layer(path, module, given[0], output))

        return hook

    for path, module in model.named_modules():
        if not list(module.children()) and type(module) is not torch.nn.Sequential:
            module.register_forward_hook(note(path))
    with FlopCounterMode(display=False) as counter:
        model(picture)
    published = [
        (weights.meta["num_params"], weights.meta["_ops"], weights.transforms().crop_size[0])
        for weights in models.get_model_weights(name)
    ]
    return Reference(
        state={key: tuple(tensor.shape) for key, tensor in model.state_dict().items()},
        layers=layers,
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=counter.get_total_flops() // 2,
        published=published,
    )


def _layer(path: str, module: Any, given: Any, output: Any) -> Layer:
    attributes = {name: getattr(module, name) for name in COMPARED if hasattr(module, name)}
    if "bias" in attributes:
        attributes["bias"] = attributes["bias"] is not None
    params = sum(parameter.numel() for parameter in module.parameters())
    kind, shapes = type(module).__name__, (tuple(given.shape[1:]), tuple(output.shape[1:]))
    return Layer(path, kind, *shapes, params, attributes)


def state(found: Check) -> dict[str, tuple[int, ...]]:
    """The tensors of a network, by the names that they have in its `state_dict`."""
    network = found.network
    assert network is not None
    tensors = {}
    for node in network.nodes:
        arriving = network.arriving(node)
        assert arriving is not None
        assert node.op is not None
        for tensor in node.op.tensors(arriving):
            tensors[".".join(filter(None, (node.path, tensor.name)))] = tensor.shape
    return tensors


KINDS = {op.op_name: op.__name__ for op in OPS} | {"batch_norm": "BatchNorm2d"}


def layers(found: Check, names: Iterable[str]) -> list[Layer]:
    """The steps that are modules of these names, in order, as torchvision's would be told."""
    network, results, wanted = found.network, found.results, set(names)
    assert network is not None
    assert results is not None
    return [
        Layer(
            name=node.path,
            kind=KINDS[node.op_name],
            arriving=tuple(network.input_shapes(node)[0] or ()),
            output=tuple(network.shape_of(node.output) or ()),
            params=results.parameters[node.index].trainable,  # type: ignore[union-attr]  # known
            attributes=attributes(node),
        )
        for node in network.nodes
        if node.path in wanted
    ]


def attributes(node: Node) -> dict[str, Any]:
    """A step's attributes as its module would have them."""
    found = {name: getattr(node.op, name) for name in COMPARED if hasattr(node.op, name)}
    if "stride" in found:
        found["stride"] = getattr(node.op, "strides")  # noqa: B009 - of a pooling, unless given
    return found


def computed(found: Check, model: Any, picture: Any) -> Any:
    """What the network gives when torchvision's modules and parameters do its steps."""
    import torch
    from torch.nn import functional

    network = found.network
    assert network is not None
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    functions: dict[str, Any] = {
        "add": lambda _, *given: sum(given),
        "mul": lambda _, *given: prod(given),
        "concat": lambda _, *given: torch.cat(given, 1),
        "chunk": lambda op, x: x.chunk(op.chunks, 1)[op.index],
        "channel_shuffle": lambda op, x: torch.nn.ChannelShuffle(op.groups)(x),
        "relu": lambda _, x: functional.relu(x),
        "adaptive_avg_pool": lambda op, x: functional.adaptive_avg_pool2d(x, op.output_size),
        "mean": lambda _, x: x.mean((2, 3)),
        "flatten": lambda _, x: x.flatten(1),
    }
    outputs: list[Any] = []
    for node in network.nodes:
        given = [picture if i == INPUT else outputs[i] for i, _ in node.inputs]
        if node.op_name == "layer_scale":
            outputs.append(parameters[node.path] * given[0])
        elif node.path in modules and not list(modules[node.path].children()):
            outputs.append(modules[node.path](*given))
        else:
            outputs.append(functions[node.op_name](node.op, *given))
    return outputs[network.output.node]
