"""Parameters begin as the spec says: zeros exactly, spreads by the schemes' own formulas."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

import archspec
from archspec.api import check_text, write
from archspec.targets.torch.run import instantiate

HEAD = "archspec: 1\nname: Net\ninput: [16, 9, 9]\n"


def begun(rows: str, head: str = "") -> nn.Module:
    """A network as it is constructed, from a fixed seed."""
    torch.manual_seed(0)
    made: nn.Module = instantiate(write(check_text(HEAD + head + "layers:\n" + rows)))
    return made


def spread(tensor: torch.Tensor) -> tuple[float, float]:
    return float(tensor.detach().mean()), float(tensor.detach().std())


WIDE = "  - {name: a, op: conv2d, out_channels: 64, kernel_size: 3, init: {weight: SCHEME}}\n"
FAN_IN, FAN_OUT = 16 * 9, 64 * 9
SCHEMES: dict[str, tuple[float, float]] = {
    "{normal: {mean: 1, std: 0.5}}": (1, 0.5),
    "{uniform: {a: -1, b: 3}}": (1, 4 / sqrt(12)),
    "{kaiming_normal: {mode: fan_out, nonlinearity: relu}}": (0, sqrt(2 / FAN_OUT)),
    "{kaiming_normal: {mode: fan_in, nonlinearity: linear}}": (0, sqrt(1 / FAN_IN)),
    "{kaiming_uniform: {nonlinearity: relu}}": (0, sqrt(2 / FAN_IN)),
    "{kaiming_uniform: {a: 1}}": (0, sqrt(1 / FAN_IN)),
    "{xavier_normal: {gain: 2}}": (0, 2 * sqrt(2 / (FAN_IN + FAN_OUT))),
    "xavier_uniform": (0, sqrt(2 / (FAN_IN + FAN_OUT))),
    "{trunc_normal: {std: 0.02}}": (0, 0.02),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("place", ["of the row", "of the op"])
def test_a_scheme_s_mean_and_spread(scheme: str, place: str) -> None:
    if place == "of the row":
        network = begun(WIDE.replace("SCHEME", scheme))
    else:
        rows = "  - {name: a, op: conv2d, out_channels: 64, kernel_size: 3}\n"
        network = begun(rows, f"init: {{conv2d: {{weight: {scheme}}}}}\n")
    mean, std = spread(network.get_parameter("a.weight"))
    wanted_mean, wanted = SCHEMES[scheme]
    assert mean == pytest.approx(wanted_mean, abs=0.05 * wanted)
    assert std == pytest.approx(wanted, rel=0.05)


def test_what_is_exact_is_exact() -> None:
    network = begun(
        "  - {name: a, op: conv2d, out_channels: 4, kernel_size: 3, norm: batch_norm}\n"
        "  - {name: b, op: batch_norm, init: {weight: zeros, bias: {constant: {value: 0.5}}}}\n"
        "  - {op: flatten}\n"
        "  - {name: c, op: linear, out_features: 4}\n",
        "init: {batch_norm: {weight: ones, bias: {constant: {value: 2}}},"
        " linear: {weight: {constant: {value: 0.25}}, bias: zeros}}\n",
    )
    wanted = {"a_norm.weight": 1, "a_norm.bias": 2, "b.weight": 0, "b.bias": 0.5}
    wanted |= {"c.weight": 0.25, "c.bias": 0}
    for name, value in wanted.items():
        tensor = network.get_parameter(name)
        assert torch.equal(tensor, torch.full_like(tensor, value)), name
    weight = network.get_parameter("a.weight")  # the spec is silent: PyTorch's own
    assert spread(weight)[1] == pytest.approx(1 / sqrt(3 * 16 * 9), rel=0.1)


def test_a_row_of_a_block_begins_in_its_own_way_wherever_the_block_stands() -> None:
    network = begun(
        "  - {name: a, op: Unit, repeat: 3}\n  - {name: b, op: Unit}\n",
        "init: {batch_norm: {weight: ones, bias: zeros}}\n"
        "blocks:\n  Unit:\n    layers:\n"
        "      - {name: conv, op: conv2d, out_channels: 8, kernel_size: 1}\n"
        "      - {name: first, op: batch_norm}\n"
        "      - {name: last, op: batch_norm, init: {weight: zeros}}\n",
    )
    for name, tensor in network.named_parameters():
        if name.endswith("last.weight"):
            assert torch.count_nonzero(tensor) == 0
        if name.endswith("first.weight"):
            assert torch.equal(tensor, torch.ones_like(tensor))
    assert sum(name.endswith("last.weight") for name, _ in network.named_parameters()) == 4


def test_without_init_there_is_no_loop() -> None:
    rows = "layers: [{name: a, op: conv2d, out_channels: 4, kernel_size: 1}]\n"
    assert "nn.init" not in write(check_text(HEAD + rows))


def test_options_are_computed() -> None:
    network = begun(
        "  - {op: flatten}\n  - {name: c, op: linear, out_features: 50}\n",
        "vars: {spread: 0.5}\ninit: {linear: {weight: {normal: {std: spread / 2}}}}\n",
    )
    assert spread(network.get_parameter("c.weight"))[1] == pytest.approx(0.25, rel=0.02)


BLOCK = """\
blocks:
  Unit:
    args: {std: ~}
    layers:
      - name: a
        op: conv2d
        out_channels: 64
        kernel_size: 3
        init: {weight: {normal: {std: std}}}
"""


def test_options_of_a_row_that_are_the_same_wherever_its_block_stands() -> None:
    rows = "  - {name: u, op: Unit, std: 0.5}\n  - {name: v, op: Unit, std: 0.5}\n"
    network = begun(rows, BLOCK)
    for name in ("u.a.weight", "v.a.weight"):
        assert spread(network.get_parameter(name))[1] == pytest.approx(0.5, rel=0.05)


def test_options_of_a_row_may_differ_from_place_to_place() -> None:
    rows = "  - {name: u, op: Unit, std: 0.5}\n  - {name: v, op: Unit, std: 0.25}\n"
    network = begun(rows, BLOCK)
    for name, std in (("u.a.weight", 0.5), ("v.a.weight", 0.25)):
        assert spread(network.get_parameter(name))[1] == pytest.approx(std, rel=0.05)


def test_a_repeated_row_begins_as_its_index_says() -> None:
    row = "init: {bias: {constant: {value: i + 1}}}"
    rows = f"  - {{name: b, op: conv2d, repeat: 3, out_channels: 4, kernel_size: 1, {row}}}\n"
    network = begun(rows)
    values = [float(network.get_parameter(f"b.{i}.bias")[0].detach()) for i in range(3)]
    assert values == [1, 2, 3]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_torchvision_s_networks_begin_with_the_same_spread(name: str) -> None:
    models: Any = pytest.importorskip("torchvision.models", reason="needs the extra `vision`")
    torch.manual_seed(0)
    ours = dict(archspec.build(name).named_parameters())
    torch.manual_seed(0)
    theirs = dict(models.get_model(name, weights=None).named_parameters())
    assert ours.keys() == theirs.keys()
    for path, tensor in theirs.items():
        if tensor.unique().numel() == 1:
            assert torch.equal(ours[path], tensor), path
            continue
        (mean, std), (own_mean, own) = spread(tensor), spread(ours[path])
        few = 5 / sqrt(tensor.numel())
        assert own == pytest.approx(std, rel=few), path
        assert own_mean == pytest.approx(mean, abs=2 * few * std), path
