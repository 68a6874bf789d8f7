"""Cutting out and moving: torchvision's pixels, a plain loop's, and the same on an accelerator."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from archspec.train.data.pictures import Image, Pictures, in_memory
from archspec.train.feeding.cutting import Cutter, cut_out
from archspec.train.feeding.plan import Plan, evaluation_plan, training_plan
from archspec.train.feeding.resident import on_device
from archspec.train.recipe import Augment, TestCrops

Collection = Callable[..., Pictures]
CPU = torch.device("cpu")
MOVES = Augment(rotation=40.0, shift=0.3, stretch=0.4)


def channels_first(picture: Image) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)


def shown(pictures: Pictures, plan: Plan, size: tuple[int, int]) -> Tensor:
    cut = Cutter(pictures, plan, size)
    return torch.stack([channels_first(cut(row)) for row in range(len(plan))])


def moved(picture: Image, **moves: object) -> tuple[Pictures, Plan]:
    """A plan that shows all of one picture, moved."""
    box = torch.tensor([[0, 0, *picture.shape[:2]]])
    columns = {name: torch.tensor([value], dtype=torch.float64) for name, value in moves.items()}
    pictures = in_memory([picture], picture.shape[2])
    return pictures, Plan(torch.tensor([0]), box, torch.tensor([False]), **columns)


@pytest.mark.parametrize(
    "box", [(0, 0, 36, 50), (3, 7, 20, 25), (5, 5, 9, 8), (0, 9, 36, 31), (0, 0, 90, 100)]
)
def test_a_cut_out_is_torchvisions_resized_crop(
    collection: Collection, box: tuple[int, int, int, int]
) -> None:
    pytest.importorskip("torchvision", reason="the reference for resized crops")
    from torchvision.transforms.v2 import functional as tv

    picture = collection(3, [(90, 100)])[0]
    expected = tv.resized_crop(channels_first(picture), *box, size=[32, 32], antialias=True)
    found = channels_first(cut_out(picture, box, (32, 32), mirror=False))
    assert torch.equal(found, expected)
    mirrored = channels_first(cut_out(picture, box, (32, 32), mirror=True))
    assert torch.equal(mirrored, tv.horizontal_flip(expected))


def test_an_unscaled_box_is_copied(collection: Collection) -> None:
    picture = collection()[0]
    cut = cut_out(picture, (2, 4, 32, 32), (32, 32), mirror=False)
    assert np.array_equal(cut, picture[2:34, 4:36])


def test_ten_crops_are_torchvisions(collection: Collection) -> None:
    """Pixel for pixel at the stored size; the mirrored five come in another order there."""
    pytest.importorskip("torchvision", reason="the reference for ten crops")
    from torchvision.transforms.v2 import functional as tv

    pictures = collection(3, [(256, 300), (280, 256)])
    plan = evaluation_plan(pictures, torch.arange(2), (224, 224), TestCrops(name="ten"))
    found = shown(pictures, plan, (224, 224))
    for i in range(2):
        theirs = torch.stack(list(tv.ten_crop(channels_first(pictures[i]), [224, 224])))
        order = [0, 1, 2, 3, 4, 6, 5, 8, 7, 9]
        assert torch.equal(found[10 * i : 10 * i + 10], theirs[order])


@pytest.mark.parametrize("angle", [-160.0, -15.0, 7.5, 90.0])
def test_a_rotation_is_torchvisions(collection: Collection, angle: float) -> None:
    pytest.importorskip("torchvision", reason="the reference for rotations")
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as tv

    picture = collection(3, [(64, 64)])[0]
    found = shown(*moved(picture, rotations=angle), (64, 64))[0].float()
    bilinear = InterpolationMode.BILINEAR
    expected = tv.rotate(channels_first(picture), angle, interpolation=bilinear).float()
    inside = (slice(None), slice(12, 52), slice(12, 52))
    assert float((found[inside] - expected[inside]).abs().max()) <= 1


def test_a_shift_is_torchvisions(collection: Collection) -> None:
    pytest.importorskip("torchvision", reason="the reference for shifts")
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as tv

    picture = collection(3, [(64, 64)])[0]
    found = shown(*moved(picture, rotations=20.0, shifts=(4 / 64, -6 / 64)), (64, 64))[0].float()
    expected = tv.affine(
        channels_first(picture),
        angle=-20.0,  # clockwise there
        translate=[4, -6],
        scale=1.0,
        shear=[0.0],
        interpolation=InterpolationMode.BILINEAR,
    ).float()
    inside = (slice(None), slice(16, 48), slice(16, 48))
    assert float((found[inside] - expected[inside]).abs().max()) <= 1


def test_a_stretch_shows_less_of_the_picture(collection: Collection) -> None:
    picture = collection(3, [(64, 64)])[0]
    found = shown(*moved(picture, stretches=(2.0, 1.0)), (64, 64))[0].float()
    cut = cut_out(picture, (0, 16, 64, 32), (64, 64), mirror=False)
    difference = (found - channels_first(cut).float()).abs()
    assert float(difference[:, :, 2:-2].max()) <= 1  # a box's edge pixels see nothing outside it


def by_hand(picture: Image, plan: Plan, row: int, size: tuple[int, int]) -> np.ndarray:
    """One picture moved in a plain loop: nearest mirrored pixels, blended, no antialiasing."""
    edge = max(picture.shape)
    padded = np.pad(picture, ((edge, edge), (edge, edge), (0, 0)), mode="symmetric").astype(float)
    top, left, height, width = plan.boxes[row].tolist()
    assert plan.rotations is not None
    assert plan.shifts is not None
    assert plan.stretches is not None
    angle = np.deg2rad(float(plan.rotations[row]))
    result = np.zeros((*size, picture.shape[2]))
    for i in range(size[0]):
        for j in range(size[1]):
            u, v = (j + 0.5) / size[1] - 0.5, (i + 0.5) / size[0] - 0.5
            if plan.mirrored[row]:
                u = -u
            u = (u - float(plan.shifts[row, 0])) / float(plan.stretches[row, 0]) * width
            v = (v - float(plan.shifts[row, 1])) / float(plan.stretches[row, 1]) * height
            x = left + width / 2 + np.cos(angle) * u - np.sin(angle) * v + edge - 0.5
            y = top + height / 2 + np.sin(angle) * u + np.cos(angle) * v + edge - 0.5
            a, b = int(np.floor(y)), int(np.floor(x))
            rows = padded[a : a + 2, b : b + 2]
            across = rows[:, 0] * (b + 1 - x) + rows[:, 1] * (x - b)
            result[i, j] = across[0] * (a + 1 - y) + across[1] * (y - a)
    return result


@pytest.mark.parametrize("channels", [1, 3])
def test_all_moves_together_are_a_plain_loops(collection: Collection, channels: int) -> None:
    pictures = collection(channels)
    plan = training_plan(
        pictures, torch.arange(5).repeat(3), (28, 40), seed=1, epoch=0, augment=MOVES
    )
    found = shown(pictures, plan, (28, 40))
    for row in range(len(plan)):
        picture = pictures[int(plan.places[row])]
        if max(plan.boxes[row, 2] / 28, plan.boxes[row, 3] / 40) / 0.6 >= 1.5:
            continue  # this one is antialiased
        expected = by_hand(picture, plan, row, (28, 40))
        assert np.abs(found[row].permute(1, 2, 0).numpy() - expected).max() <= 0.51
    assert plan.mirrored.any()


def test_what_shrinks_by_three_is_the_mean_of_nine() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 60, 3), dtype=np.uint8)
    pictures, plan = moved(noise, rotations=0.0)
    means = noise.reshape(16, 3, 20, 3, 3).mean(axis=(1, 3))
    found = shown(pictures, plan, (16, 20))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - means).max() <= 0.51


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [Augment(), MOVES, Augment(shift=1.0, rotation=180.0)])
@pytest.mark.parametrize("size", [(32, 24), (9, 7)])
def test_the_gathering_kernel_shows_the_same(
    collection: Collection, channels: int, augment: Augment, size: tuple[int, int]
) -> None:
    pictures = collection(channels)
    plan = training_plan(
        pictures, torch.arange(5).repeat(12), size, seed=0, epoch=0, augment=augment
    )
    assert plan.mirrored.any()
    found = on_device(pictures, CPU).shown(plan, size)
    assert found.dtype == torch.uint8
    difference = (found.float() - shown(pictures, plan, size).float()).abs()
    assert float(difference.max()) <= 1  # rounded twice by PyTorch's kernel for bytes
    assert float(difference.mean()) < 0.3


def test_a_kernels_picture_does_not_depend_on_its_batch(collection: Collection) -> None:
    pictures = collection()
    device = on_device(pictures, CPU)
    for augment in (Augment(), MOVES):
        plan = training_plan(
            pictures, torch.arange(5).repeat(4), (11, 13), seed=0, epoch=0, augment=augment
        )
        alone = [device.shown(plan.part(i, i + 1), (11, 13)) for i in range(len(plan))]
        assert torch.equal(torch.cat(alone), device.shown(plan, (11, 13)))
    assert device.shown(plan.part(0, 0), (11, 13)).shape == (0, 3, 11, 13)
