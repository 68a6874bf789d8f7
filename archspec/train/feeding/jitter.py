"""A batch's colours on its device: jitter, AlexNet's noise, and normalisation."""

import torch
from torch import Tensor

from archspec.train.feeding.colour import LUMA, Colours
from archspec.train.feeding.plan import Plan
from archspec.train.recipe import Normalize

AWAY = (3 / 6, 1 / 6, -1 / 6)  # turns from a hue to where it has least of red, green, blue
TINY = 1e-30  # stands for the chroma of a grey, which has no hue


def coloured(
    images: Tensor, plan: Plan, normalize: Normalize, colours: Colours | None = None
) -> Tensor:
    """Bytes [N, C, H, W] as the plan colours them, normalised, as floats; `alphas` need `colours`.

    Factors and hues are those of torchvision's ColorJitter, with two differences: the order is
    always that of the recipe, and pixels are clamped to 0 … 1 before the hue and at the end, not
    after each. Brightness, contrast and saturation commute as long as nothing is clamped. AlexNet's
    noise comes last and is not clamped. A grey picture has no saturation, no hue and no such noise.
    """
    mean = torch.tensor([normalize.mean], dtype=torch.float64)
    std = torch.tensor([normalize.std], dtype=torch.float64)
    noise = _noise(plan, colours) if images.shape[1] == len(LUMA) else 0 * mean
    if not plan.is_coloured:
        return _scaled(images.float(), 1 / (255 * std), (noise - mean) / std)
    if plan.hues is None:
        return _jittered(images, plan.factors, mean, std).add_(_placed(noise / std, images))
    pixels = _jittered(images, plan.factors, 0 * mean, 0 * std + 1)
    if images.shape[1] == len(LUMA):
        # On a CPU one picture at a time, which stays in the cache; else as few calls as possible.
        number = 1 if images.device.type == "cpu" else max(1, len(images))
        turns = _float(plan.hues, images)
        for begin in range(0, len(images), number):
            turn_hue_(pixels[begin : begin + number], turns[begin : begin + number])
    return _scaled(pixels, 1 / std, (noise - mean) / std)


def turn_hue_(images: Tensor, turns: Tensor) -> None:
    """Turn the hues of `images` [N, 3, H, W] in 0 … 1 by `turns` [N] full turns, in place.

    Value and chroma of HSV stay, as in torchvision's `adjust_hue`. The hue is found without asking
    which channel is the largest (Hocevar 2013): on a CPU selecting is 8 × as slow as arithmetic.
    """
    red, green, blue = images.unbind(1)
    most, least = torch.maximum(green, blue), torch.minimum(green, blue)
    value = torch.maximum(red, most)
    chroma = value - torch.minimum(red, least)
    is_bluish = (blue - green).sign_().clamp_(min=0)
    is_not_red = (most - red).sign_().clamp_(min=0)
    sector = is_bluish.mul(2).sub_(1 / 3).mul_(is_not_red).sub_(is_bluish)
    within = torch.minimum(red, most).sub_(least).div_(chroma.mul(6).clamp_(min=TINY))
    hue = within.add_(sector).abs_().add_(turns.view(-1, 1, 1))
    for channel, away in enumerate(AWAY):
        distance = hue + away
        distance.sub_(distance.round()).abs_()
        lacking = distance.mul_(-6).add_(2).clamp_(0, 1)  # 1 in the third around the hue farthest
        torch.addcmul(value, chroma, lacking, value=-1, out=images[:, channel])


def _jittered(images: Tensor, factors: Tensor | None, mean: Tensor, std: Tensor) -> Tensor:
    """Brightness, contrast and saturation [N, 3] as one matrix a picture, with (x − mean) / std.

    Clamped to what pixels in 0 … 1 come to. Contrast blends with the mean grey of the picture.
    """
    number, channels, height, width = images.shape
    pixels = images.float()
    # Sums of whole numbers: exact, so that a picture looks the same in whatever batch it stands.
    sums = pixels.sum(dim=3).double().sum(dim=2)
    luma = torch.tensor(LUMA if channels == len(LUMA) else (1.0,), dtype=torch.float64)
    greys = (sums * luma.to(sums.device)).sum(dim=1, keepdim=True) / (255 * height * width)
    factors = torch.ones(number, 3) if factors is None else factors
    brightness, contrast, saturation = factors.double().view(-1, 3, 1, 1).unbind(1)
    blend = saturation * torch.eye(channels) + (1 - saturation) * luma
    matrices = brightness * contrast * blend / (255 * std.view(-1, 1))
    blended = (brightness * (1 - contrast)).squeeze(2).to(sums.device) * greys
    offsets = (blended - mean.to(sums.device)) / std.to(sums.device)
    with torch.autocast(images.device.type, enabled=False):
        shown = torch.baddbmm(
            offsets.float().unsqueeze(2), _float(matrices, images), pixels.flatten(2)
        )
    lows, highs = (((bound - mean) / std).flatten().tolist() for bound in (0, 1))
    for channel, (low, high) in enumerate(zip(lows, highs, strict=True)):
        shown[:, channel].clamp_(low, high)
    return shown.view(images.shape)


def _noise(plan: Plan, colours: Colours | None) -> Tensor:
    """What AlexNet adds to all pixels of a picture: [p₁ p₂ p₃][α₁λ₁ α₂λ₂ α₃λ₃]ᵀ, [N or 1, 3].

    λ are the variances along the principal axes p, of pixels in 0 … 1 (Krizhevsky et al. 2012,
    section 4.1).
    """
    if plan.alphas is None:
        return torch.zeros(1, len(LUMA), dtype=torch.float64)
    assert colours is not None, "measure_colours first"
    return (plan.alphas * colours.variances) @ colours.axes.T


def _scaled(pixels: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`pixels` [N, C, H, W] · scale + shift [N or 1, C], in place."""
    if pixels.is_contiguous():
        return pixels.mul_(_placed(scale, pixels)).add_(_placed(shift, pixels))
    # With channels last, constants are repeated to rows: long loops instead of ones of C steps.
    number, channels, height, width = pixels.shape
    rows = pixels.permute(0, 2, 3, 1).view(number, height, width * channels)
    scales, shifts = (_float(value, pixels).repeat(1, width) for value in (scale, shift))
    rows.mul_(scales.unsqueeze(1)).add_(shifts.unsqueeze(1))
    return pixels


def _placed(values: Tensor, images: Tensor) -> Tensor:
    """`values` [N, C] as floats [N, C, 1, 1] beside the images."""
    return _float(values, images)[..., None, None]


def _float(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device, torch.float32, non_blocking=True)
