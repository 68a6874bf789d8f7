"""Feature maps, kernels, Grad-CAM and fields: compared with arithmetic that knows no hooks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

import archspec
from archspec.analysis.phases import Axis
from archspec.analysis.receptive_field import ReceptiveField
from archspec.train.errors import TrainError
from archspec.train.feeding.colour import HALF
from archspec.train.outputs import Outputs
from archspec.train.recipe import Recipe
from archspec.train.run_folder import RunConfig
from archspec.train.seeing.features import draw_features, feature_maps
from archspec.train.seeing.field import (
    UnitField,
    computed_field,
    concentration,
    describe_field,
    draw_field,
    effective_field,
    measured_field,
)
from archspec.train.seeing.filters import draw_filters, kernels
from archspec.train.seeing.gradcam import draw_cam, grad_cam
from archspec.train.seeing.layers import find_layer, last_convolution, list_layers
from archspec.train.seeing.looking import Shown
from archspec.train.seeing.spec_facts import SpecFacts, spec_facts
from archspec.train.source import read_module

SIZE = 24


class Small(nn.Module):
    """Two convolutions with ReLUs in place, a mean and a linear layer; `spare` leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.spare = nn.Conv2d(6, 8, 3)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        self.spare(x)
        x = F.relu_(self.conv2(x))
        return self.fc(x.mean(dim=(2, 3)))  # type: ignore[no-any-return] # an nn.Module gives Any


@pytest.fixture
def small() -> Small:
    torch.manual_seed(3)
    return Small().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def shown(images: Tensor) -> Shown:
    pixels = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    return Shown(pixels, images)


def maps_of(network: Small, images: Tensor) -> Tensor:
    """What conv2 puts out, without a step in place."""
    return network.conv2(network.conv1(images).clamp(min=0)).detach()  # type: ignore[no-any-return] # Any


def by_hand(network: Small, images: Tensor, target: int) -> Tensor:
    """Grad-CAM of conv2: the mean over places makes each slope w / (h·w) where the ReLU is open."""
    maps = maps_of(network, images)[0]
    weights = network.fc.weight.detach()[target] * (maps > 0).float().mean(dim=(1, 2))
    heat = (weights[:, None, None] * maps).sum(dim=0).clamp(min=0)
    return heat / heat.max()


@pytest.mark.parametrize("target", [0, 1, 2, 3])
def test_grad_cam_is_what_the_paper_says(small: Small, images: Tensor, target: int) -> None:
    cam = grad_cam(small, Outputs.SCORES, images, "conv2", target)
    assert torch.allclose(torch.from_numpy(cam.heat), by_hand(small, images, target), atol=1e-5)
    chances = F.softmax(small(images)[0], dim=0)
    assert torch.allclose(torch.tensor(cam.probabilities), chances, atol=1e-6)


def test_grad_cam_of_the_likeliest_class(small: Small, images: Tensor) -> None:
    assert grad_cam(small, Outputs.SCORES, images, "conv2").target == int(small(images).argmax())


def test_frozen_weights_and_channels_last_change_nothing(small: Small, images: Tensor) -> None:
    small.requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)
    with torch.no_grad():
        cam = grad_cam(small.train(), Outputs.SCORES, images, "conv2", 2)
    assert torch.allclose(torch.from_numpy(cam.heat), by_hand(small, images, 2), atol=1e-5)
    assert all(parameter.grad is None for parameter in small.parameters())


@pytest.mark.parametrize(
    ("end", "outputs"),
    [
        (nn.Softmax(dim=1), Outputs.PROBABILITIES),
        (nn.LogSoftmax(dim=1), Outputs.LOG_PROBABILITIES),
    ],
)
def test_a_softmax_at_the_end_leaves_the_scores_but_for_their_mean(
    small: Small, images: Tensor, end: nn.Module, outputs: Outputs
) -> None:
    ended = nn.Sequential(small, end)
    found = grad_cam(ended, outputs, images, "0.conv2", 1)
    with torch.no_grad():
        small.fc.weight -= small.fc.weight.mean(dim=0)
    assert torch.allclose(torch.from_numpy(found.heat), by_hand(small, images, 1), atol=1e-4)


def test_what_grad_cam_cannot_be_asked(small: Small, images: Tensor) -> None:
    with pytest.raises(TrainError, match="spare does not lead to the network's output"):
        grad_cam(small, Outputs.SCORES, images, "spare")
    with pytest.raises(TrainError, match="fc gives a vector"):
        grad_cam(small, Outputs.SCORES, images, "fc")


def test_where_nothing_speaks_for_a_class_the_heat_is_empty(
    small: Small, images: Tensor, shown: Shown
) -> None:
    with torch.no_grad():
        small.fc.weight[2] = 0
    cam = grad_cam(small, Outputs.SCORES, images, "conv2", 2)
    assert cam.is_empty
    assert draw_cam(shown, cam, list("abcd"), "t").width > 600


