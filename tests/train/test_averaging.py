"""The average of the weights: its formula, PyTorch's own, and weights that come back to the bit."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from archspec.train.averaging import Average
from archspec.train.errors import TrainError

LATE = 10**9  # updates, after which the decay is the constant


def make(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def take_a_step(network: nn.Module) -> None:
    """Changes parameters, statistics, and the counter of batches."""
    network.train()(torch.randn(5, 3, 4, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_it_follows_its_formula_from_the_first_update() -> None:
    network = make()
    average = Average(network, decay=0.3)
    expected = {name: tensor.double() for name, tensor in state(network).items()}
    for t in range(6):
        take_a_step(network)
        average.update(network)
        decay = min(0.3, (1 + t) / (10 + t))  # 0.1, 0.18, 0.25, then 0.3
        for name, tensor in network.state_dict().items():
            mixed = decay * expected[name] + (1 - decay) * tensor
            expected[name] = mixed if tensor.is_floating_point() else tensor.double()
    assert average.num_updates == 6
    assert average.tensors.keys() == expected.keys()
    for name, tensor in average.tensors.items():
        assert torch.allclose(tensor.double(), expected[name], atol=1e-5), name
    assert average.tensors["1.num_batches_tracked"].item() == 6


def test_with_a_constant_decay_it_is_pytorch_s() -> None:
    network = make()
    mix = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call] # torch leaves it so
    theirs = AveragedModel(network, multi_avg_fn=mix, use_buffers=True)
    theirs.update_parameters(network)  # the first copies
    ours = Average(network, decay=0.9)
    ours.num_updates = LATE
    for _ in range(5):
        take_a_step(network)
        ours.update(network)
        theirs.update_parameters(network)
    for name, tensor in theirs.module.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(ours.tensors[name], tensor, rtol=1e-6, atol=1e-7), name


def test_within_the_block_the_network_is_the_average_and_after_it_itself() -> None:
    network = make()
    average = Average(network, decay=0.9)
    take_a_step(network)
    average.update(network)
    before, picture = state(network), torch.randn(2, 3, 4, 4)
    twin = make(1)
    twin.load_state_dict(average.tensors)
    with average.swapped(network):
        assert_equal(state(network), average.tensors)
        assert torch.equal(network.eval()(picture), twin.eval()(picture))
    assert_equal(state(network), before)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_weights_come_back_also_from_a_failed_evaluation() -> None:
    network = make()
    average = Average(network, decay=0.9)
    take_a_step(network)
    before, averaged = state(network), {n: t.clone() for n, t in average.tensors.items()}

    def fail() -> None:
        take_a_step(network)
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"), average.swapped(network):
        fail()
    assert_equal(state(network), before)
    assert_equal(average.tensors, averaged)  # whatever the evaluation did to the network


def test_it_goes_on_from_what_was_saved() -> None:
    network = make()
    average, other = Average(network, decay=0.9), Average(make(1), decay=0.9)
    take_a_step(network)
    average.update(network)
    other.load_state_dict({**average.state_dict(), "tensors": dict(average.tensors)})
    take_a_step(network)
    average.update(network)
    other.update(network)
    assert other.num_updates == 2
    assert_equal(other.tensors, average.tensors)
    with pytest.raises(TrainError, match="of another network"):
        Average(nn.Linear(3, 2), 0.9).load_state_dict(average.state_dict())


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of this process alone."""
    distributed = torch.distributed
    if not distributed.is_available():
        pytest.skip("this PyTorch cannot train on several devices")
    from torch._C._distributed_c10d import HashStore

    distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_sharded_weights_are_averaged_shard_by_shard() -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, distribute_module

    network, plain = make(), make()
    average = Average(plain, decay=0.9)
    distribute_module(network[3], init_device_mesh("cpu", (1,)))
    sharded = Average(network, decay=0.9)
    for net, mean in ((plain, average), (network, sharded)):
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(3)
        mean.update(net)

    def shard(tensor: object) -> Tensor:
        assert isinstance(tensor, DTensor)
        return tensor.to_local()

    assert torch.equal(shard(sharded.tensors["3.weight"]), average.tensors["3.weight"])
    assert torch.equal(sharded.tensors["0.weight"], average.tensors["0.weight"])
    with sharded.swapped(network):
        assert torch.equal(shard(network[3].weight), average.tensors["3.weight"])
    assert torch.equal(shard(network[3].weight), state(plain)["3.weight"])


def test_frozen_weights_stay_as_they_are() -> None:
    network = make()
    average = Average(network, decay=0.7)
    before = average.tensors["0.weight"].clone()
    for _ in range(20):
        average.update(network)
    assert torch.equal(average.tensors["0.weight"], before)
