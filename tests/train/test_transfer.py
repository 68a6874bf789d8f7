"""Weights go where they belong, and what did not is told with the reason."""

import json
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.errors import TrainError
from archspec.train.transfer.endings import find_endings, heads_of
from archspec.train.transfer.loading import load_into
from archspec.train.transfer.report import Entry, Report, Unused

SHAPE = (3, 16, 16)
FLAT = 8 * 4 * 4


def small(num_classes: int = 5, channels: int = 3) -> nn.Sequential:
    """Two convolutions with norms, and a classifier of two linear layers."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(channels, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.Linear(FLAT, 10), nn.ReLU(), nn.Linear(10, num_classes)),
    )


HEAD = ("2.3",)


def randomised(network: nn.Module) -> nn.Module:
    """The network in evaluation, all its numbers random, so that nothing is as anything begins."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if "running_var" in name else tensor.normal_(0, 0.1)
    return network.eval()


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def statuses(report: Report) -> dict[str, str]:
    return {entry.name: entry.status for entry in report.entries}


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Under other names, in the same order."""
    modules_of = {name.rpartition(".")[0] for name in tensors}
    names = {module: f"layer_{number}" for number, module in enumerate(sorted(modules_of))}
    return {
        f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": tensor
        for name, tensor in tensors.items()
    }


def test_the_same_network_is_loaded_whole() -> None:
    theirs, ours = randomised(small()), small().eval()
    report = load_into(ours, state(theirs), HEAD)
    assert set(statuses(report).values()) == {"loaded"}
    assert report.share == 1.0
    assert not report.unused
    picture = torch.randn(2, *SHAPE)
    assert torch.equal(ours(picture), theirs(picture))


def test_another_number_of_classes_makes_the_head_new() -> None:
    theirs, ours = randomised(small(num_classes=9)), small()
    before = state(ours)
    report = load_into(ours, state(theirs), HEAD)
    after = state(ours)
    assert report.new == ("2.3.weight", "2.3.bias")
    assert {e.reason for e in report.entries if e.status == "new"} == {
        "the file has 9 classes, the network 5"
    }
    for name in after:
        assert torch.equal(after[name], (before if name in report.new else state(theirs))[name])


def test_a_renewed_head_is_new_though_it_would_fit() -> None:
    ours = small()
    before = state(ours)
    report = load_into(ours, state(randomised(small())), HEAD, renew=True)
    assert report.new == ("2.3.weight", "2.3.bias")
    assert torch.equal(state(ours)["2.3.weight"], before["2.3.weight"])
    assert "2 new: the head is made anew" in report.as_text()
    assert not report.unused


@pytest.mark.parametrize("without", ["nothing", "the head", "counters"])
def test_other_names_are_paired_by_position(without: str) -> None:
    theirs = randomised(small(num_classes=9))
    tensors = renamed(state(theirs))
    if without == "the head":
        tensors = dict(list(tensors.items())[:-2])
    if without == "counters":
        tensors = {n: t for n, t in tensors.items() if "num_batches" not in n}
    ours = small()
    report = load_into(ours, tensors, HEAD)
    assert report.share == 1.0
    assert all(e.by_position for e in report.entries if e.status == "loaded")
    for name, tensor in state(ours).items():
        if name not in report.new:
            assert torch.equal(tensor, state(theirs)[name]), name
    lacking = {n for n in report.new if not n.startswith("2.3.")}
    assert all("num_batches" in name for name in lacking)
    assert bool(lacking) == (without == "counters")
    assert "num_batches" not in report.as_text()


def test_an_order_that_differs_is_not_guessed_at() -> None:
    tensors = renamed(state(randomised(small())))
    ours = small()
    before = state(ours)
    shuffled = dict(sorted(tensors.items()))
    with pytest.raises(
        TrainError, match=r"in order, too, they part: 0\.0\.weight .* meets "
    ) as told:
        load_into(ours, shuffled, HEAD)
    assert told.value.exit_code == 2
    assert "only 0 are in the file" in str(told.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(ours).items())


def test_a_part_of_a_larger_network_is_found_behind_its_prefix() -> None:
    theirs = state(randomised(small()))
    tensors = {f"model.backbone.{n}": t for n, t in reversed(theirs.items()) if "2.3" not in n}
    tensors["projector.weight"] = torch.ones(3, 3)
    ours = small()
    report = load_into(ours, tensors, HEAD)
    assert report.new == ("2.3.weight", "2.3.bias")
    assert torch.equal(state(ours)["1.0.weight"], theirs["1.0.weight"])
    assert report.unused == (Unused("projector.weight", (3, 3), "not in the network"),)


def test_a_linear_layer_and_a_convolution_of_the_map_s_size_are_one() -> None:
    linear = randomised(nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 10), nn.Linear(10, 5)))
    convolution = nn.Sequential(nn.Identity(), nn.Conv2d(3, 10, 4), nn.Conv2d(10, 5, 1))
    report = load_into(convolution, state(linear))
    assert statuses(report)["1.weight"] == statuses(report)["2.weight"] == "reshaped"
    picture = torch.randn(2, 3, 4, 4)
    assert torch.allclose(convolution(picture).flatten(1), linear(picture), atol=1e-6)
    back = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 10), nn.Linear(10, 5))
    load_into(back, state(convolution))
    assert torch.equal(back(picture), linear(picture))


def test_a_grouped_convolution_is_no_linear_layer() -> None:
    ours = nn.Sequential(nn.Conv2d(8, 8, 2, groups=8), nn.Conv2d(8, 8, 3))
    tensors = state(ours) | {"0.weight": torch.ones(8, 4)}
    assert statuses(load_into(ours, tensors))["0.weight"] == "new"


def test_a_grey_network_sees_what_the_coloured_one_saw() -> None:
    coloured, grey = randomised(small()), small(channels=1).eval()
    report = load_into(grey, state(coloured), HEAD)
    assert statuses(report)["0.0.weight"] == "reshaped"
    picture = torch.randn(2, 1, 16, 16)
    assert torch.allclose(grey(picture), coloured(picture.expand(-1, 3, -1, -1)), atol=1e-5)


def test_numbers_of_another_precision_are_taken_and_of_another_kind_are_not() -> None:
    theirs = state(randomised(small()))
    tensors = {n: t.bfloat16() if t.is_floating_point() else t for n, t in theirs.items()}
    tensors["0.0.bias"] = torch.ones(6, dtype=torch.int8)
    ours = small()
    report = load_into(ours, tensors, HEAD)
    assert report.new == ("0.0.bias",)
    assert report.entries[1].reason == "the file has int8 numbers"
    assert torch.equal(ours[0][0].weight, theirs["0.0.weight"].bfloat16().float())  # type: ignore[index] # a Sequential in a Sequential


def test_a_picture_of_another_size_costs_one_layer() -> None:
    theirs = state(randomised(small()))
    theirs["2.1.weight"] = torch.ones(10, 3 * FLAT)
    report = load_into(small(), theirs, HEAD)  # less than half of the numbers, most of the tensors
    assert report.new == ("2.1.weight",)
    assert report.share < 0.5
    (entry,) = (entry for entry in report.entries if entry.status == "new")
    assert (entry.reason, entry.source_shape) == ("other shape", (10, 3 * FLAT))


def test_another_network_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(TrainError, match="weights are of another network") as told:
        load_into(small(), {"0.0.weigth": torch.ones(6, 3, 3, 3), "x": torch.ones(1)}, HEAD)
    assert "it wants 0.0.weight (6×3×3×3), the file has 0.0.weigth (6×3×3×3)" in str(told.value)
    assert "the file has no name like it" in str(told.value)


# --- the report -----------------------------------------------------------------------------------

REPORT = Report(
    (
        Entry("conv1.weight", (4, 3), "loaded"),
        Entry("layer1.0.weight", (4, 3), "loaded"),
        Entry("layer1.0.num_batches_tracked", (), "new", "not in the file"),
        Entry("layer2.0.weight", (4, 3), "loaded"),
        Entry("fc.weight", (5, 4), "new", "the file has 1000 classes, the network 5"),
        Entry("fc.bias", (5,), "new", "the file has 1000 classes, the network 5"),
    ),
    (Unused("aux.\x1b[2Jweight", (1,), "not in the network"), Unused("\x1b[1m", (2,), "odd")),
    1.0,
)


def test_the_table_has_a_row_for_parts_that_fared_alike() -> None:
    assert REPORT.as_text() == (
        "conv1 … layer2  3 loaded\n"
        "fc              2 new: the file has 1000 classes, the network 5\n"
        "aux             1 of the file unused: not in the network\n"
        "�[1m            1 of the file unused: odd"
    )
    assert max(map(len, REPORT.as_text(44).splitlines())) <= 44
    assert "\n                  classes, the network 5\n" in REPORT.as_text(44)


def test_all_of_it_is_told_as_json() -> None:
    found = json.loads(json.dumps(REPORT.as_json()))
    assert found["entries"][4]["shape"] == [5, 4]
    assert found["unused"][0]["reason"] == "not in the network"
    assert [entry["status"] for entry in found["entries"]].count("new") == 3


# --- heads ----------------------------------------------------------------------------------------


class Odd(nn.Module):
    """A head that is not registered last, a norm behind it, and a head in training only."""

    def __init__(self, *, reads_numbers: bool = False) -> None:
        super().__init__()
        self.head = nn.Conv2d(6, 5, 1)
        self.norm = nn.BatchNorm2d(5)
        self.side = nn.Linear(6, 5)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5))
        self.reads_numbers = reads_numbers

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if self.reads_numbers and x.sum().item() > 1:
            x = x + 1
        x = self.stem(x)
        scores = F.softmax(self.norm(self.head(x)).mean((2, 3)), dim=1)
        return (scores, self.side(x.mean((2, 3)))) if self.training else scores


@pytest.mark.parametrize("reads_numbers", [False, True])
def test_heads_are_found_wherever_they_are_registered(*, reads_numbers: bool) -> None:
    network = Odd(reads_numbers=reads_numbers).eval()
    network.stem.requires_grad_(requires_grad=False)
    before, generator = state(network), torch.get_rng_state()
    assert heads_of(network, SHAPE) == ("norm", "head", "side")
    assert not network.training
    assert not network.stem[0].weight.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(network).items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert network.head.weight.grad is None


def test_an_output_without_weights_is_told() -> None:
    with pytest.raises(TrainError, match="no layer with weights"):
        find_endings(nn.Flatten(), SHAPE)
    with pytest.raises(TrainError, match="cannot be followed"):
        find_endings(nn.Linear(7, 2), SHAPE)