def test_maps_are_those_before_a_step_in_place(small: Small, images: Tensor, shown: Shown) -> None:
    maps = feature_maps(small, images, "conv2")
    assert torch.allclose(maps, maps_of(small, images)[0], atol=1e-5)
    assert (maps < 0).any()
    vector = feature_maps(small, images, "fc")
    assert torch.allclose(vector, small(images)[0], atol=1e-5)
    for values in (maps, vector, torch.zeros(70, 30, 30), torch.zeros(1, 1, 1)):
        assert draw_features(shown, values, "title " * 40).width > 500


def test_turned_maps_are_turned_back(images: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(2), nn.Unflatten(2, (22, 22)))
    last = nn.Sequential(network, nn.Identity())
    last[1].forward = lambda x: x.permute(0, 2, 3, 1)
    plain = feature_maps(last, images, "0")
    assert torch.equal(feature_maps(last, images, "1", channels_last=True), plain)


@pytest.mark.parametrize(
    "shape", [(20, 3, 3, 3), (110, 3, 7, 7), (9, 1, 3, 3), (40, 50, 3, 3), (90, 80, 1, 1)]
)
def test_kernels_of_any_kind_are_drawn(shape: tuple[int, int, int, int]) -> None:
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    picture = draw_filters(weights, "kernels")
    assert max(picture.size) < 1200


def test_only_convolutions_have_kernels(small: Small) -> None:
    assert kernels(small, "conv1").shape == (6, 3, 5, 5)
    with pytest.raises(TrainError, match="relu is a ReLU"):
        kernels(small, "relu")


def test_layers_are_listed_and_found(small: Small, images: Tensor) -> None:
    layers = list_layers(nn.Sequential(small), images)
    shapes = {layer.name: layer.shape for layer in layers if layer.leaf}
    assert shapes == {
        "0.conv1": (6, 12, 12),
        "0.relu": (6, 12, 12),
        "0.conv2": (8, 12, 12),
        "0.spare": (8, 10, 10),
        "0.fc": (4,),
    }
    assert last_convolution(nn.Sequential(small), layers).name == "0.spare"
    assert find_layer(layers, "0.fc").kind == "Linear"
    for name, hint in (
        ("0.conv3", "did you mean 0.conv2 or 0.conv1"),
        ("conv2", "did you mean 0.conv2?"),
        ("linear", "did you mean 0.fc?"),
        ("x", "there are 0.conv1, 0.relu"),
    ):
        with pytest.raises(TrainError, match="no module") as told:
            find_layer(layers, name)
        assert hint in str(told.value)
    with pytest.raises(TrainError, match="a step of forward"):
        find_layer(layers, "add", ("add",))


# --- fields ---------------------------------------------------------------------------------------

SPEC = """
archspec: 1
name: odd
input: [3, 40, 32]
layers:
  - {op: conv2d, out_channels: 4, kernel_size: [3, 5], stride: [1, 2], padding: [2, 1]}
  - {op: relu}
  - {op: max_pool, kernel_size: 3, stride: 2, padding: 1}
  - {op: conv2d, out_channels: 4, kernel_size: 3, dilation: 2, padding: 2}
  - {op: avg_pool, kernel_size: 2, stride: 2}
  - {op: flatten}
  - {op: linear, out_features: 3}
"""


def facts_of(text: str, network: nn.Module, shape: tuple[int, int, int]) -> SpecFacts:
    code = f'__all__ = ["Net"]\nINPUT_SHAPE = {shape}\n'
    config = RunConfig(read_module("odd", code), ("a", "b", "c"), "here", Recipe(), HALF)
    return spec_facts(text, config, network, list_layers(network, torch.zeros(1, *shape)))


@pytest.fixture
def odd(tmp_path: Path) -> nn.Module:
    (tmp_path / "odd.yaml").write_text(SPEC)
    return archspec.build(tmp_path / "odd.yaml").eval()


@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.3, 0.1)])
def test_the_measured_field_is_the_computed_one(
    odd: nn.Module, corner: tuple[float, float]
) -> None:
    images = torch.randn(1, 3, 40, 32)
    facts = facts_of(SPEC, odd, (3, 40, 32))
    layers = [layer for layer in list_layers(odd, images) if len(layer.shape) == 3 and layer.leaf]
    assert len(layers) == 5
    for layer in layers:
        height, width = layer.shape[1:]
        unit = (round(corner[0] * (height - 1)), round(corner[1] * (width - 1)))
        field = facts.fields[layer.name]
        assert isinstance(field, ReceptiveField)
        computed = computed_field(field, unit)
        assert computed is not None
        computed = computed.within(40, 32)
        measured = measured_field(odd, images, layer.name, unit)
        assert measured is not None
        assert measured.measured
        edges = (measured.top, measured.left, measured.bottom, measured.right)
        assert edges == (computed.top, computed.left, computed.bottom, computed.right)
        heat = effective_field(odd, images, layer.name, unit)
        outside = heat.copy()
        outside[measured.top : measured.bottom, measured.left : measured.right] = 0
        assert not outside.any()
        assert np.isclose(heat.sum(), 1, atol=1e-3) or not heat.any()


