"""Generated networks compute what the table says: every shape, every parameter, every value."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from archspec.api import Check
from archspec.ops import OPS
from archspec.targets.torch.emit import EMITTERS
from tests.targets.networks import (
    Row,
    batch,
    body,
    build,
    chains,
    check,
    nodes,
    source,
    tensors_counted,
)
from tests.targets.reference import REFERENCES, run

CAREFUL = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def outputs_by_path(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    """The network's output, and that of every module in it by its name."""
    seen: dict[str, torch.Tensor] = {}
    for name, inner in module.named_modules():

        def keep(_: nn.Module, __: Any, output: torch.Tensor, name: str = name) -> None:
            seen[name] = output.clone()  # an activation may overwrite it

        inner.register_forward_hook(keep)
    return module(x), seen


def assert_computes_what_the_table_says(checked: Check) -> None:
    network = checked.network
    assert network is not None
    assert network.input_shape is not None
    module = build(checked)
    x = batch(network.input_shape)
    expected = run(network, module.state_dict(), x)
    assert [tuple(tensor.shape[1:]) for tensor in expected] == [
        network.shape_of(node.output) for node in network.nodes
    ]
    result, seen = outputs_by_path(module, x.clone())
    for node in network.nodes:
        if node.path in seen:
            torch.testing.assert_close(seen[node.path], expected[node.index])
    torch.testing.assert_close(result, expected[network.output.node] if network.nodes else x)


def assert_state_is_as_counted(checked: Check, module: nn.Module) -> None:
    """Names, order and shapes of the state_dict, and what is trained, are the analysis's."""
    trained = dict(module.named_parameters())
    state = module.state_dict()
    found = {name: (tuple(value.shape), name in trained) for name, value in state.items()}
    wanted = tensors_counted(checked)
    assert found == wanted
    # A parameter of a class's own stands before those of its modules, whatever the rows' order.
    direct = {node.path for node in nodes(checked)}
    assert [n for n in found if n not in direct] == [n for n in wanted if n not in direct]
    numbers = sum(parameter.numel() for parameter in module.parameters())
    assert numbers == checked.totals.trainable_params


@given(chains())
@CAREFUL
def test_random_chains(checked: Check) -> None:
    assert_computes_what_the_table_says(checked)
    assert_state_is_as_counted(checked, build(checked))


@given(chains())
@CAREFUL
def test_random_chains_can_be_trained(checked: Check) -> None:
    assert checked.network is not None
    assert checked.network.input_shape is not None
    module = build(checked).train()
    x = batch(checked.network.input_shape, size=3).requires_grad_()
    module(x).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_every_op_can_be_written_and_is_compared() -> None:
    assert set(EMITTERS) == set(REFERENCES) == set(OPS)


