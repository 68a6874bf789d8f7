"""Boxes: inside their pictures, distributed as torchvision's, or exactly where they belong."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archspec.train.data.decode import stored_short_side
from archspec.train.feeding.boxes import (
    centre_boxes,
    corner_boxes,
    erased_boxes,
    largest_scale,
    random_resized_boxes,
    scale_of_short_side,
    scaled_boxes,
)
from archspec.train.recipe import Augment, ScaledCrop, TestCrops

side = st.integers(1, 400)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def same(height: int, width: int, number: int) -> tuple[Tensor, Tensor]:
    return torch.full((number,), height), torch.full((number,), width)


def assert_inside(boxes: Tensor, height: int, width: int) -> None:
    tops, lefts, heights, widths = boxes.unbind(-1)
    assert bool((tops >= 0).all() and (lefts >= 0).all())
    assert bool((heights >= 1).all() and (widths >= 1).all())
    assert bool((tops + heights <= height).all() and (lefts + widths <= width).all())


@settings(max_examples=50, deadline=None)
@given(side, side)
def test_random_resized_boxes_lie_inside_their_pictures(height: int, width: int) -> None:
    assert_inside(random_resized_boxes(*same(height, width, 50), generator()), height, width)


@settings(max_examples=50, deadline=None)
@given(side, side, st.tuples(st.integers(1, 64), st.integers(1, 64)), side, side)
def test_scaled_boxes_lie_inside_their_pictures(
    height: int, width: int, size: tuple[int, int], least: int, more: int
) -> None:
    boxes = scaled_boxes(*same(height, width, 50), size, (least, least + more), generator())
    assert_inside(boxes, height, width)


@settings(max_examples=50, deadline=None)
@given(side, side, st.tuples(st.integers(1, 64), st.integers(1, 64)), side)
def test_corner_boxes_lie_inside_their_pictures(
    height: int, width: int, size: tuple[int, int], short_side: int
) -> None:
    sizes = same(height, width, 1)
    scale = scale_of_short_side(*sizes, size, short_side)
    assert_inside(corner_boxes(*sizes, size, scale), height, width)
    assert_inside(centre_boxes(*sizes, size), height, width)


def assert_alike(theirs: Tensor, ours: Tensor) -> None:
    """Kolmogorov and Smirnov's test of two samples, at a level of 1 in 10 000."""
    theirs, ours = theirs.double().sort().values, ours.double().sort().values
    at = torch.cat([theirs, ours])
    shares = [torch.searchsorted(x, at, right=True) / len(x) for x in (theirs, ours)]
    distance = float((shares[0] - shares[1]).abs().max())
    assert distance < 2.23 * (1 / len(theirs) + 1 / len(ours)) ** 0.5


def assert_boxes_alike(theirs: Tensor, ours: Tensor) -> None:
    tops, lefts, heights, widths = (column.double() for column in theirs.unbind(1))
    others = [column.double() for column in ours.unbind(1)]
    assert_alike(heights * widths, others[2] * others[3])
    assert_alike(widths / heights, others[3] / others[2])
    assert_alike(tops + heights / 2, others[0] + others[2] / 2)
    assert_alike(lefts + widths / 2, others[1] + others[3] / 2)


@pytest.mark.parametrize("size", [(240, 320), (256, 256), (100, 700), (500, 90)])
def test_random_resized_boxes_are_distributed_as_torchvisions(size: tuple[int, int]) -> None:
    pytest.importorskip("torchvision", reason="the reference for random resized crops")
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    picture = torch.empty(3, *size)
    drawn = [
        RandomResizedCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)
    ]
    assert_boxes_alike(torch.tensor(drawn), random_resized_boxes(*same(*size, 3000), generator()))


def test_erased_boxes_are_distributed_as_torchvisions() -> None:
    pytest.importorskip("torchvision", reason="the reference for random erasing")
    from torchvision.transforms import RandomErasing

    torch.manual_seed(0)
    picture = torch.empty(3, 60, 50)
    drawn = [
        RandomErasing.get_params(picture, [0.02, 0.33], [0.3, 3.3], [0.0])[:4] for _ in range(3000)
    ]
    ours = erased_boxes(6000, (60, 50), 0.5, generator())
    erased = ours[ours[:, 2] > 0]
    assert 2800 < len(erased) < 3200
    assert_boxes_alike(torch.tensor(drawn), erased)
    assert_inside(erased, 60, 50)


