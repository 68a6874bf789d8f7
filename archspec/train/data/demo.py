"""Flowers drawn by the program: five classes to train on without a download."""

import math
import random
from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter

from archspec.train.data.pictures import Image

SEED = 2012
NUM_PER_CLASS = 240
SUPERSAMPLING = 2
MAX_SHORT_SIDE = 128  # larger networks see these enlarged: a drawing gains nothing from more

Point = tuple[float, float]
Colour = tuple[int, int, int]


def draw_flower(name: str, number: int, short_side: int, seed: int = SEED) -> Image:
    """Picture `number` of the class `name`: height × width × 3, its short side `short_side`.

    The same arguments give the same picture.
    """
    digest = sha256(f"{seed}/{name}/{number}".encode()).digest()
    rng = random.Random(digest)  # noqa: S311 - pictures, not secrets
    aspect = rng.choice([1.0, 4 / 3, 3 / 2, 3 / 4])
    height = round(short_side * max(1, 1 / aspect)) * SUPERSAMPLING
    width = round(short_side * max(1, aspect)) * SUPERSAMPLING
    canvas = _background(rng, np.random.default_rng(list(digest)), width, height)
    _grass(rng, canvas)
    for centre, radius in _arrangement(rng, width, height):
        FLOWERS[name](_Brush(rng, ImageDraw.Draw(canvas)), centre, radius)
    if rng.random() < 0.3:  # a camera does not always focus
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5) * SUPERSAMPLING))
    picture = np.asarray(canvas.reduce(SUPERSAMPLING)).astype(np.float32)
    light = rng.uniform(0.7, 1.15) * np.array([rng.uniform(0.92, 1.08) for _ in range(3)])
    return np.clip(picture * light.astype(np.float32), 0, 255).astype(np.uint8)


def _arrangement(rng: random.Random, width: int, height: int) -> list[tuple[Point, float]]:
    """One to three flowers, far ones first: centres and radii."""
    short = min(width, height)
    number = rng.choice([1, 1, 1, 2, 3])
    radii = sorted(short * rng.uniform(0.26, 0.48) / number**0.35 for _ in range(number))
    return [
        ((width * rng.uniform(0.28, 0.72), height * rng.uniform(0.28, 0.64)), radius)
        for radius in radii
    ]


def _background(
    rng: random.Random, noise: np.random.Generator, width: int, height: int
) -> PillowImage.Image:
    """A blurred place out of doors: a few coarse patches of two related colours."""
    first, second = rng.choice(
        [
            ((38, 84, 30), (96, 140, 62)),  # meadow
            ((24, 52, 28), (58, 82, 48)),  # shade
            ((92, 150, 208), (196, 214, 232)),  # sky
            ((92, 70, 46), (140, 118, 86)),  # earth
            ((150, 154, 150), (212, 208, 200)),  # wall
            ((70, 110, 50), (170, 190, 150)),  # haze
        ]
    )
    mix = noise.random((rng.randint(2, 7), rng.randint(2, 7), 1))
    patches = np.array(first) * (1 - mix) + np.array(second) * mix + noise.normal(0, 8, mix.shape)
    small = PillowImage.fromarray(np.clip(patches, 0, 255).astype(np.uint8))
    return small.resize((width, height), PillowImage.Resampling.BICUBIC)