def test_where_a_hole_meets_the_padding_the_computed_field_is_the_hull(odd: nn.Module) -> None:
    # Of columns 4, 6 and 8 of the pooled map, 8 is padding, and 7 lies in a hole: what only 7 sees
    # is not seen, though it lies between.
    field = facts_of(SPEC, odd, (3, 40, 32)).fields["3"]
    assert isinstance(field, ReceptiveField)
    computed = computed_field(field, (0, 6))
    assert computed is not None
    computed = computed.within(40, 32)
    measured = measured_field(odd, torch.randn(1, 3, 40, 32), "3", (0, 6))
    assert measured is not None
    assert (computed.left, computed.right) == (12, 32)
    assert (measured.left, measured.right) == (12, 29)


def test_a_spec_of_another_network_is_not_believed(odd: nn.Module) -> None:
    assert facts_of(SPEC, odd, (3, 40, 32)).fields
    # The same shapes with other windows: only the modules themselves can tell.
    other = SPEC.replace("dilation: 2, padding: 2", "dilation: 1, padding: 1")
    assert facts_of(other, odd, (3, 40, 32)) == SpecFacts()
    assert facts_of(SPEC.replace("[3, 40, 32]", "[3, 40, 34]"), odd, (3, 40, 32)) == SpecFacts()
    assert facts_of("nonsense: [", odd, (3, 40, 32)) == SpecFacts()


def test_the_gradients_of_positive_weights_reach_all_of_a_measured_field(small: Small) -> None:
    images = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.abs_()
    field = measured_field(small, images, "conv2", (3, 0))
    assert field == UnitField(2, 0, 11, 5, measured=True)
    rows, columns = effective_field(small, images, "conv2", (3, 0)).nonzero()
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (2, 11, 0, 5)


def test_a_first_step_in_place_is_no_matter(images: Tensor) -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 3, padding=1))
    before = images.clone()
    heat = effective_field(network, images, "1", (5, 5))
    assert torch.equal(images, before)
    assert heat[4:7, 4:7].sum() > 0.99


def test_one_that_sees_all_and_one_that_sees_nothing(images: Tensor) -> None:
    squeezed = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 2, 1))
    field = measured_field(squeezed, images, "1", (5, 5))
    assert field == UnitField(0, 0, SIZE, SIZE, measured=True)
    padded = nn.Sequential(nn.Conv2d(3, 2, 1, padding=4))
    assert measured_field(padded, images, "0", (0, 0)) is None


DECODER = """
archspec: 1
name: Decoder
input: [3, 32, 32]
layers:
  - {name: down, op: conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  - {name: up, op: conv_transpose2d, out_channels: 4, kernel_size: 4, stride: 3, padding: 1}
  - {name: holes, op: conv_transpose2d, out_channels: 2, kernel_size: 1, stride: 2}
"""


def test_behind_an_upsampling_every_unit_has_its_own_field(tmp_path: Path) -> None:
    """The computed one is the measured one, whichever phase the unit is of."""
    file = tmp_path / "decoder.yaml"
    file.write_text(DECODER)
    network, images = archspec.build(file).eval(), torch.randn(1, 3, 32, 32)
    fields = facts_of(DECODER, network, (3, 32, 32)).fields
    sizes = set()
    for name, units in (("up", range(9, 15)), ("holes", range(20, 24))):
        field = fields[name]
        assert isinstance(field, ReceptiveField)
        for unit in units:
            computed = computed_field(field, (unit, unit + 1))
            measured = measured_field(network, images, name, (unit, unit + 1))
            assert (computed is None) == (measured is None)
            if computed is not None and measured is not None:
                assert computed.size == measured.size
                assert (computed.top, computed.left) == (measured.top, measured.left)
                sizes.add(computed.size)
                assert name == "up"
                assert computed.stride is not None
    assert sizes == {(3, 5), (5, 3), (3, 3)}


def test_what_is_told_of_a_field(shown: Shown) -> None:
    field = computed_field(ReceptiveField(Axis(4, ((-6, 5),)), Axis(2, ((-2, 5),))), (0, 1))
    assert field is not None
    assert (field.top, field.left, field.bottom, field.right) == (-6, 0, 6, 8)
    assert describe_field(field, SIZE, SIZE) == [
        "sees 12 x 8 pixels: rows -6 to 5, columns 0 to 7",
        "the next unit's begins 4 x 2 pixels further",
        "50% of it outside of the picture: 6 above",
    ]
    everything = UnitField(0, 0, SIZE, SIZE)
    assert "all of the picture" in describe_field(everything, SIZE, SIZE)[-1]
    heat = np.zeros((SIZE, SIZE), np.float32)
    assert concentration(heat, field) is None
    heat[0, :4] = (5, 3, 1, 1)
    assert concentration(heat, field) == 1 / 48
    for drawn in (field, everything, UnitField(-500, -500, 500, 500)):
        picture = draw_field(shown, drawn, heat, "t", ["a line"])
        assert max(picture.size) < 1200