def test_scaled_boxes_are_the_input_at_a_whole_short_side() -> None:
    boxes = scaled_boxes(*same(4800, 6400, 20000), (224, 224), (256, 480), generator())
    tops, lefts, heights, widths = boxes.unbind(1)
    assert torch.equal(heights, widths)
    expected = (224 * 4800 / torch.arange(256, 481).double()).round().long()
    assert set(heights.tolist()) == set(expected.tolist())
    # L is uniform, and so is where a box lies in the room that is left for it.
    assert_alike(expected.repeat(80), heights)
    grid = (torch.arange(20000) + 0.5) / 20000
    assert_alike(grid, (tops + 0.5) / (4800 - heights + 1))
    assert_alike(grid, (lefts + 0.5) / (6400 - widths + 1))


def test_a_short_side_below_the_input_counts_as_the_input() -> None:
    boxes = scaled_boxes(*same(100, 150, 50), (64, 64), (32, 64), generator())
    assert set(boxes[:, 2:].flatten().tolist()) == {100}


def test_small_pictures_are_cut_in_the_same_proportion() -> None:
    """A picture is never enlarged when it is stored, so L is a share of what there is of it."""
    large = scaled_boxes(*same(480, 640, 500), (224, 224), (256, 480), generator())
    small = scaled_boxes(*same(240, 320, 500), (224, 224), (256, 480), generator())
    assert bool(((small * 2 - large).abs() <= 2).all())


def test_five_boxes_are_torchvisions() -> None:
    pytest.importorskip("torchvision", reason="the reference for five crops")
    from torchvision.transforms.v2 import functional as tv

    for height, width in ((37, 50), (35, 47), (40, 33), (32, 32)):
        picture = torch.arange(height * width).view(1, height, width)
        heights, widths = same(height, width, 1)
        boxes = corner_boxes(heights, widths, (32, 32), torch.ones(1, dtype=torch.float64))
        for (top, left, *_), crop in zip(
            boxes[0].tolist(), tv.five_crop(picture, [32, 32]), strict=True
        ):
            assert torch.equal(picture[:, top : top + 32, left : left + 32], crop)


def test_the_five_scales_of_the_input() -> None:
    """Stored at 640, a scale S shows 224 / S of the short side; 160 counts as the input's 224."""
    heights, widths = same(640, 800, 1)
    sides = [
        corner_boxes(
            heights, widths, (224, 224), scale_of_short_side(heights, widths, (224, 224), short)
        )[0, 0, 2:].tolist()
        for short in (160, 224, 256, 384, 480, 640)
    ]
    assert sides == [[640] * 2, [640] * 2, [560] * 2, [373] * 2, [299] * 2, [224] * 2]


def test_the_largest_box_keeps_the_inputs_shape() -> None:
    scale = largest_scale(*same(80, 80, 1), (32, 16))
    assert corner_boxes(*same(80, 80, 1), (32, 16), scale)[0, 4].tolist() == [0, 20, 80, 40]


def test_the_centre_of_a_stored_picture_is_cut_out_as_it_is() -> None:
    boxes = centre_boxes(torch.tensor([256, 512]), torch.tensor([341, 256]), (224, 224))
    assert boxes.tolist() == [[16, 58, 224, 224], [144, 16, 224, 224]]


def test_pictures_are_kept_as_large_as_the_largest_crop_needs() -> None:
    shape, wide = (3, 224, 224), Augment(crop=ScaledCrop())
    assert stored_short_side(shape) == 256
    assert stored_short_side(shape, Augment(), TestCrops(name="ten")) == 256
    assert stored_short_side(shape, wide) == 480
    assert stored_short_side(shape, wide, TestCrops(name="scales")) == 640
    assert stored_short_side((3, 600, 500), wide) == 686
