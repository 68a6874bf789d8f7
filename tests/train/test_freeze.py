"""What is frozen does not move, statistics included, and what is trained does."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archspec.train.errors import TrainError
from archspec.train.transfer.endings import last_layers
from archspec.train.transfer.freeze import Frozen, Mode, apply_transfer

SHAPE = (3, 16, 16)


def block(before: int, after: int, *, affine: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1),
        nn.BatchNorm2d(after, affine=affine),
        nn.ReLU(),
    )


class Net(nn.Module):
    """Three stages and a classifier of one or two linear layers."""

    def __init__(self, *, two: bool = False) -> None:
        super().__init__()
        self.stem = block(3, 4)
        self.layer1 = block(4, 4, affine=False)
        self.layer2 = block(4, 6)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(24, 24) if two else nn.Identity()
        self.fc2 = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.stem(x)))
        x = self.fc1(self.drop(x.flatten(1))).relu()
        scores: Tensor = self.fc2(x)
        return scores


def moved(network: nn.Module, frozen: Frozen) -> set[str]:
    """The tensors that change in a few steps of training, by their names."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        network.train()
        frozen.hold(network)
        optimizer.zero_grad()
        network(torch.randn(4, *SHAPE)).square().sum().backward()
        optimizer.step()
    found = network.state_dict().items()
    return {
        name.removeprefix("_orig_mod.") for name, t in found if not torch.equal(t, before[name])
    }


def below(network: nn.Module, *roots: str) -> set[str]:
    return {name for name in network.state_dict() if name.startswith(tuple(f"{r}." for r in roots))}


@pytest.mark.parametrize(
    ("mode", "two", "freeze", "trained"),
    [
        ("all", False, [], ["stem", "layer1", "layer2", "fc2"]),
        ("head", False, [], ["fc2"]),
        ("head", True, [], ["fc2"]),
        ("last", False, [], ["layer2", "fc2"]),
        ("last", True, [], ["fc1", "fc2"]),
        ("all", False, ["stem"], ["layer1", "layer2", "fc2"]),
        ("all", False, ["layer[12]"], ["stem", "fc2"]),
        ("all", False, ["stem.*", "layer1*"], ["layer2", "fc2"]),
        ("last", False, ["layer2"], ["fc2"]),
    ],
)
def test_only_what_is_trained_moves(
    mode: Mode, freeze: list[str], trained: list[str], *, two: bool
) -> None:
    network = Net(two=two)
    frozen = apply_transfer(network, SHAPE, mode, freeze)
    assert moved(network, frozen) == below(network, *trained)
    wanted = {name for name, _ in network.named_parameters() if name in below(network, *trained)}
    assert {name for name, p in network.named_parameters() if p.requires_grad} == wanted
    assert set(frozen.frozen) == {name for name, _ in network.named_parameters()} - wanted
    assert frozen.num_trained + frozen.num_frozen == sum(p.numel() for p in network.parameters())
    json.dumps(frozen.as_json())


def test_a_norm_s_statistics_move_while_any_of_its_parameters_is_trained() -> None:
    network = Net()
    frozen = apply_transfer(network, SHAPE, "all", ["stem.1.weight"])
    assert frozen.frozen == ("stem.1.weight",)
    assert not frozen.held
    assert "stem.1.running_mean" in moved(network, frozen)


def test_a_norm_without_parameters_is_frozen_by_its_name() -> None:
    frozen = apply_transfer(Net(), SHAPE, "all", ["layer1.1", "stem.0.bias"])
    assert frozen.held == ("layer1.1",)
    assert frozen.frozen == ("stem.0.bias",)


def test_dropout_stays_active_and_held_norms_are_found_behind_wrappers() -> None:
    network = Net()
    frozen = apply_transfer(network, SHAPE, "head")
    assert frozen.held == ("stem.1", "layer1.1", "layer2.1")
    wrapped = nn.ModuleDict({"module": nn.ModuleDict({"_orig_mod": network})})
    wrapped.train()
    frozen.hold(wrapped)
    assert [name for name, module in network.named_modules() if not module.training] == [
        "stem.1",
        "layer1.1",
        "layer2.1",
    ]
    assert network.drop.training
    unwrapped = nn.Sequential()
    unwrapped.add_module("module", network)  # its own name, which looks like a wrapper's
    unwrapped.train()
    apply_transfer(unwrapped, SHAPE, "head").hold(unwrapped)
    assert not network.stem[1].training


def test_nothing_is_recorded_before_what_is_trained() -> None:
    network = Net()
    apply_transfer(network, SHAPE, "head")
    seen: list[Tensor] = []
    network.fc2.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.randn(2, *SHAPE))
    assert not seen[0].requires_grad


@pytest.mark.parametrize(
    ("mode", "freeze", "said"),
    [
        ("all", ["layer3"], "nothing in the network is called layer3; there is layer"),
        ("all", ["xyzzy*"], "there is stem, layer1, layer2, fc2"),
        ("all", ["drop"], "nothing in the network is called drop"),  # nothing in it can be frozen
        ("all", ["stem", "layer2.9"], "layer2.9"),
        ("all", ["*"], "nothing is left to train"),
        ("head", ["fc2"], "nothing is left to train"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(
    mode: Mode, freeze: list[str], said: str
) -> None:
    network = Net()
    with pytest.raises(TrainError, match=r"^(freeze: )?nothing") as told:
        apply_transfer(network, SHAPE, mode, freeze)
    assert said in str(told.value)
    assert told.value.exit_code == 2
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_what_a_network_does_not_train_by_itself_is_left_to_it() -> None:
    network = Net()
    network.layer2[0].weight.requires_grad = False
    frozen = apply_transfer(network, SHAPE, "all")
    assert not network.layer2[0].weight.requires_grad
    assert not frozen.frozen
    assert not frozen.held


def test_it_is_told_in_a_sentence() -> None:
    numbers: dict[str, Any] = {"held": ("bn1",), "num_trained": 1234, "num_frozen": 1_000_000}
    head = Frozen("head", ("fc",), ("conv.weight",), **numbers)
    assert head.as_text() == (
        "trained are fc: 1 234 of 1 001 234 parameters; the statistics of 1 norm stay"
    )
    assert head.left_random(["conv.weight", "fc.weight"]) == ("conv.weight",)
    whole = Frozen("all", ("fc",), (), held=(), num_trained=1234, num_frozen=0)
    assert whole.as_text() == "all 1 234 parameters are trained"
    many = Frozen("all", tuple("abcdefgh"), ("z",), held=(), num_trained=8, num_frozen=1)
    assert many.as_text() == "trained are a, b, c, d, e, f and 2 more: 8 of 9 parameters"


def test_a_wrapping_is_no_stage() -> None:
    features = nn.Sequential(block(3, 4), block(4, 6), block(6, 6))
    network = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    assert last_layers(network, SHAPE) == ("3", "0.2")
