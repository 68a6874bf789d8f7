"""The pen that all pictures are drawn with: text, lines, boxes, and small pictures in grids."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from archspec.train.data.pictures import Image
from archspec.train.files import told_if_unwritable, written_whole

SCALE = 2  # drawn larger and reduced: smooth lines and letters
INK, FAINT, GRID = (40, 44, 52), (110, 116, 126), (228, 231, 235)
WHITE, RIGHT, WRONG = (255, 255, 255), (31, 119, 180), (200, 60, 20)
WHOLE_FROM = 3  # times that a picture is enlarged: from here on its pixels show as squares

# Pillow's own font knows ASCII. Names of classes may be in any language: these, where installed.
FONTS = (
    "DejaVuSans.ttf", "arial.ttf", "Arial.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc",
    "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "PingFang.ttc", "Arial Unicode.ttf",
)  # fmt: skip
NO_CHARACTER = "\uffff"

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Pen:
    """Draws a picture of `width` × `height` pixels, in whose coordinates everything is given."""

    def __init__(self, width: float, height: float) -> None:
        size = (round(width) * SCALE, round(height) * SCALE)
        self.canvas = PillowImage.new("RGB", size, WHITE)
        self.draw = ImageDraw.Draw(self.canvas)

    def finished(self) -> PillowImage.Image:
        """The picture at its own size."""
        return self.canvas.reduce(SCALE)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 1) -> None:
        """A line along the points."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")

    def dashes(self, begin: Point, end: Point, colour: Colour, length: float = 5) -> None:
        """A dashed straight line."""
        (x, y), (dx, dy) = begin, (end[0] - begin[0], end[1] - begin[1])
        number = max(1, round((dx**2 + dy**2) ** 0.5 / (2 * length)))
        for i in range(number):
            a, b = i / number, (i + 0.5) / number
            self.line([(x + a * dx, y + a * dy), (x + b * dx, y + b * dy)], colour)

    def dot(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        x, y, r = centre[0] * SCALE, centre[1] * SCALE, radius * SCALE
        self.draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)

    def ring(self, centre: Point, radius: float, colour: Colour, width: float = 1.5) -> None:
        """A circle."""
        x, y, r = centre[0] * SCALE, centre[1] * SCALE, radius * SCALE
        self.draw.ellipse([x - r, y - r, x + r, y + r], outline=colour, width=round(width * SCALE))

    def fill(self, box: Box, colour: Colour) -> None:
        """A filled rectangle (left, top, right, bottom); right and bottom lie outside of it."""
        left, top, right, bottom = (round(edge * SCALE) for edge in box)
        if right > left and bottom > top:
            self.draw.rectangle([left, top, right - 1, bottom - 1], fill=colour)

    def frame(self, box: Box, colour: Colour, width: float = 1) -> None:
        """A frame around the rectangle (left, top, right, bottom), outside of it."""
        w = round(width * SCALE)
        left, top, right, bottom = (round(edge * SCALE) for edge in box)
        edges = [left - w, top - w, right + w - 1, bottom + w - 1]
        self.draw.rectangle(edges, outline=colour, width=w)

    def text(
        self, at: Point, text: str, size: float, colour: Colour = INK, anchor: str = "la"
    ) -> None:
        """A line of text; `anchor` as Pillow's: `la` its left top, `mm` its middle, `rs` …."""
        where = (at[0] * SCALE, at[1] * SCALE)
        self.draw.text(where, text, colour, font_for(text, round(size * SCALE)), anchor)

    def upwards(self, at: Point, text: str, size: float, colour: Colour = INK) -> None:
        """A line of text that runs upwards from `at`, the middle of its beginning."""
        font = font_for(text, round(size * SCALE))
        room = (round(font.getlength(text)) + 2, round(size * SCALE * 1.6))
        strip = PillowImage.new("L", room, 0)
        ImageDraw.Draw(strip).text((0, room[1] / 2), text, 255, font, "lm")
        turned = strip.transpose(PillowImage.Transpose.ROTATE_90)
        corner = (round(at[0] * SCALE - turned.width / 2), round(at[1] * SCALE) - turned.height)
        self.canvas.paste(colour, corner, turned)

    def picture(self, box: Box, pixels: Image) -> None:
        """A picture [H, W, 3] in the rectangle: pixels as squares where a whole number fits."""
        left, top, right, bottom = (round(edge * SCALE) for edge in box)
        size = (max(1, right - left), max(1, bottom - top))
        shown = PillowImage.fromarray(np.ascontiguousarray(pixels))
        way = PillowImage.Resampling.BICUBIC
        if size[0] % shown.width == size[1] % shown.height == 0:
            way = PillowImage.Resampling.NEAREST
        elif size[0] < shown.width or size[1] < shown.height:
            way = PillowImage.Resampling.BOX
        self.canvas.paste(shown.resize(size, way), (left, top))


@lru_cache(maxsize=256)
def _named_font(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has_glyph(name: str, character: str) -> bool:
    font = _named_font(name, 20)
    if not isinstance(font, ImageFont.FreeTypeFont):
        return False
    glyph, none = font.getmask(character), font.getmask(NO_CHARACTER)
    return (glyph.size, bytes(glyph)) != (none.size, bytes(none))


def font_for(text: str, size: int) -> Font:
    """Pillow's own font, or the first installed one that has what is not ASCII in the text."""
    beyond = {character for character in text if not character.isascii()}
    for name in ("", *(FONTS if beyond else ())):
        font = _named_font(name, size)
        if font is not None and all(_has_glyph(name, character) for character in beyond):
            return font
    return _named_font("", size) or ImageFont.load_default(size)


def text_width(text: str, size: float) -> float:
    """How many pixels wide a line of text is."""
    return font_for(text, round(size * SCALE)).getlength(text) / SCALE


def fitted(text: str, size: float, width: float) -> str:
    """The text, its end left out where it is wider than `width` pixels; of control, nothing."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if text_width(text, size) <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        if text_width(text[:end] + "...", size) <= width:
            return text[:end].rstrip() + "..."
    return ""


def write_picture(path: Path, picture: PillowImage.Image) -> None:
    """Write a PNG whole, its folder too; raises TrainError when the disk refuses."""
    with told_if_unwritable(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            picture.save(file, format="PNG")


def magnified(height: int, width: int, wanted: float, whole_from: float = 1) -> float:
    """What to draw a picture larger by, so that its longer side is about `wanted` pixels.

    From `whole_from` on it is a whole number, and every pixel a square.
    """
    ratio = wanted / max(height, width)
    return float(int(ratio)) if ratio >= whole_from else ratio
