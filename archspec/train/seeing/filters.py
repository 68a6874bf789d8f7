"""The kernels that a convolution has learnt."""

from math import ceil

import numpy as np
from PIL import Image as PillowImage
from torch import nn

from archspec.train.errors import TrainError
from archspec.train.seeing.colours import RED_BLUE, Numbers, coloured, signed
from archspec.train.seeing.drawing import FAINT, Pen, fitted, text_width

MOST, COLUMNS = 96, 12  # kernels that are drawn one by one
SIDE = 66  # pixels that a kernel is drawn in, about
MOST_ROWS, MOST_COLUMNS = 24, 24  # kernels of a grid of outputs × inputs
MARGIN, HEAD, GAP = 24, 78, 4
BETWEEN = (128, 132, 140)  # behind a grid: no colour that a weight may have


def kernels(network: nn.Module, layer: str) -> Numbers:
    """The weights of a convolution: [out channels, in channels a group, height, width].

    Raises TrainError for another kind of module.
    """
    module = network.get_submodule(layer)
    if not isinstance(module, nn.Conv2d):
        kind = type(module).__name__
        raise TrainError(f"{layer} is a {kind}: kernels are what convolutions have", exit_code=2)
    weights: Numbers = module.weight.detach().float().cpu().numpy()
    return weights


def draw_filters(weights: Numbers, title: str) -> PillowImage.Image:
    """Kernels of three channels in colour, of one in red and blue, others as a grid out × in."""
    if weights.shape[1] == 3:
        told = "each kernel in colour: grey is 0, the farthest from it black or white"
        tiles = [_as_colour(kernel) for kernel in weights[:MOST]]
        return _draw_tiles(tiles, len(weights), title, told)
    told = "red is below 0, white 0, blue above"
    if weights.shape[1] == 1:
        tiles = [coloured(signed(kernel[0]), RED_BLUE) for kernel in weights[:MOST]]
        return _draw_tiles(tiles, len(weights), title, f"{told}; each by its own largest")
    return _draw_grid(weights, title, told)


def _as_colour(kernel: Numbers) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """A kernel [3, H, W] as a picture [H, W, 3], 0 in the middle of the range."""
    picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    picture = (signed(kernel) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return picture


def _draw_tiles(
    tiles: "list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]",
    number: int,
    title: str,
    told: str,
) -> PillowImage.Image:
    height, width = tiles[0].shape[:2]
    scale = max(1, SIDE // max(height, width))
    columns = min(COLUMNS, len(tiles))
    step = (width * scale + GAP, height * scale + GAP)
    rows = ceil(len(tiles) / columns)
    shape = f"{number} kernels of {height} x {width}"
    shape = shape if number == len(tiles) else f"the first {len(tiles)} of {shape}"
    wide = max(columns * step[0], text_width(told, 13), text_width(title, 18))
    pen = Pen(2 * MARGIN + wide, HEAD + 20 + rows * step[1] + MARGIN)
    _write_head(pen, title, [shape, told], wide)
    for i, tile in enumerate(tiles):
        x, y = MARGIN + i % columns * step[0], HEAD + 20 + i // columns * step[1]
        pen.picture((x, y, x + width * scale, y + height * scale), tile)
    return pen.finished()


def _write_head(pen: Pen, title: str, lines: list[str], width: float) -> None:
    pen.text((MARGIN, 16), fitted(title, 18, width), 18)
    for place, line in enumerate(lines):
        pen.text((MARGIN, 44 + 19 * place), fitted(line, 13, width), 13, FAINT)


def _draw_grid(weights: Numbers, title: str, told: str) -> PillowImage.Image:
    """A row an output channel, by its own largest; a column an input channel."""
    outputs, inputs, height, width = weights.shape
    single = height == width == 1
    rows, columns = (
        min(outputs, 2 * MOST_ROWS if single else MOST_ROWS),
        min(inputs, 2 * MOST_COLUMNS if single else MOST_COLUMNS),
    )
    scale = 12 if single else max(3, 30 // max(height, width))
    gap = 1 if single else 4
    step = (width * scale + gap, height * scale + gap)
    lines = [
        f"{outputs} x {inputs} kernels of {height} x {width}: a row an output, a column an input",
        f"{told}; each row by its own largest",
    ]
    if (rows, columns) != (outputs, inputs):
        lines[0] += f"; the first {rows} x {columns}"
    wide = max(columns * step[0] + 30, *(text_width(line, 13) for line in lines))
    pen = Pen(2 * MARGIN + wide, HEAD + 34 + rows * step[1] + MARGIN)
    _write_head(pen, title, lines, wide)
    left, top = MARGIN + 30, HEAD + 34
    for column in range(0, columns, 8):
        pen.text((left + column * step[0], top - 4), str(column), 10, FAINT, "ls")
    pen.fill((left, top, left + columns * step[0] - gap, top + rows * step[1] - gap), BETWEEN)
    for row in range(rows):
        colours = coloured(signed(weights[row]), RED_BLUE)
        y = top + row * step[1]
        if row % 4 == 0:
            pen.text((left - 6, y), str(row), 10, FAINT, "ra")
        for column in range(columns):
            x = left + column * step[0]
            pen.picture((x, y, x + width * scale, y + height * scale), colours[column])
    return pen.finished()
