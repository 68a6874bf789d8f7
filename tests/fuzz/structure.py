"""A module beside what is computed of it: tensors, how they begin, and what is multiplied."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import Check
from archspec.graph.network import Network
from archspec.ops import Shape
from archspec.ops.lenet import PartialConv2d
from archspec.ops.residual import LayerScale
from tests.fuzz import facts
from tests.fuzz.failure import Failure

BATCH = 2
"""Of one picture, norms without statistics of their own refuse single numbers."""


def expected_tensors(network: Network) -> dict[str, tuple[Shape, bool]]:
    """The tensors of a network's state_dict: shape, and whether it is a parameter."""
    named = facts.named_tensors(network)
    return {name: (tuple(tensor.shape), tensor.trainable) for name, tensor in named}


def compare_state(network: Network, module: nn.Module) -> Iterator[Failure]:
    """The first tensor that is missing, or is another."""
    expected = expected_tensors(network)
    trained = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    got = {name: (tuple(t.shape), name in trained) for name, t in module.state_dict().items()}
    for name in expected.keys() - got.keys():
        yield Failure("state differs", f"`{name}` is missing")
        return
    for name in got.keys() - expected.keys():
        yield Failure("state differs", f"`{name}` is too much")
        return
    for name, tensor in expected.items():
        if got[name] != tensor:
            yield Failure("state differs", f"`{name}`: {got[name]} instead of {tensor}")
            return
    if list(got) != list(expected) and set(got) != set(expected):
        yield Failure("state differs", "the order")


def compare_beginnings(network: Network, module: nn.Module) -> Iterator[Failure]:
    """Parameters that begin with one number, and others within their bounds."""
    state = module.state_dict()
    for node in network.nodes:
        if isinstance(node.op, LayerScale) and "" not in facts.beginnings(node):
            expected = torch.full_like(state[node.path], node.op.init_value)
            if not torch.equal(state[node.path], expected):
                yield Failure("init differs", "layer_scale")
        for name, scheme in facts.beginnings(node).items():
            tensor = state[f"{node.path}.{name}" if name else node.path]
            options: Mapping[str, Any] = scheme.options
            if scheme.name in ("zeros", "ones", "constant"):
                value = {"zeros": 0, "ones": 1}.get(scheme.name, options.get("value"))
                wrong = not bool((tensor == value).all())
            elif scheme.name == "uniform":
                low, high = options.get("a", 0), options.get("b", 1)
                wrong = not bool(((tensor >= low) & (tensor <= high)).all())
            else:
                spread = tensor.numel() > 2 and 0 not in (options.get("std"), options.get("gain"))
                wrong = spread and bool((tensor == tensor.flatten()[0]).all())
            if wrong:
                yield Failure("init differs", f"{node.op_name}.{name}: {scheme.name}")


def compare_macs(check: Check, network: Network, module: nn.Module) -> Iterator[Failure]:
    """Half of what PyTorch's own counter counts; a sparse layer computes with a dense kernel."""
    assert check.results is not None
    evaluated = [node for node in network.nodes if network.is_evaluated(node)]
    macs = check.results.totals(evaluated).macs
    assert macs is not None
    for node in evaluated:
        if isinstance(node.op, PartialConv2d):
            shape, output = facts.arriving(network, node)[0], facts.given(network, node)
            assert output is not None
            dense = len(node.op.table) * shape[0] - node.op.connections
            kernel = node.op.kernel_size[0] * node.op.kernel_size[1]
            macs += dense * kernel * output[1] * output[2]
    assert network.input_shape is not None
    module.eval()
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.zeros(BATCH, *network.input_shape))
    except Exception:  # noqa: BLE001 - told when the network is run and compared
        return
    flops = counter.get_total_flops() // BATCH
    if flops != 2 * macs:
        more = "more" if flops > 2 * macs else "fewer"
        yield Failure("macs differ", f"{more} are run than counted: {flops / 2:g} and {macs}")
