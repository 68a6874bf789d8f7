"""Colours: measured as numpy does, changed as torchvision does, and AlexNet's noise."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from archspec.train.data.pictures import Pictures, in_memory
from archspec.train.errors import TrainError
from archspec.train.feeding.colour import (
    HALF,
    IMAGENET,
    Colours,
    measure_colours,
    resolve_normalize,
)
from archspec.train.feeding.jitter import coloured
from archspec.train.feeding.plan import Plan
from archspec.train.recipe import Normalize

Collection = Callable[..., Pictures]
UNIT = Normalize(mean=(0.0,) * 3, std=(1.0,) * 3)
FACTORS = {"brightness": 0, "contrast": 1, "saturation": 2}


def noise(number: int, channels: int = 3, low: int = 0, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(low, high, (number, channels, 13, 9), generator=generator)
    return drawn.to(torch.uint8)


def plan(number: int, **columns: Tensor) -> Plan:
    places = torch.arange(number)
    return Plan(places, torch.zeros(number, 4), torch.zeros(number).bool(), **columns)


def factors(number: int, **values: Tensor) -> Tensor:
    columns = torch.ones(number, 3, dtype=torch.float64)
    for name, column in values.items():
        columns[:, FACTORS[name]] = column
    return columns


# --- measured -------------------------------------------------------------------------------------


def test_mean_deviation_and_axes_are_numpys(collection: Collection) -> None:
    pictures = collection()
    found = measure_colours(pictures, [0, 2, 3])
    pixels = np.concatenate([pictures[i].reshape(-1, 3) for i in (0, 2, 3)]) / 255
    assert np.allclose(found.mean, pixels.mean(axis=0))
    assert np.allclose(found.std, pixels.std(axis=0))
    variances, axes = np.linalg.eigh(np.cov(pixels.T, bias=True))
    assert np.allclose(found.variances, variances[::-1])
    products = np.abs(axes[:, ::-1].T @ found.axes.numpy())
    assert np.allclose(products, np.eye(3), atol=1e-6)  # the same axes, whichever way they point


def test_a_sample_of_many_pixels_is_close(collection: Collection) -> None:
    pictures = collection(3, [(90, 120)] * 12)
    places = torch.arange(12)
    exact, found = (
        measure_colours(pictures, places),
        measure_colours(pictures, places, num_pixels=5000),
    )
    assert found.mean != exact.mean
    assert np.allclose(found.mean, exact.mean, atol=0.01)
    assert np.allclose(found.std, exact.std, atol=0.01)
    every_third = measure_colours(pictures, [0, 3, 6, 9])
    assert measure_colours(pictures, places, num_pictures=4).mean == every_third.mean


def test_pictures_of_one_shade_can_be_normalised() -> None:
    pictures = in_memory([np.full((4, 4, 1), 51, np.uint8)] * 2, 1)
    found = resolve_normalize("dataset", 1, measure_colours(pictures, [0, 1]))
    assert found.mean == pytest.approx((0.2,))
    assert found.std == pytest.approx((1 / 255,))


def test_a_recipes_normalisation_fits_the_channels(collection: Collection) -> None:
    colours = measure_colours(collection(), [0])
    assert resolve_normalize("half", 3) == Normalize(mean=(0.5,) * 3, std=(0.5,) * 3)
    assert resolve_normalize("half", 1) == HALF
    assert resolve_normalize("imagenet", 3) == IMAGENET
    grey = resolve_normalize("imagenet", 1)
    assert grey.mean == pytest.approx((0.299 * 0.485 + 0.587 * 0.456 + 0.114 * 0.406,))
    assert grey.std == pytest.approx((0.299 * 0.229 + 0.587 * 0.224 + 0.114 * 0.225,))
    assert resolve_normalize("dataset", 3, colours) == Normalize(mean=colours.mean, std=colours.std)
    with pytest.raises(TrainError, match="2 means and 2 deviations for 3 channels"):
        resolve_normalize(Normalize(mean=(0.1, 0.2), std=(1.0, 1.0)), 3)
    with pytest.raises(TrainError, match="1 means and 3 deviations"):
        resolve_normalize(Normalize(mean=(0.1,), std=(1.0, 1.0, 1.0)), 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_normalised_by_channel(channels: int, layout: torch.memory_format) -> None:
    images = noise(4, channels).contiguous(memory_format=layout)
    wanted = resolve_normalize("imagenet", channels)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (wanted.mean, wanted.std))
    found = coloured(images, plan(4), wanted)
    assert torch.allclose(found, (images / 255 - mean) / std, atol=1e-5)


# --- changed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTORS)
def test_a_single_factor_does_what_torchvisions_does(name: str) -> None:
    pytest.importorskip("torchvision", reason="the reference for colour jitter")
    from torchvision.transforms.v2 import functional as tv

    images, values = noise(6), torch.tensor([0.0, 0.3, 0.9, 1.0, 1.4, 2.0]).double()
    found = coloured(images, plan(6, factors=factors(6, **{name: values})), UNIT)
    adjust = getattr(tv, f"adjust_{name}")
    for i, factor in enumerate(values.tolist()):
        expected = adjust(images[i] / 255, factor)
        assert torch.allclose(found[i], expected, atol=3e-4), (name, factor)  # their luma: 0.2989
        by_bytes = adjust(images[i], factor) / 255  # whose fractions are dropped, twice
        assert float((found[i] - by_bytes).abs().max()) < 2 / 255


def test_a_hue_is_torchvisions() -> None:
    pytest.importorskip("torchvision", reason="the reference for colour jitter")
    from torchvision.transforms.v2 import functional as tv

    images = torch.cat([noise(5), (noise(4) // 86 * 127)])  # the others with many equal channels
    turns = torch.linspace(-0.5, 0.5, 9).double()
    found = coloured(images, plan(9, hues=turns), UNIT)
    for i, turn in enumerate(turns.tolist()):
        assert torch.allclose(found[i], tv.adjust_hue(images[i] / 255, turn), atol=1e-5), turn


def test_all_together_are_torchvisions_in_the_recipes_order() -> None:
    pytest.importorskip("torchvision", reason="the reference for colour jitter")
    from torchvision.transforms.v2 import functional as tv

    images = noise(4, low=90, high=150)  # nothing is clamped on the way
    values = torch.tensor([[0.8, 1.3, 0.7], [1.2, 0.6, 1.5], [0.9, 0.9, 0.4], [1.1, 1.2, 1.3]])
    turns = torch.tensor([0.1, -0.3, 0.4, 0.0]).double()
    found = coloured(images, plan(4, factors=values.double(), hues=turns), IMAGENET)
    for i in range(4):
        expected = images[i] / 255
        adjusts = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)
        for adjust, value in zip(adjusts, values[i].tolist(), strict=True):
            expected = adjust(expected, value)
        expected = tv.adjust_hue(expected, float(turns[i]))
        expected = tv.normalize(expected, list(IMAGENET.mean), list(IMAGENET.std))
        assert torch.allclose(found[i], expected, atol=3e-3)


def test_pixels_stay_what_pixels_can_be() -> None:
    values = torch.tensor([[2.0, 2.0, 2.0]] * 3).double()
    found = coloured(noise(3), plan(3, factors=values), UNIT)
    assert (float(found.min()), float(found.max())) == pytest.approx((0, 1), abs=1e-6)
    assert bool(((found <= 0) | (found >= 1 - 1e-6)).any())


def test_a_grey_picture_has_neither_saturation_nor_hue_nor_noise() -> None:
    images = noise(3, channels=1)
    colourless = plan(
        3,
        factors=factors(3, saturation=torch.tensor([0.0, 0.5, 2.0])),
        hues=torch.tensor([0.1, 0.2, -0.5]).double(),
        alphas=torch.ones(3, 3).double(),
    )
    grey = Normalize(mean=(0.0,), std=(1.0,))
    assert torch.allclose(coloured(images, colourless, grey), images / 255, atol=1e-6)
    bright = plan(3, factors=factors(3, brightness=torch.full((3,), 0.5)))
    assert torch.allclose(coloured(images, bright, grey), images / 510, atol=1e-6)


def test_alexnets_noise_has_its_covariance(collection: Collection) -> None:
    """P·diag(αλ): so its covariance is σ²·P·Λ²·Pᵀ, and it is one colour for all of a picture."""
    colours = measure_colours(collection(), range(5))
    alphas = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)).double() * 0.1
    images = torch.full((20000, 3, 2, 1), 128, dtype=torch.uint8)
    found = coloured(images, plan(20000, alphas=alphas), UNIT, colours) - 128 / 255
    assert torch.allclose(found[:, :, 0, 0], found[:, :, 1, 0])
    expected = 0.01 * colours.axes @ colours.variances.square().diag() @ colours.axes.T
    covariance = found[:, :, 0, 0].double().T.cov()
    assert torch.allclose(covariance, expected, atol=0.05 * float(expected.max()))


def test_noise_is_added_after_the_jitter_and_in_units_of_the_normalisation() -> None:
    colours = Colours((0.5,) * 3, (0.2,) * 3, torch.eye(3).double(), torch.ones(3).double())
    images, alphas = noise(2), torch.tensor([[0.1, 0.0, -0.2], [0.0, 3.0, 0.0]]).double()
    values = torch.tensor([[2.0, 1.0, 1.0]] * 2).double()
    for jitter in ({}, {"factors": values}, {"factors": values, "hues": torch.zeros(2).double()}):
        without = coloured(images, plan(2, **jitter), IMAGENET)
        found = coloured(images, plan(2, alphas=alphas, **jitter), IMAGENET, colours)
        step = (alphas / torch.tensor(IMAGENET.std)).float().view(2, 3, 1, 1).expand_as(found)
        assert torch.allclose(found - without, step, atol=1e-4)


def test_a_pictures_colours_do_not_depend_on_its_batch() -> None:
    images = noise(7)
    values = torch.linspace(0.5, 1.5, 21).double().view(7, 3)
    whole = plan(7, factors=values, hues=values[:, 0] - 1)
    alone = [coloured(images[i : i + 1], whole.part(i, i + 1), IMAGENET) for i in range(7)]
    assert torch.equal(torch.cat(alone), coloured(images, whole, IMAGENET))
    assert coloured(images[:0], whole.part(0, 0), IMAGENET).shape == (0, 3, 13, 9)