WINDOWS: dict[str, dict[str, Any]] = {
    "asymmetric": {"kernel_size": 3, "stride": 2, "padding": [1, 2]},
    "four sides": {"kernel_size": 5, "stride": 2, "padding": [[0, 1], [2, 3]]},
    "one axis": {"kernel_size": [1, 3], "padding": {"width": [0, 1]}},
    "same": {"kernel_size": 3, "stride": 1, "padding": "same"},
    "same, even": {"kernel_size": 2, "stride": 1, "padding": "same"},
    "same, strided": {"kernel_size": 3, "stride": 2, "padding": "same"},
    "same, strided on one axis": {"kernel_size": [3, 2], "stride": [2, 1], "padding": "same"},
    "same, strided across": {"kernel_size": [1, 3], "stride": [2, 1], "padding": "same"},
    "same, leaping": {"kernel_size": [2, 1], "stride": 3, "padding": "same"},
    "more than half": {"kernel_size": 3, "stride": 1, "padding": 2},
}
OPS_WITH_WINDOWS: dict[str, dict[str, Any]] = {
    "conv2d": {"op": "conv2d", "out_channels": 4},
    "conv2d, grouped": {"op": "conv2d", "out_channels": 4, "groups": 2, "bias": False},
    "conv2d, dilated": {"op": "conv2d", "out_channels": 4, "dilation": 2},
    "max_pool": {"op": "max_pool"},
    "max_pool, dilated": {"op": "max_pool", "dilation": [1, 2]},
    "max_pool, ceil": {"op": "max_pool", "ceil_mode": True},
    "avg_pool": {"op": "avg_pool"},
    "avg_pool, ceil": {"op": "avg_pool", "ceil_mode": True},
    "avg_pool, not counted": {"op": "avg_pool", "count_include_pad": False},
    "avg_pool, neither": {"op": "avg_pool", "count_include_pad": False, "ceil_mode": True},
}
PLACES: dict[str, Any] = {
    "named": lambda row: [{"name": "step", **row}],
    "unnamed": lambda row: [row],
    "in a group": lambda row: [{"name": "group", "layers": [row]}],
    "after one": lambda row: [
        {"name": "first", "op": "conv2d", "out_channels": 4, "kernel_size": 1},
        row,
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("op", OPS_WITH_WINDOWS)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_padding_everywhere(window: str, op: str, place: str) -> None:
    row = OPS_WITH_WINDOWS[op] | WINDOWS[window]
    checked = check(PLACES[place](row), (2, 9, 8))
    assert_computes_what_the_table_says(checked)
    assert_state_is_as_counted(checked, build(checked))


@pytest.mark.parametrize("op", ["conv2d", "max_pool", "avg_pool", "avg_pool, neither"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", [(21, 17), (16, 16)])
def test_a_second_input_size(window: str, op: str, size: tuple[int, int]) -> None:
    row = OPS_WITH_WINDOWS[op] | WINDOWS[window]
    checked = check([{"name": "a", "layers": [row]}, {"name": "b", **row}], (4, 19, 18))
    module = build(checked)
    x = batch((4, *size))
    assert checked.network is not None
    *_, expected = run(checked.network, module.state_dict(), x)
    torch.testing.assert_close(module(x), expected)


NUMBERED: dict[str, list[Row]] = {
    "a step": [{"name": "5", "op": "conv2d", "out_channels": 2, "kernel_size": 3}, {"op": "relu"}],
    "a step without weights": [{"name": "0", "op": "relu"}],
    "steps out of order": [
        {"name": "1", "op": "batch_norm"},
        {"name": "0", "op": "max_pool", "kernel_size": 2},
    ],
    "a group": [
        {"name": "a", "op": "relu"},
        {"name": "3", "layers": [{"name": "2", "op": "batch_norm"}, {"op": "relu"}]},
    ],
    "a group without weights": [{"name": "3", "layers": [{"op": "relu"}]}],
    "a name in an unnamed group": [{"layers": [{"name": "a", "op": "relu"}]}, {"op": "tanh"}],
    "a number in an unnamed group": [{"layers": [{"name": "4", "op": "relu"}]}, {"op": "tanh"}],
    "a name that is there already": [
        {"layers": [{"name": "a", "op": "relu"}]},
        {"name": "a", "op": "batch_norm"},
    ],
}


@pytest.mark.parametrize("rows", NUMBERED.values(), ids=NUMBERED)
def test_numbers_name_modules_at_the_root(rows: list[Row]) -> None:
    checked = check(rows)
    assert_computes_what_the_table_says(checked)
    module = build(checked)
    assert_state_is_as_counted(checked, module)
    named = {node.path for node in nodes(checked) if node.named}
    assert named <= {name for name, _ in module.named_modules()}


def nested(depth: int) -> Row:
    """A group in a group in a group, with a step before and behind each."""
    row: Row = {"op": "conv2d", "out_channels": "group2", "kernel_size": 1}
    for i in range(depth):
        row = {"name": f"g{i}", "layers": [{"op": "batch_norm"}, row, {"name": "b", "op": "tanh"}]}
    return row


@pytest.mark.parametrize("depth", [*range(1, 9), 55])
@pytest.mark.parametrize("behind", [[], [{"op": "batch_norm"}]], ids=["attribute", "position"])
def test_groups_nest_as_deep_as_a_spec_may(depth: int, behind: list[Row]) -> None:
    checked = check([nested(depth), *behind], vars={"group2": 3})
    assert checked.ok
    assert_computes_what_the_table_says(checked)
    assert_state_is_as_counted(checked, build(checked))


def test_an_input_is_never_overwritten() -> None:
    rows: list[Row] = [{"name": "a", "layers": [{"op": "relu"}, {"op": "relu"}]}, {"op": "relu"}]
    text = source(rows)
    assert "inplace" not in text
    module, x = build(check(rows)), batch((3, 9, 8))
    before = x.clone()
    module(x)
    assert torch.equal(x, before)


def test_activations_work_in_place_only_behind_what_autograd_does_without() -> None:
    group = [
        {"op": "conv2d", "out_channels": 4, "kernel_size": 1},
        {"op": "relu"},
        {"op": "relu"},
        {"op": "max_pool", "kernel_size": 2},
        {"op": "relu"},
        {"op": "batch_norm"},
        {"op": "leaky_relu", "negative_slope": -1},
    ]
    text = body(source([{"name": "a", "layers": group}]))
    activations = [line.strip() for line in text.splitlines() if "ReLU" in line]
    assert activations == [
        "nn.ReLU(inplace=True),",
        "nn.ReLU(),",
        "nn.ReLU(),",
        "nn.LeakyReLU(negative_slope=-1),",
    ]
