"""Cutting out: the same as torchvision's, the same on an accelerator, and nothing lost."""

import numpy as np
import pytest
import torch
from torch import Tensor

from archspec.train.feeder import Feeder, batch_bounds, cut_out, on_device, training_bounds
from archspec.train.pictures import Pictures, in_memory
from archspec.train.plan import Plan, centre_plan, training_plan

CPU = torch.device("cpu")


def smooth(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """A picture without edges, where neighbouring pixels are alike."""
    coarse = torch.rand(1, channels, 5, 6, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (fine[0].permute(1, 2, 0) * 255).clamp(0, 255).byte().numpy()


def collection(channels: int = 3) -> Pictures:
    sizes = [(36, 50), (40, 36), (36, 36), (20, 31), (90, 37)]
    return in_memory([smooth(h, w, channels, i) for i, (h, w) in enumerate(sizes)], channels)


@pytest.mark.parametrize("box", [(0, 0, 36, 50), (3, 7, 20, 25), (5, 5, 9, 8), (0, 9, 36, 31)])
def test_a_cut_out_is_torchvisions_resized_crop(box: tuple[int, int, int, int]) -> None:
    pytest.importorskip("torchvision", reason="the reference for resized crops")
    from torchvision.transforms.v2 import functional as tv

    picture = collection()[0]
    tensor = torch.from_numpy(picture.copy()).permute(2, 0, 1)
    expected = tv.resized_crop(tensor, *box, size=[32, 32], antialias=False)
    found = torch.from_numpy(cut_out(picture, box, (32, 32), mirror=False).copy())
    assert torch.equal(found.permute(2, 0, 1), expected)
    mirrored = torch.from_numpy(cut_out(picture, box, (32, 32), mirror=True).copy())
    assert torch.equal(mirrored.permute(2, 0, 1), tv.horizontal_flip(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gathering_kernel_cuts_out_the_same(channels: int) -> None:
    pictures = collection(channels)
    plan = training_plan(pictures, torch.arange(5).repeat(20), (32, 24), seed=0, epoch=0)
    assert plan.mirrored.any()
    found = on_device(pictures, CPU).cut_out(plan, (32, 24))
    for i in range(len(plan)):
        picture, box = pictures[int(plan.places[i])], plan.boxes[i].tolist()
        one = cut_out(picture, box, (32, 24), mirror=bool(plan.mirrored[i]))
        expected = torch.from_numpy(one.copy()).permute(2, 0, 1)
        difference = (found[i] - expected).abs()
        assert float(difference.max()) < 1.01  # whole numbers there, rounded twice
        assert float(difference.mean()) < 0.5


def test_an_unscaled_box_is_copied() -> None:
    picture = collection()[0]
    assert np.array_equal(
        cut_out(picture, (2, 4, 32, 32), (32, 32), mirror=False), picture[2:34, 4:36]
    )


def fed(feeder: Feeder, plan: Plan, bounds: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*feeder.batches(plan, bounds), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_batches_hold_what_the_plan_says() -> None:
    pictures = collection()
    feeder = Feeder(pictures, [4, 3, 2, 1, 0], (32, 32), CPU)
    plan = centre_plan(pictures, torch.tensor([3, 0, 4]), (32, 32))
    images, labels = fed(feeder, plan, batch_bounds(3, 2))
    assert labels.tolist() == [1, 4, 0]
    for image, place, box in zip(images, [3, 0, 4], plan.boxes.tolist(), strict=True):
        pixels = cut_out(pictures[place], box, (32, 32), mirror=False).astype(np.float32)
        expected = torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)
        assert torch.allclose(image, expected, atol=1e-6)
    feeder.close()


def test_the_number_of_threads_does_not_change_a_batch() -> None:
    pictures = collection()
    plan = training_plan(pictures, torch.arange(5).repeat(8), (32, 32), seed=0, epoch=0)
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        feeder = Feeder(pictures, [0] * 5, (32, 32), CPU)
        assert feeder.num_workers == threads
        found.append(fed(feeder, plan, batch_bounds(40, 16))[0])
        feeder.close()
    assert torch.equal(*found)


def test_a_single_last_picture_is_measured_but_not_trained_on() -> None:
    assert batch_bounds(9, 4) == [(0, 4), (4, 8), (8, 9)]
    assert training_bounds(9, 4) == [(0, 4), (4, 8)]
    assert training_bounds(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert training_bounds(3, 1) == [(0, 1), (1, 2), (2, 3)]
    assert training_bounds(1, 4) == [(0, 1)]
