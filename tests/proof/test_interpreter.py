"""The interpreter computes what PyTorch does: every op beside a module of torch built by hand."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

from archspec.ops import OPS
from archspec.proof.chance import FixedChance
from archspec.proof.interpreter import interpret
from archspec.proof.semantics import SEMANTICS
from archspec.proof.weights import in_precision, random_state
from tests.proof.by_hand import CASES, MAP, ByHand, Factors, Made, Row
from tests.targets.networks import check

MERGES_AND_PERMUTE = {"add", "mul", "concat", "permute"}
"""Their cases stand below: they take more than a row."""


def leaves(state: dict[str, Tensor], trained: set[str]) -> dict[str, Tensor]:
    """Copies of tensors; gradients are wanted of those that are trained."""
    return {name: tensor.clone().requires_grad_(name in trained) for name, tensor in state.items()}


def require_same(rows: list[Row], shape: Sequence[int], network: nn.Module) -> None:
    """Outputs, gradients and statistics, of one step of training and in evaluation."""
    checked = check(rows, shape)
    checked.raise_for_errors()
    assert checked.network is not None
    network.double()
    trained = {name for name, _ in network.named_parameters()}
    state = in_precision(random_state(network), torch.float64)
    x = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2
    for training in (True, False):
        network.load_state_dict(state)
        network.train(training).zero_grad()
        theirs_in = x.clone().requires_grad_()
        with FixedChance():
            expected = network(theirs_in)
        weights = torch.arange(expected.numel(), dtype=torch.float64).cos().reshape(expected.shape)
        (expected * weights).sum().backward()
        own, arriving = leaves(state, trained), x.clone().requires_grad_()
        found = interpret(checked.network, own, arriving, training=training)
        (got,) = found.outputs.values()
        torch.testing.assert_close(got, expected)
        (got * weights).sum().backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.testing.assert_close(arriving.grad, theirs_in.grad)
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(own[name].grad, parameter.grad)
        after = {**state, **found.buffers}
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(after[name], buffer)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[0].values())))
def test_an_op_computes_what_torch_does(case: tuple[Row, Sequence[int], Made]) -> None:
    row, shape, made = case
    network = made if isinstance(made, Factors) else ByHand(made)
    require_same([{"name": "step", **row}], shape, network)


def test_every_op_has_a_meaning_and_a_case() -> None:
    assert [op.op_name for op in OPS if op not in SEMANTICS] == []
    tried = {row["op"] for row, _, _ in CASES} | MERGES_AND_PERMUTE
    assert [op.op_name for op in OPS if op.op_name not in tried] == []


class Merged(nn.Module):
    """A gate (C, 1, 1), a convolution, and the input."""

    def __init__(self, join: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.join(x, self.conv(x), x.mean((2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("merge", "join"),
    [
        ({"op": "add", "from": ["conv", "gate", "input"]}, lambda x, conv, gate: x + conv + gate),
        ({"op": "add", "from": ["gate", "conv"], "alpha": -3}, lambda _, conv, g: g - 3 * conv),
        ({"op": "add", "from": ["conv", "input"], "alpha": 0}, lambda _, conv, __: conv),
        ({"op": "mul", "from": ["conv", "gate", "input"]}, lambda x, conv, gate: x * conv * gate),
        ({"op": "concat", "from": ["conv", "input"]}, lambda x, conv, _: torch.cat([conv, x], 1)),
    ],
)
def test_paths_meet(merge: Row, join: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    conv = {"name": "conv", "op": "conv2d", "out_channels": 4, "kernel_size": 1}
    gate = {"name": "gate", "op": "mean", "keepdim": True, "from": "input"}
    rows = [gate, {**conv, "from": "input"}, merge]
    if "gate" not in merge["from"]:
        rows.pop(0)
    require_same(rows, MAP, Merged(join))


class ChannelsLast(nn.Module):
    """What may stand between two permutations: the channels are the last dimension there."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.fc = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.zeros(3))
        self.act = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.permute(0, 2, 3, 1))
        x = self.act(self.scale * self.fc(x).softmax(3))
        places = x.mean((1, 2), keepdim=True)
        return (x + places).permute(0, 3, 1, 2)


def test_channels_may_be_last() -> None:
    rows: list[Row] = [
        {"op": "permute", "dims": [0, 2, 3, 1]},
        {"name": "norm", "op": "layer_norm"},
        {"name": "fc", "op": "linear", "out_features": 3},
        {"op": "softmax", "dim": 3},
        {"name": "scale", "op": "layer_scale"},
        {"name": "act", "op": "prelu"},
        {"name": "places", "op": "mean", "keepdim": True},
        {"op": "add", "from": ["act", "places"]},
        {"op": "permute", "dims": [0, 3, 1, 2]},
    ]
    require_same(rows, MAP, ChannelsLast())


def heads() -> Iterator[Row]:
    yield {"name": "stem", "op": "batch_norm"}
    yield {"name": "aux", "op": "batch_norm"}
    yield {"name": "main", "op": "relu", "from": "stem"}


def test_training_gives_back_more_than_evaluation() -> None:
    outputs = {"out": "main", "aux": {"from": "aux", "training_only": True}}
    checked = check(list(heads()), (4,), outputs=outputs)
    assert checked.network is not None
    network = nn.ModuleDict({"stem": nn.BatchNorm1d(4), "aux": nn.BatchNorm1d(4)})
    state, x = random_state(network), torch.randn(3, 4)
    trained = interpret(checked.network, state, x, training=True)
    assert list(trained.outputs) == ["out", "aux"]
    assert trained.buffers.keys() == {
        f"{name}.{buffer}"
        for name in ("stem", "aux")
        for buffer in ("running_mean", "running_var", "num_batches_tracked")
    }
    evaluated = interpret(checked.network, state, {"input": x}, training=False)
    assert list(evaluated.outputs) == ["out"]
    assert evaluated.values[1] is None
    assert evaluated.buffers == {}


def test_another_size_gets_its_own_padding() -> None:
    """Of 9 pixels the `same` padding is another one than of 8."""
    row = {"op": "max_pool", "kernel_size": 3, "stride": 2, "padding": "same"}
    checked = check([row], (1, 8, 8))
    assert checked.network is not None
    x = torch.arange(81.0).reshape(1, 1, 9, 9)
    found = interpret(checked.network, {}, x, training=False)
    torch.testing.assert_close(found.outputs["0"], F.max_pool2d(x, 3, 2, padding=1))


def test_chance_is_fixed_and_tells_its_probability() -> None:
    x = torch.ones(2, 3)
    with FixedChance():
        once, again = F.dropout(x, 0.3), F.dropout(x, 0.3)
        other, none, off = F.dropout(x, 0.4), F.dropout(x, 0.0), F.dropout(x, 0.3, training=False)
        undivided = torch.empty(2, 3).bernoulli_(0.7)
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    for different in (other, none, undivided):
        assert not torch.isclose(once, different).any()
    assert len(set(once.flatten().tolist())) == 6  # it matters which element it is
    torch.testing.assert_close(none, x)
    torch.testing.assert_close(off, x)
