"""A network without code: what its nodes compute, one after the other, on a state_dict."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from archspec.graph.network import INPUT, Network, Node, Value
from archspec.ops import ChannelsLast, Op, Shape
from archspec.proof.call import Call
from archspec.proof.rounding import Rounding
from archspec.proof.semantics import SEMANTICS

Values = list[Tensor | None]


class Interpretation(NamedTuple):
    """What a network computes.

    `outputs` are those that training or evaluation gives back, by name and in order. `values` are
    what the nodes put out, None where one is not run. `buffers` are the statistics that the run
    leaves behind, by their names in the state_dict; what it has not changed is not among them.
    """

    outputs: dict[str, Tensor]
    values: tuple[Tensor | None, ...]
    buffers: dict[str, Tensor]


def interpret(
    network: Network,
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor] | Tensor,
    *,
    training: bool,
    rounding: Rounding | None = None,
) -> Interpretation:
    """What a network without faults computes for a batch, with the tensors of a state_dict.

    Every step is written out in plain functions of torch, after the documentation of its op. The
    code that `archspec gen` writes is not asked for anything, and nothing is changed in place.
    Gradients are autograd's: give tensors that require them. Dropout draws the fixed numbers of
    `chance.draws`.

    A mode runs the nodes that lead to what it gives back. The pictures may be of another size than
    the spec's. With a `rounding` every step is off by some roundings. Raises KeyError where a
    tensor is missing, and for an op whose meaning is not written down.
    """
    arriving = _in_order(network, inputs)
    buffers: dict[str, Tensor] = {}
    values: Values = []
    runs = network.is_run if training else network.is_evaluated
    for node in network.nodes:
        value = None
        if runs(node):
            assert node.op is not None, "a network without faults"
            call = _call(network, node, values, arriving, state, buffers, training=training)
            value = _computed(node.op, call) if rounding is None else _off(node.op, call, rounding)
        values.append(value)
    given = _given(network, training=training)
    outputs = {name: _read(value, values, arriving) for name, value in given}
    return Interpretation(outputs, tuple(values), buffers)


def _computed(op: Op, call: Call) -> Tensor:
    return SEMANTICS[type(op)](op, call)


def _off(op: Op, call: Call, rounding: Rounding) -> Tensor:
    """What a step puts out, with errors; or exactly that, and only its gradients have errors."""
    if not rounding.is_of_gradients_only:
        return rounding.of(_computed(op, call._replace(rounding=rounding)))
    with torch.no_grad():
        exact = _computed(op, call._replace(buffers=dict(call.buffers)))
    value = rounding.of(_computed(op, call._replace(rounding=rounding)))
    if not value.requires_grad:
        return exact
    return value + (exact - value).detach().nan_to_num(0, 0, 0)  # what is infinite stays so


def _in_order(network: Network, inputs: Mapping[str, Tensor] | Tensor) -> tuple[Tensor, ...]:
    """What arrives, a port each; of a single input the name need not be told."""
    if isinstance(inputs, Tensor):
        return (inputs,)
    return tuple(inputs[name] for name in network.inputs)


def _given(network: Network, *, training: bool) -> Iterator[tuple[str, Value]]:
    """What the network gives back, by name."""
    for name, value in network.outputs.items():
        if training or name not in network.training_only:
            yield name, value


def _read(source: Value, values: Values, arriving: tuple[Tensor, ...]) -> Tensor:
    """What a node put out, or an input of the network."""
    if source.node == INPUT:
        return arriving[source.port]
    value = values[source.node]
    assert value is not None, "evaluation reads nothing that it does not run"
    return value


def _call(
    network: Network,
    node: Node,
    values: Values,
    arriving: tuple[Tensor, ...],
    state: Mapping[str, Tensor],
    buffers: dict[str, Tensor],
    *,
    training: bool,
) -> Call:
    """One node as its op sees it."""
    shapes = network.arriving(node)
    assert shapes is not None, "nothing is unknown of a network without faults"
    return Call(
        inputs=tuple(_read(value, values, arriving) for value in node.inputs),
        channel_dim=_channel_dim(shapes[0]),
        path=node.path,
        state=state,
        buffers=buffers,
        training=training,
    )


def _channel_dim(shape: Shape) -> int:
    """The dimension of the channels, the batch being dimension 0."""
    return len(shape) if isinstance(shape, ChannelsLast) else 1
