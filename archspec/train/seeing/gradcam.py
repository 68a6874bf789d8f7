"""Grad-CAM: where on a picture a class was seen (Selvaraju et al. 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from archspec.train.errors import TrainError
from archspec.train.outputs import Outputs
from archspec.train.seeing.colours import Numbers, overlaid
from archspec.train.seeing.drawing import (
    FAINT,
    GRID,
    INK,
    RIGHT,
    WHOLE_FROM,
    Pen,
    fitted,
    magnified,
)
from archspec.train.seeing.layers import as_maps, watched
from archspec.train.seeing.looking import Shown

PANEL, MARGIN, HEAD, GAP = 336, 24, 98, 28
BARS, BAR_WIDTH = 5, 220


@dataclass(frozen=True)
class Cam:
    """`heat` [h, w] of a layer's maps for the class `target`, in 0 … 1; all 0 where none speaks.

    `probabilities` are those of all classes.
    """

    heat: Numbers
    target: int
    probabilities: tuple[float, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the layer speaks for the class."""
        return not bool(self.heat.any())


def grad_cam(
    network: nn.Module,
    outputs: Outputs,
    images: Tensor,
    layer: str,
    target: int | None = None,
    *,
    channels_last: bool = False,
) -> Cam:
    """ReLU(Σₖ αₖ Aᵏ), αₖ the mean over places of ∂y / ∂Aᵏ, for the picture [1, C, H, W].

    A are the layer's maps, y the score of the class `target`, or of the likeliest. Where a network
    puts out (logarithms of) probabilities, its scores are known but for a constant: y is then the
    logarithm's distance from the mean of all classes'. Raises TrainError for a layer without maps,
    and for one that does not lead to the output.
    """
    kept: list[Tensor] = []

    def keep(_: str, output: Tensor) -> Tensor:
        # Cut off, so that weights that are frozen do not matter, and a copy goes on, so that a
        # ReLU in place behind it does not change what is kept.
        kept.append(output.detach().clone().requires_grad_())
        return kept[-1].clone()

    with torch.enable_grad(), watched(network, [layer], keep):
        found = network.eval()(images)
        logarithms = outputs.log_probabilities(found)[0]
        chosen = int(logarithms.argmax()) if target is None else target
        scores = found[0] if outputs is Outputs.SCORES else logarithms - logarithms.mean()
        if not kept:
            raise TrainError(f"{layer} does not run when a picture is looked at", exit_code=2)
        as_maps(kept[-1], layer, channels_last=channels_last)  # or tell that it has none
        slopes: tuple[Tensor | None, ...] = (None,)
        if scores.requires_grad:
            slopes = torch.autograd.grad(scores[chosen], kept[-1], allow_unused=True)
    if slopes[0] is None:
        raise TrainError(f"{layer} does not lead to the network's output", exit_code=2)
    maps = as_maps(kept[-1].detach(), layer, channels_last=channels_last).float()
    weights = as_maps(slopes[0], layer, channels_last=channels_last).float().mean(dim=(1, 2))
    heat = F.relu((weights[:, None, None] * maps).sum(dim=0))
    heat = heat / heat.max().clamp(min=torch.finfo(heat.dtype).tiny)
    return Cam(heat.cpu().numpy(), chosen, tuple(logarithms.detach().exp().tolist()))


def draw_cam(shown: Shown, cam: Cam, classes: Sequence[str], title: str) -> PillowImage.Image:
    """The picture, the heat over it, and the likeliest classes."""
    height, width = shown.pixels.shape[:2]
    scale = magnified(height, width, PANEL, WHOLE_FROM)
    w, h = width * scale, height * scale
    pen = Pen(2 * MARGIN + 2 * w + 2 * GAP + BAR_WIDTH, HEAD + max(h, 200) + 40)
    name, chance = classes[cam.target], cam.probabilities[cam.target]
    wide = 2 * w + 2 * GAP + BAR_WIDTH
    pen.text((MARGIN, 16), fitted(title, 18, wide), 18)
    told = f"Grad-CAM for {name}: {chance:.1%}"
    if cam.is_empty:
        told += " (nothing in this layer speaks for it)"
    pen.text((MARGIN, 42), fitted(told, 13, wide), 13, FAINT)
    heat = F.interpolate(torch.from_numpy(cam.heat)[None, None], (height, width), mode="bilinear")[
        0, 0
    ].numpy()
    for x, pixels in ((MARGIN, shown.pixels), (MARGIN + w + GAP, overlaid(shown.pixels, heat))):
        pen.picture((x, HEAD, x + w, HEAD + h), pixels)
        pen.frame((x, HEAD, x + w, HEAD + h), GRID)
    pen.text((MARGIN, HEAD - 8), "as the network sees it", 13, FAINT, "ls")
    across = f"heat of {cam.heat.shape[0]} x {cam.heat.shape[1]} places"
    pen.text((MARGIN + w + GAP, HEAD - 8), across, 13, FAINT, "ls")
    _draw_bars(pen, MARGIN + 2 * w + 2 * GAP, cam, classes)
    return pen.finished()


def _draw_bars(pen: Pen, left: float, cam: Cam, classes: Sequence[str]) -> None:
    ranked = sorted(range(len(classes)), key=lambda i: -cam.probabilities[i])[:BARS]
    if cam.target not in ranked:
        ranked[-1] = cam.target
    for place, i in enumerate(ranked):
        y, colour = HEAD + place * 40, RIGHT if i == cam.target else FAINT
        text = f"{cam.probabilities[i]:.1%}"
        pen.text((left, y), fitted(classes[i], 13, BAR_WIDTH - 60), 13, INK)
        pen.text((left + BAR_WIDTH, y), text, 13, INK, "ra")
        pen.fill((left, y + 19, left + BAR_WIDTH, y + 25), GRID)
        pen.fill((left, y + 19, left + BAR_WIDTH * cam.probabilities[i], y + 25), colour)