def _grass(rng: random.Random, canvas: PillowImage.Image) -> None:
    draw = ImageDraw.Draw(canvas)
    width, height = canvas.size
    for _ in range(rng.choice([0, 8, 20, 30])):
        x, length = rng.uniform(0, width), height * rng.uniform(0.1, 0.5)
        tip = (x + rng.uniform(-0.1, 0.1) * width, height - length)
        colour = (rng.randint(40, 120), rng.randint(90, 160), rng.randint(30, 70))
        draw.line([(x, height), tip], fill=colour, width=max(1, height // 90))


class _Brush:
    """The strokes that flowers are made of."""

    def __init__(self, rng: random.Random, draw: ImageDraw.ImageDraw) -> None:
        self.rng = rng
        self.draw = draw

    def shade(self, colour: Colour, spread: float = 0.08) -> Colour:
        """`colour`, a little lighter or darker."""
        factor = self.rng.uniform(1 - spread, 1 + spread)
        red, green, blue = (min(255, round(channel * factor)) for channel in colour)
        return red, green, blue

    def petal(
        self, base: Point, angle: float, length: float, width: float, colour: Colour, tip: float
    ) -> None:
        """A leaf shape from `base` along `angle`; `tip` from 0.5 (round) to 2 (pointed)."""
        along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        steps = [step / 8 for step in range(9)]
        half = [width / 2 * math.sin(math.pi * t**0.8) ** tip for t in steps]
        edge = [(t * length, h) for t, h in zip(steps, half, strict=True)]
        outline = edge + [(x, -h) for x, h in reversed(edge)]
        points = [
            (base[0] + x * along[0] + y * across[0], base[1] + x * along[1] + y * across[1])
            for x, y in outline
        ]
        dark = (colour[0] * 3 // 4, colour[1] * 3 // 4, colour[2] * 3 // 4)
        self.draw.polygon(points, fill=colour, outline=dark)

    def ring(
        self, centre: Point, number: int, length: float, width: float, colour: Colour, tip: float
    ) -> None:
        """`number` petals around `centre`, none quite like the next."""
        turn = self.rng.uniform(0, math.tau)
        for place in range(number):
            angle = turn + math.tau * (place + self.rng.uniform(-0.2, 0.2)) / number
            reach = length * self.rng.uniform(0.88, 1.06)
            self.petal(centre, angle, reach, width, self.shade(colour), tip)

    def disc(self, centre: Point, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """A filled ellipse, `squash` times as high as wide."""
        x, y = centre
        rise = radius * squash
        self.draw.ellipse([x - radius, y - rise, x + radius, y + rise], fill=colour)

    def dots(self, centre: Point, radius: float, number: int, size: float, colour: Colour) -> None:
        """Dots in the spiral of a seed head."""
        for place in range(number):
            reach = radius * math.sqrt((place + 0.5) / number)
            angle = place * 2.39996  # the golden angle
            spot = (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
            self.disc(spot, size, self.shade(colour, 0.2))

    def stem(self, centre: Point, radius: float, leaves: Sequence[float]) -> None:
        """A stem down from `centre`, with a leaf at each angle of `leaves`."""
        green = (self.rng.randint(50, 100), self.rng.randint(100, 150), self.rng.randint(40, 70))
        foot = (centre[0] + self.rng.uniform(-0.4, 0.4) * radius, centre[1] + radius * 4)
        self.draw.line([centre, foot], fill=green, width=max(2, round(radius * 0.12)))
        for angle in leaves:
            base = (
                centre[0] * 0.6 + foot[0] * 0.4,
                centre[1] + radius * self.rng.uniform(1.3, 1.9),
            )
            self.petal(base, angle, radius * 1.3, radius * 0.35, self.shade(green, 0.2), 1.3)


def _daisy(brush: _Brush, centre: Point, radius: float) -> None:
    rng = brush.rng
    colour = rng.choice([(246, 246, 240), (246, 246, 240), (240, 226, 236), (250, 240, 200)])
    brush.stem(centre, radius, [])
    number = rng.randint(12, 22)
    brush.ring(centre, number, radius, radius * rng.uniform(3.2, 4.4) / number, colour, 0.6)
    brush.disc(centre, radius * rng.uniform(0.22, 0.32), (rng.randint(220, 250), 190, 40))
    brush.dots(centre, radius * 0.24, 30, radius * 0.02, (190, 130, 20))


def _dandelion(brush: _Brush, centre: Point, radius: float) -> None:
    rng = brush.rng
    brush.stem(centre, radius, [])
    if rng.random() < 0.25:  # gone to seed
        for _ in range(90):
            angle, reach = rng.uniform(0, math.tau), radius * rng.uniform(0.5, 1)
            end = (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
            brush.draw.line([centre, end], fill=brush.shade((205, 205, 205), 0.15))
            brush.disc(end, radius * 0.05, brush.shade((228, 228, 226)))
        brush.disc(centre, radius * 0.12, (120, 100, 70))
        return
    yellow = (rng.randint(235, 255), rng.randint(185, 220), rng.randint(10, 50))
    for layer, reach in enumerate([1, 0.82, 0.62, 0.4]):
        darker = (yellow[0] - 8 * layer, yellow[1] - 14 * layer, yellow[2])
        brush.ring(centre, rng.randint(26, 38), radius * reach, radius * 0.11, darker, 0.5)


def _rose(brush: _Brush, centre: Point, radius: float) -> None:
    rng = brush.rng
    colour = rng.choice(
        [(190, 20, 40), (222, 70, 110), (240, 160, 170), (240, 236, 226), (244, 200, 70)]
    )
    brush.stem(centre, radius, [rng.uniform(0.1, 0.5), math.pi - rng.uniform(0.1, 0.5)])
    turn = rng.uniform(0, math.tau)
    for layer in range(14):  # overlapping petals, turning inwards and darkening
        reach = radius * 0.55 * (1 - layer / 14)
        angle = turn + layer * 2.2
        spot = (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
        dark = 1 - 0.03 * layer
        shade = (round(colour[0] * dark), round(colour[1] * dark), round(colour[2] * dark))
        size = radius * (0.62 - 0.036 * layer)
        brush.disc(
            spot, size * 1.06, brush.shade((shade[0] * 2 // 3, shade[1] // 2, shade[2] // 2))
        )
        brush.disc(spot, size, brush.shade(shade))


def _sunflower(brush: _Brush, centre: Point, radius: float) -> None:
    rng = brush.rng
    yellow = (rng.randint(235, 255), rng.randint(160, 210), rng.randint(0, 40))
    brush.stem(centre, radius, [rng.uniform(0.2, 0.7), math.pi - rng.uniform(0.2, 0.7)])
    number = rng.randint(15, 22)
    orange = (yellow[0] - 20, yellow[1] - 35, yellow[2])
    brush.ring(centre, number, radius, radius * 0.34, orange, 1.3)
    brush.ring(centre, number, radius * 0.92, radius * 0.3, yellow, 1.3)
    brown = rng.choice([(72, 44, 22), (96, 62, 24), (110, 92, 30)])
    core = radius * rng.uniform(0.36, 0.52)
    brush.disc(centre, core, brown)
    brush.dots(centre, core, 70, radius * 0.03, (brown[0] // 2, brown[1] // 2, brown[2] // 2))


def _tulip(brush: _Brush, centre: Point, radius: float) -> None:
    rng = brush.rng
    colour = rng.choice(
        [(208, 30, 40), (236, 110, 150), (246, 200, 50), (140, 60, 150), (240, 236, 230)]
    )
    brush.stem(centre, radius, [-math.pi / 2 - rng.uniform(0.2, 0.5), rng.uniform(-1.3, -1)])
    up, lean = -math.pi / 2, rng.uniform(-0.25, 0.25)
    base = (centre[0], centre[1] + radius * 0.85)
    behind = (colour[0] * 4 // 5, colour[1] * 4 // 5, colour[2] * 4 // 5)
    for angle in (-0.3, 0.3):
        brush.petal(base, up + lean + angle, radius * 1.7, radius * 0.8, brush.shade(behind), 0.7)
    for angle in (-0.42, 0.42, 0):
        length = radius * rng.uniform(1.5, 1.75)
        brush.petal(base, up + lean + angle, length, radius * 0.85, brush.shade(colour), 0.75)


FLOWERS: dict[str, Callable[[_Brush, Point, float], None]] = {
    "daisy": _daisy,
    "dandelion": _dandelion,
    "rose": _rose,
    "sunflower": _sunflower,
    "tulip": _tulip,
}
