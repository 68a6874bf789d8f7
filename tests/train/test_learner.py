"""One step of training, compared with the same step in plain PyTorch."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.averaging import Average
from archspec.train.batch_size import find_batch_size
from archspec.train.blame import blame
from archspec.train.feeding.feeder import Batch
from archspec.train.learner import Learner, NotFinite, Wishes, forward, train_step
from archspec.train.optimizers import build_optimizer
from archspec.train.outputs import Outputs
from archspec.train.recipe import Adam, Loss, Sgd
from archspec.train.transfer.freeze import apply_transfer
from tests.train.running import CPU

CLASSES = 4
LR = 0.1


def small() -> nn.Sequential:
    """A network without batch norm, so that a batch may be worked off in parts."""
    torch.manual_seed(1)
    body = (nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(inplace=True), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(54, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def batch_of(number: int, size: int = 8, *, mixed: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(number, 3, size, size, generator=generator)
    labels = torch.randint(CLASSES, (number,), generator=generator)
    if not mixed:
        return Batch(images, labels, number)
    weights = torch.rand(number, generator=generator)
    return Batch(images, labels, number, labels.roll(1), weights)


def learner_of(network: nn.Module, recipe: Any = None, **values: Any) -> Learner:
    optimizer = build_optimizer(recipe or Sgd(lr=LR), network)
    given = {"network": network, "forward": network, "outputs": Outputs.SCORES}
    return Learner(**given, num_classes=CLASSES, optimizer=optimizer, device=CPU, **values)  # type: ignore[arg-type] # of one dict


def targets_of(batch: Batch) -> Tensor:
    """The target distribution [N, classes] of each picture."""
    targets = F.one_hot(batch.labels, CLASSES).float()
    if batch.partners is None or batch.weights is None:
        return targets
    others, share = F.one_hot(batch.partners, CLASSES).float(), batch.weights[:, None]
    return share * targets + (1 - share) * others


def penalty(network: nn.Module) -> Tensor:
    return torch.stack([p.abs().sum() for p in network.parameters()]).sum()


def nothing(_: nn.Module) -> float:
    return 0.0


def clip(network: nn.Module) -> float:
    return float(nn.utils.clip_grad_norm_(network.parameters(), 0.05))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    ("values", "smoothing", "extra", "before_update"),
    [
        ({}, 0.0, nothing, nothing),
        ({"accumulate": 3}, 0.0, nothing, nothing),
        ({"accumulate": 8}, 0.0, nothing, nothing),  # more than there are pictures
        ({"loss": Loss(label_smoothing=0.2)}, 0.2, nothing, nothing),
        ({"l1": 0.01}, 0.0, lambda network: 0.01 * penalty(network), nothing),
        ({"clip_grad_norm": 0.05}, 0.0, nothing, clip),
        (
            {"clip_grad_norm": 0.05, "accumulate": 2, "loss": Loss(label_smoothing=0.1)},
            0.1,
            nothing,
            clip,
        ),
    ],
)
def test_a_step_is_that_of_plain_pytorch(
    values: dict[str, Any],
    smoothing: float,
    extra: Callable[[nn.Module], Any],
    before_update: Callable[[nn.Module], float],
    *,
    mixed: bool,
) -> None:
    network, batch = small(), batch_of(7, mixed=mixed)
    plain = deepcopy(network)
    optimizer = torch.optim.SGD(plain.parameters(), lr=LR, momentum=0.9)
    learner = learner_of(network, Sgd(lr=1.0, momentum=0.9), **values)
    for _ in range(2):  # the second one has momentum
        optimizer.zero_grad()
        output = plain(batch.images)
        loss = F.cross_entropy(output, targets_of(batch), label_smoothing=smoothing)
        (loss + extra(plain)).backward()
        norm = before_update(plain)
        assert not norm or norm > 0.05  # or nothing would be clipped
        optimizer.step()
        result = train_step(learner, batch, LR)
        assert result.loss == pytest.approx(loss.item(), rel=1e-5)
        assert result.correct == int((output.argmax(1) == batch.labels).sum())
    for name, parameter in network.named_parameters():
        expected = plain.get_parameter(name)
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-6)


def test_auxiliary_heads_add_to_the_loss_with_the_recipes_weight() -> None:
    from generated.googlenet import GoogLeNet

    torch.manual_seed(0)
    network = GoogLeNet(num_classes=CLASSES).train()
    batch = batch_of(2, 224)
    torch.manual_seed(5)  # the dropouts'
    output, *heads = network(batch.images)
    own, *others = (F.cross_entropy(scores, batch.labels) for scores in (output, *heads))
    assert len(others) == 2
    for weight in (0.3, 0.0, 1.0):
        learner = learner_of(network, loss=Loss(auxiliary=weight))
        torch.manual_seed(5)
        loss, _ = forward(learner, batch)
        assert loss.item() == pytest.approx((own + weight * sum(others)).item(), rel=1e-5)


def test_mixed_precision_computes_in_it_and_keeps_exact_weights() -> None:
    network, batch = small(), batch_of(8)
    seen: list[torch.dtype] = []
    network[3].register_forward_hook(lambda *args: seen.append(args[2].dtype))
    exact = train_step(learner_of(deepcopy(network)), batch, LR)
    half = train_step(learner_of(network, amp="bf16"), batch, LR)
    assert seen == [torch.float32, torch.bfloat16]
    assert half.loss == pytest.approx(exact.loss, rel=0.02)
    assert half.loss != exact.loss
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_what_is_frozen_stays_to_the_last_bit() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    network = nn.Sequential(body, nn.Flatten(), nn.Linear(144, CLASSES))
    before = deepcopy(network.state_dict())
    frozen = apply_transfer(network, (3, 8, 8), "all", ["0.*"])
    learner = learner_of(network, Adam(lr=LR, weight_decay=0.1), frozen=frozen)
    learner.train()
    train_step(learner, batch_of(8), LR)
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"2.weight", "2.bias"}


def test_the_average_is_measured_and_the_weights_come_back() -> None:
    network = small()
    learner = learner_of(network, average=Average(network, 0.5))
    start = network.get_parameter("0.weight").detach().clone()
    train_step(learner, batch_of(8), LR)
    weights = network.get_parameter("0.weight").detach().clone()
    with learner.measured():
        # After one update d = min(0.5, 1 / 10).
        torch.testing.assert_close(network.get_parameter("0.weight"), 0.1 * start + 0.9 * weights)
    assert torch.equal(network.get_parameter("0.weight"), weights)


def test_the_wishes_come_back() -> None:
    learner = learner_of(small())
    for wishes in (Wishes(), Wishes(stop=True), Wishes(save=True)):
        assert train_step(learner, batch_of(4), LR, wishes).wishes == wishes


# --- numbers that are not finite ------------------------------------------------------------------


def fill(network: nn.Module, name: str, value: float) -> None:
    with torch.no_grad():
        network.get_parameter(name).fill_(value)


@pytest.mark.parametrize(
    ("name", "value", "culprit"),
    [
        ("0.weight", 3e38, "layer 0 (Conv2d) has overflown"),
        ("3.weight", 3e38, "layer 3 (Linear) has overflown"),
        ("5.bias", math.nan, "the bias of layer 5 (Linear) is not finite"),
        ("0.weight", math.inf, "the weight of layer 0 (Conv2d) is not finite"),
    ],
)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_layer_that_overflows_is_named_and_nothing_is_changed(
    name: str, value: float, culprit: str, accumulate: int
) -> None:
    network, batch = small(), batch_of(8)
    batch.images.abs_()
    fill(network, name, value)
    before = deepcopy(network.state_dict())
    learner = learner_of(network, Adam(lr=LR), accumulate=accumulate)
    with pytest.raises(NotFinite, match=r"the loss is (nan|inf)"):
        train_step(learner, batch, LR)
    assert blame(learner, batch) == culprit
    after = network.state_dict()
    assert all(torch.equal(after[key], before[key]) or key == name for key in before)
    assert not learner.optimizer.state


def test_a_batch_or_a_loss_may_be_to_blame() -> None:
    learner, batch = learner_of(small()), batch_of(8)
    assert blame(learner, batch) == "the network's outputs are finite, and their loss is not"
    batch.images[2, 0, 0, 0] = math.nan
    assert blame(learner, batch) == "the batch itself holds numbers that are not finite"


# --- batch_size: auto -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speeds", "num_train", "expected"),
    [
        ({8: 100, 16: 190, 32: 350, 64: 360, 128: 361, 256: 362}, 10**6, 32),
        ({8: 100, 16: 190, 32: 150}, 10**6, 16),  # slower: no need to try more
        ({8: 100, 16: 200, 32: None}, 10**6, 16),  # no memory
        ({8: None}, 10**6, 8),
        ({8: 100, 16: 200}, 16 * 31, 16),  # 32 would make fewer than 16 steps
        ({8: 100}, 3, 8),
    ],
)
def test_the_batch_size_is_the_smallest_that_is_fast(
    monkeypatch: pytest.MonkeyPatch,
    speeds: dict[int, float | None],
    num_train: int,
    expected: int,
) -> None:
    tried: list[int] = []

    def speed(_: Learner, batch: Batch) -> float | None:
        tried.append(len(batch.labels))
        return speeds.get(tried[-1], 362)

    monkeypatch.setattr("archspec.train.batch_size.measured_speed", speed)
    assert find_batch_size(learner_of(small()), (3, 8, 8), CLASSES, num_train) == expected
    assert tried[: len(speeds)] == list(speeds)
    assert max(tried) <= max(8, num_train // 16)


def test_the_batch_size_is_found_by_training() -> None:
    found = find_batch_size(learner_of(small()), (3, 8, 8), CLASSES, 16 * 32)
    assert found in {8, 16, 32}
