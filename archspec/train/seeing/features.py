"""The maps that a layer makes of a picture."""

from math import ceil

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor, nn

from archspec.train.data.pictures import Image
from archspec.train.seeing.colours import VIRIDIS, coloured, spread
from archspec.train.seeing.drawing import FAINT, GRID, WHOLE_FROM, Pen, fitted, magnified
from archspec.train.seeing.layers import as_maps, run_to
from archspec.train.seeing.looking import Shown

MOST, COLUMNS = 64, 8
TILE, LABEL, GAP, MARGIN = 112, 14, 8, 24
INPUT = 148  # pixels of the input's picture
VECTOR_COLUMNS, CELL = 64, 14


def feature_maps(
    network: nn.Module, images: Tensor, layer: str, *, channels_last: bool = False
) -> Tensor:
    """What the layer makes of the picture [1, C, H, W]: maps [channels, H, W], or a vector."""
    with torch.inference_mode():
        output = run_to(network, images, layer).float().cpu()
    if output.dim() != 4:
        return output[0].flatten()
    return as_maps(output, layer, channels_last=channels_last)


def draw_features(shown: Shown, maps: Tensor, title: str) -> PillowImage.Image:
    """The picture, and the first MOST of the maps [C, H, W], each from its least to its greatest.

    A vector [C] is drawn as squares, in lines of VECTOR_COLUMNS.
    """
    values = maps.numpy()
    if values.ndim == 1:
        return _draw_vector(shown, values, title)
    number, (height, width) = min(len(values), MOST), values.shape[1:]
    scale = magnified(height, width, TILE)
    w, h = width * scale, height * scale
    columns = max(min(COLUMNS, number), 1)
    step = (max(w, 40) + GAP, h + LABEL + GAP)
    wide = max(columns * step[0] - GAP, 560)
    rows = ceil(number / columns)
    pen = Pen(2 * MARGIN + wide, MARGIN + INPUT + 20 + rows * step[1] + MARGIN)
    shape = f"{len(values)} maps of {height} x {width}"
    flat = int((np.ptp(values.reshape(len(values), -1), axis=1) == 0).sum())
    told = [
        shape if number == len(values) else f"the first {number} of {shape}",
        "each from its least (dark) to its greatest value (bright)",
        f"{flat} of one value everywhere" if flat else "",
    ]
    draw_head(pen, shown.pixels, title, told, wide)
    for i in range(number):
        x = MARGIN + i % columns * step[0]
        y = MARGIN + INPUT + 20 + i // columns * step[1]
        pen.picture((x, y, x + w, y + h), coloured(spread(values[i]), VIRIDIS))
        empty = "" if np.ptp(values[i]) else f"  all {values[i].flat[0]:.3g}"
        pen.text((x, y + h + 2), f"{i}{empty}", 10, FAINT)
    return pen.finished()


def draw_head(pen: Pen, pixels: Image, title: str, lines: list[str], width: float) -> None:
    """The picture as the network sees it in the corner, and beside it what is to be seen below."""
    height, full = pixels.shape[:2]
    scale = magnified(height, full, INPUT, WHOLE_FROM)
    h, w = height * scale, full * scale
    pen.picture((MARGIN, MARGIN, MARGIN + w, MARGIN + h), pixels)
    pen.frame((MARGIN, MARGIN, MARGIN + w, MARGIN + h), GRID)
    x, room = MARGIN + w + 18, width - w - 18
    pen.text((x, MARGIN), fitted(title, 18, room), 18)
    for place, line in enumerate(line for line in lines if line):
        pen.text((x, MARGIN + 32 + 20 * place), fitted(line, 13, room), 13, FAINT)


def _draw_vector(
    shown: Shown, values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", title: str
) -> PillowImage.Image:
    columns = min(VECTOR_COLUMNS, len(values))
    rows = ceil(len(values) / columns)
    padded = np.full(rows * columns, values.min(), np.float32)
    padded[: len(values)] = values
    wide = max(columns * CELL, 560)
    pen = Pen(2 * MARGIN + wide, MARGIN + INPUT + 20 + rows * CELL + MARGIN)
    least, greatest = float(values.min()), float(values.max())
    told = [
        f"a vector of {len(values)} numbers, in lines of {columns}",
        f"from {least:.3g} (dark) to {greatest:.3g} (bright)",
    ]
    draw_head(pen, shown.pixels, title, told, wide)
    top = MARGIN + INPUT + 20
    colours = coloured(spread(padded.reshape(rows, columns)), VIRIDIS)
    for i in range(len(values)):
        x, y = MARGIN + i % columns * CELL, top + i // columns * CELL
        red, green, blue = (int(part) for part in colours[i // columns, i % columns])
        pen.fill((x, y, x + CELL - 1, y + CELL - 1), (red, green, blue))
    return pen.finished()
