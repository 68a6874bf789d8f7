"""Plans: crops are drawn like torchvision's, and seed and epoch alone decide."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archspec.train.pictures import Pictures, in_memory
from archspec.train.plan import centre_plan, random_resized_boxes, training_plan


def blank(sizes: list[tuple[int, int]]) -> Pictures:
    return in_memory((np.zeros((h, w, 3), np.uint8) for h, w in sizes), channels=3)


def boxes_of(height: int, width: int, number: int) -> Tensor:
    heights, widths = torch.full((number,), height), torch.full((number,), width)
    return random_resized_boxes(heights, widths, torch.Generator().manual_seed(1))


@settings(max_examples=50)
@given(st.integers(1, 400), st.integers(1, 400))
def test_boxes_lie_inside_their_pictures(height: int, width: int) -> None:
    boxes = boxes_of(height, width, 50)
    tops, lefts, heights, widths = boxes.unbind(1)
    assert bool((tops >= 0).all() and (lefts >= 0).all())
    assert bool((heights >= 1).all() and (widths >= 1).all())
    assert bool((tops + heights <= height).all() and (lefts + widths <= width).all())


@pytest.mark.parametrize("size", [(240, 320), (256, 256), (100, 700), (500, 90)])
def test_boxes_are_distributed_as_torchvisions(size: tuple[int, int]) -> None:
    pytest.importorskip("torchvision", reason="the reference for random resized crops")
    from torchvision.transforms import RandomResizedCrop

    torch.manual_seed(0)
    picture = torch.empty(3, *size)
    drawn = [
        RandomResizedCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)
    ]
    theirs, ours = torch.tensor(drawn).double(), boxes_of(*size, 4000).double()
    for described in (area, aspect, middle_row, middle_column):
        expected, found = described(theirs), described(ours)
        error = (expected.var() / len(expected) + found.var() / len(found)).sqrt()
        assert abs(expected.mean() - found.mean()) <= 4 * error + 1e-9, described.__name__
        assert abs(expected.std() - found.std()) <= 0.06 * expected.std() + 1e-9, described.__name__


def area(boxes: Tensor) -> Tensor:
    return boxes[:, 2] * boxes[:, 3]


def aspect(boxes: Tensor) -> Tensor:
    return (boxes[:, 3] / boxes[:, 2]).log()


def middle_row(boxes: Tensor) -> Tensor:
    return boxes[:, 0] + boxes[:, 2] / 2


def middle_column(boxes: Tensor) -> Tensor:
    return boxes[:, 1] + boxes[:, 3] / 2


def test_a_plan_shows_every_picture_once_and_mirrors_half() -> None:
    pictures, places = blank([(4, 5)] * 2000), torch.arange(2000)
    plan = training_plan(pictures, places, (4, 4), seed=3, epoch=0)
    assert sorted(plan.places.tolist()) == places.tolist()
    assert 900 < int(plan.mirrored.sum()) < 1100


def test_seed_and_epoch_decide_a_plan() -> None:
    pictures, places = blank([(30, 40)] * 50), torch.arange(50)

    def plan(seed: int, epoch: int) -> list[list[int]]:
        drawn = training_plan(pictures, places, (8, 8), seed=seed, epoch=epoch)
        return [drawn.places.tolist(), *drawn.boxes.tolist()]

    assert plan(0, 0) == plan(0, 0)
    assert plan(0, 0) != plan(0, 1)
    assert plan(0, 0) != plan(1, 0)


def test_without_augmentation_only_the_order_is_random() -> None:
    pictures, places = blank([(40, 60)] * 50), torch.arange(50)
    plan = training_plan(pictures, places, (32, 32), seed=0, epoch=0, augment=False)
    assert plan.places.tolist() != places.tolist()
    assert not plan.mirrored.any()
    assert len({tuple(box) for box in plan.boxes.tolist()}) == 1


def test_the_centre_of_a_stored_picture_is_cut_out_as_it_is() -> None:
    plan = centre_plan(blank([(256, 341), (512, 256)]), torch.arange(2), (224, 224))
    assert plan.boxes.tolist() == [[16, 58, 224, 224], [144, 16, 224, 224]]


def test_the_centre_of_a_small_picture_keeps_the_inputs_shape() -> None:
    plan = centre_plan(blank([(80, 80)]), torch.arange(1), (32, 16))
    assert plan.boxes.tolist() == [[5, 22, 70, 35]]
