"""Plans: seed and epoch alone decide, and no column depends on another."""

import numpy as np
import pytest
import torch
from torch import Tensor

from archspec.train.data.pictures import Pictures, in_memory
from archspec.train.feeding.plan import Plan, centre_plan, evaluation_plan, num_crops, training_plan
from archspec.train.recipe import NO_AUGMENT, Augment, ScaledCrop, TestCrops

EVERYTHING = {
    "mirror": 0.5,
    "rotation": 20.0,
    "shift": 0.1,
    "stretch": 0.2,
    "brightness": 0.4,
    "contrast": 0.3,
    "saturation": 0.2,
    "hue": 0.1,
    "pca": 0.1,
    "erase": 0.5,
    "mixup": 0.3,
    "cutmix": 1.0,
}
COLUMNS = ("rotations", "shifts", "stretches", "hues", "alphas", "erased", "weights", "pasted")


def blank(sizes: list[tuple[int, int]]) -> Pictures:
    return in_memory((np.zeros((h, w, 3), np.uint8) for h, w in sizes), channels=3)


def plan_of(
    augment: Augment | None = None, *, seed: int = 0, epoch: int = 0, number: int = 50
) -> Plan:
    pictures = blank([(30, 40)] * number)
    augment = Augment() if augment is None else augment
    return training_plan(
        pictures, torch.arange(number), (8, 8), seed=seed, epoch=epoch, augment=augment
    )


def columns(plan: Plan) -> dict[str, Tensor]:
    return {name: column for name, column in vars(plan).items() if column is not None}


def is_same(one: Plan, other: Plan) -> bool:
    ours, theirs = columns(one), columns(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def test_a_plan_shows_every_picture_once_and_mirrors_half() -> None:
    plan = plan_of(number=2000)
    assert sorted(plan.places.tolist()) == list(range(2000))
    assert plan.places.tolist() != list(range(2000))
    assert 900 < int(plan.mirrored.sum()) < 1100


def test_seed_and_epoch_decide_a_plan() -> None:
    everything = Augment.model_validate(EVERYTHING)
    first = plan_of(everything)
    assert is_same(first, plan_of(everything))
    for other in (plan_of(everything, epoch=1), plan_of(everything, seed=1)):
        for name, column in columns(first).items():
            assert not torch.equal(column, columns(other)[name]), name


def test_what_is_not_asked_for_is_not_there() -> None:
    assert columns(plan_of()).keys() == {"places", "boxes", "mirrored"}
    assert columns(plan_of(Augment.model_validate(EVERYTHING))).keys() == set(vars(plan_of()))


def test_no_column_depends_on_whether_another_is_asked_for() -> None:
    """Only a mixed batch's λ is drawn from one distribution or from the other."""
    everything = columns(plan_of(Augment.model_validate(EVERYTHING)))
    for wish, value in EVERYTHING.items():
        alone = columns(
            plan_of(Augment(crop=ScaledCrop(), mirror=0.5).model_copy(update={wish: value}))
        )
        for name in alone.keys() - {"boxes", "factors", "weights", "pasted"}:
            assert torch.equal(alone[name], everything[name]), (wish, name)
        for name in alone.keys() & {"factors"}:
            asked = [w == wish for w in ("brightness", "contrast", "saturation")]
            assert torch.equal(alone[name][:, asked], everything[name][:, asked])
            assert torch.equal(alone[name][:, np.invert(asked)], torch.ones(50, 2))


@pytest.mark.parametrize(
    ("wish", "column", "low", "high"),
    [
        ("rotation", "rotations", -20, 20),
        ("shift", "shifts", -0.1, 0.1),
        ("stretch", "stretches", 0.8, 1.2),
        ("hue", "hues", -0.1, 0.1),
    ],
)
def test_ranges_are_filled(wish: str, column: str, low: float, high: float) -> None:
    drawn = columns(plan_of(Augment.model_validate({wish: EVERYTHING[wish]}), number=2000))[column]
    assert low <= float(drawn.min()) < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < float(drawn.max()) <= high
    assert float(drawn.mean()) == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


def test_factors_are_uniform_around_1() -> None:
    drawn = columns(plan_of(Augment(brightness=0.4, saturation=0.2), number=4000))["factors"]
    assert bool((drawn[:, 1] == 1).all())
    assert drawn[:, 0].aminmax().min >= 0.6
    assert drawn[:, 0].std() == pytest.approx(0.8 / 12**0.5, rel=0.05)
    assert drawn[:, 2].std() == pytest.approx(0.4 / 12**0.5, rel=0.05)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1]) < 0.1


def test_alphas_are_normal_with_the_asked_deviation() -> None:
    alphas = columns(plan_of(Augment(pca=0.1), number=4000))["alphas"]
    assert torch.allclose(alphas.T.cov(), 0.01 * torch.eye(3).double(), atol=1e-3)
    assert float((alphas.abs() < 0.1).double().mean()) == pytest.approx(0.683, abs=0.02)


def test_parts_and_rows_take_every_column() -> None:
    plan = plan_of(Augment.model_validate(EVERYTHING))
    part, rows = plan.part(3, 7), plan.rows(torch.tensor([3, 4, 5, 6]))
    assert is_same(part, rows)
    for name, column in columns(plan).items():
        assert torch.equal(columns(part)[name], column[3:7])


def test_without_augmentation_only_the_order_is_random() -> None:
    plan = plan_of(NO_AUGMENT)
    assert plan.places.tolist() != list(range(50))
    assert not plan.mirrored.any()
    assert len({tuple(box) for box in plan.boxes.tolist()}) == 1


def test_the_centre_of_a_small_picture_keeps_the_inputs_shape() -> None:
    plan = centre_plan(blank([(80, 80)]), torch.arange(1), (32, 16))
    assert plan.boxes.tolist() == [[5, 22, 70, 35]]


@pytest.mark.parametrize(
    ("crops", "number"),
    [
        (TestCrops(), 1),
        (TestCrops(name="ten"), 10),
        (TestCrops(name="scales", short_sides=(16, 24)), 20),
    ],
)
def test_a_pictures_crops_follow_one_another(crops: TestCrops, number: int) -> None:
    pictures = blank([(40, 60), (30, 20), (16, 16)])
    plan = evaluation_plan(pictures, torch.tensor([2, 0]), (16, 16), crops)
    assert num_crops(crops) == number
    assert plan.places.tolist() == [2] * number + [0] * number
    alone = evaluation_plan(pictures, torch.tensor([0]), (16, 16), crops)
    assert is_same(plan.part(number, 2 * number), alone)


def test_scales_are_cut_in_their_order_each_with_its_mirrors() -> None:
    crops = TestCrops(name="scales", short_sides=(16, 32, 64))
    plan = evaluation_plan(blank([(64, 100)]), torch.arange(1), (16, 16), crops)
    assert plan.boxes[::5, 2].tolist() == [64, 64, 32, 32, 16, 16]
    assert plan.mirrored.tolist() == ([False] * 5 + [True] * 5) * 3
    assert torch.equal(plan.boxes[:5], plan.boxes[5:10])
