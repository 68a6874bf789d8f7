"""Mixed and erased batches: against a plain loop, and against torchvision's distributions."""

import pytest
import torch
from torch import Tensor

from archspec.train.feeding.mixing import draw_mixing, erase, mix, pasted_boxes


def seed_of(column: str) -> int:
    return sum(map(ord, column))


def images(number: int = 4) -> Tensor:
    return torch.rand(number, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def test_mixup_is_a_plain_sum() -> None:
    own, other = images(4), images(5)[1:]
    found = mix(own, other, 0.3, (0, 0, 0, 0))
    for i in range(4):
        for c, y, x in [(0, 0, 0), (1, 3, 4), (2, 5, 2)]:
            expected = 0.3 * float(own[i, c, y, x]) + 0.7 * float(other[i, c, y, x])
            assert float(found[i, c, y, x]) == pytest.approx(expected)


def test_cutmix_pastes_its_box_and_nothing_else() -> None:
    own, other = images(4), images(5)[1:]
    before = own.clone()
    found = mix(own, other, 0.5, (1, 2, 3, 2))
    for y in range(6):
        for x in range(5):
            is_pasted = 1 <= y < 4 and 2 <= x < 4
            expected = other if is_pasted else own
            assert torch.equal(found[:, :, y, x], expected[:, :, y, x])
    assert torch.equal(own, before)


def test_erasing_leaves_the_rest() -> None:
    found = erase(images(3) + 1, torch.tensor([[0, 0, 0, 0], [2, 1, 3, 4], [5, 0, 1, 5]]))
    erased = (found == 0).all(dim=1)
    assert erased.sum(dim=(1, 2)).tolist() == [0, 12, 5]
    assert erased[1, 2:5, 1:5].all()
    assert erased[2, 5].all()


def test_lambda_is_of_its_beta_distribution() -> None:
    for alpha in (0.2, 1.0, 3.0):
        weights, pasted = draw_mixing(20000, (32, 32), alpha, 0, seed_of)
        assert weights is not None
        assert float(weights.mean()) == pytest.approx(0.5, abs=0.015)
        variance = 1 / (4 * (2 * alpha + 1))
        assert float(weights.var()) == pytest.approx(variance, rel=0.05)
        assert pasted is not None
        assert not pasted.any()


def test_a_pasted_box_has_the_rest_of_the_area() -> None:
    weights, pasted = draw_mixing(5000, (40, 30), 0, 1.0, seed_of)
    assert weights is not None
    assert pasted is not None
    tops, lefts, heights, widths = pasted.unbind(1)
    assert bool((tops + heights <= 40).all() and (lefts + widths <= 30).all())
    assert bool((pasted >= 0).all())
    assert torch.allclose(weights, 1 - (heights * widths).double() / 1200)


def test_pasted_boxes_are_distributed_as_torchvisions() -> None:
    v2 = pytest.importorskip("torchvision.transforms.v2", reason="the reference for cutmix")
    torch.manual_seed(0)
    transform = v2.CutMix(num_classes=2)
    batch = [torch.zeros(2, 3, 40, 30)]
    drawn = [transform.make_params(batch) for _ in range(3000)]
    theirs = torch.tensor([one["box"] for one in drawn]).double()  # left, top, right, bottom
    shares = torch.distributions.Beta(1.0, 1.0).sample((3000,)).double()
    ours = pasted_boxes(shares, (40, 30), 0).double()
    columns = [
        (theirs[:, 2] - theirs[:, 0], ours[:, 3]),
        (theirs[:, 3] - theirs[:, 1], ours[:, 2]),
        (theirs[:, 0], ours[:, 1]),
        (theirs[:, 1], ours[:, 0]),
    ]
    for expected, found in columns:
        error = (expected.var() / 3000 + found.var() / 3000).sqrt()
        assert abs(expected.mean() - found.mean()) <= 4 * error
        assert abs(expected.std() - found.std()) <= 0.06 * expected.std()


def test_with_both_each_batch_draws_one_evenly() -> None:
    weights, pasted = draw_mixing(4000, (64, 64), 0.4, 1.0, seed_of)
    alone, _ = draw_mixing(4000, (64, 64), 0.4, 0, seed_of)
    _, boxes = draw_mixing(4000, (64, 64), 0, 1.0, seed_of)
    assert weights is not None
    assert pasted is not None
    assert alone is not None
    assert boxes is not None
    is_mixup = weights == alone
    assert 1850 < int(is_mixup.sum()) < 2150
    assert not pasted[is_mixup].any()
    assert torch.equal(pasted[~is_mixup], boxes[~is_mixup])
    assert draw_mixing(10, (8, 8), 0, 0, seed_of) == (None, None)
