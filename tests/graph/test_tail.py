"""A network with other values at its end is the one that the whole spec gives with them."""

from typing import Any

import pytest

from archspec.api import check, check_text
from archspec.graph.build import bind, build
from archspec.graph.network import Network
from archspec.graph.tail import with_tail

HEAD = """\
archspec: 1
name: Net
input: [3, 16, 16]
vars: {num_classes: 10, width: 8, hidden: num_classes * 2, p: 0.5, act: relu}
"""
ROWS = {
    "the last row": ("num_classes", True, "{op: linear, out_features: num_classes}"),
    "a row that follows from it": ("num_classes", True, "{op: linear, out_features: hidden}"),
    "a rate": ("p", True, "{op: dropout, p: p}"),
    "the first row": ("width", True, "{op: linear, out_features: num_classes}"),
    "a row with tensors or without": ("p", False, "{op: linear, out_features: 5, bias: p > 0.3}"),
    "a condition": ("num_classes", False, "{op: relu, when: num_classes > 10}"),
    "a repetition": ("num_classes", False, "{op: relu, repeat: num_classes}"),
    "a group": ("num_classes", True, "{layers: [{op: linear, out_features: num_classes}]}"),
    "a group before it": ("width", True, "{layers: [{op: linear, out_features: num_classes}]}"),
    "a group that is repeated": (
        "num_classes",
        False,
        "{name: g, repeat: 2, layers: [{op: linear, out_features: num_classes}]}",
    ),
    "the op itself": ("p", False, "{op: dropout if p > 0.3 else relu}"),
    "an activation": ("p", False, "{op: linear, out_features: 5, dropout: p}"),
    "a block": ("num_classes", False, "{op: B, n: num_classes}"),
}


def network_of(row: str) -> Network:
    """A network that ends in a row."""
    text = (
        f"{HEAD}blocks:\n  B: {{args: {{n: ~}}, layers: [{{op: linear, out_features: n}}]}}\n"
        "layers:\n  - {op: conv2d, out_channels: width, kernel_size: 3}\n  - {op: flatten}\n"
        "  - {op: linear, out_features: 12}\n"
        f"  - {row}\n  - {{op: tanh}}\n"
    )
    checked = check_text(text)
    checked.raise_for_errors()
    assert checked.network is not None
    return checked.network


def same(network: Network, other: Network) -> None:
    """Equal in everything that anybody asks of them, scopes and twins included."""
    assert [(n.path, repr(n.op), n.module.tensors, n.inputs) for n in network.nodes] == [
        (n.path, repr(n.op), n.module.tensors, n.inputs) for n in other.nodes
    ]
    assert network.shapes == other.shapes
    assert network.vars == other.vars
    assert network.outputs == other.outputs
    assert [n.index for n in network.root.nodes()] == [n.index for n in other.root.nodes()]
    assert all(a is b for a, b in zip(network.root.nodes(), network.nodes, strict=True))
    for node, twin in zip(network.nodes, network.twins, strict=True):
        first = network.nodes[twin]
        assert repr(first.op) == repr(node.op)
        assert network.arriving(first) == network.arriving(node)


@pytest.mark.parametrize("case", ROWS)
def test_only_what_reads_a_variable_at_the_end_is_made_anew(case: str) -> None:
    name, is_tail, row = ROWS[case]
    network = network_of(row)
    value: Any = network.vars[name]
    overrides = {name: value + 3 if isinstance(value, int) else value / 2}
    names = bind(network.spec, overrides, [])
    changed = with_tail(network, names)
    assert (changed is not None) == is_tail
    if changed is not None:
        expected, faults = build(network.spec, overrides)
        assert not faults
        same(changed, expected)


def test_a_value_that_a_row_does_not_take_gives_no_network() -> None:
    network = network_of("{op: linear, out_features: num_classes}")
    assert with_tail(network, bind(network.spec, {"num_classes": 0}, [])) is None


@pytest.mark.parametrize("spec", ["vgg16", "resnet18", "densenet121", "efficientnet_b0"])
def test_networks_of_the_zoo_with_other_classes(spec: str) -> None:
    checked = check(spec)
    network = checked.network
    assert network is not None
    overrides = {"num_classes": 7}
    changed = with_tail(network, bind(network.spec, overrides, []))
    assert changed is not None
    same(changed, build(network.spec, overrides)[0])
