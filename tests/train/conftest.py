"""A tiny network as a generated module, and pictures in folders."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from PIL import Image  # noqa: E402 - after torch is known to be there

from archspec.cli import main  # noqa: E402
from archspec.train.data.demo import draw_flower  # noqa: E402
from archspec.train.data.pictures import Pictures, in_memory  # noqa: E402
from archspec.train.source import ModuleSource, read_module  # noqa: E402
from tests.train.processes import Launcher, launching  # noqa: E402

TINY = '''"""A tiny network, in the form of a generated module."""

import torch
from torch import nn

__all__ = ["Tiny"]

INPUT_SHAPE = (3, 32, 32)


class Tiny(nn.Module):
    """Two convolutions, batch norm and dropout."""

    def __init__(self, num_classes: int = 1000, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(4),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(2 * width * 16, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))
'''


@dataclass(frozen=True)
class Done:
    """What a run of the program left on its streams."""

    stdout: str
    stderr: str


Program = Callable[..., Done]
Collection = Callable[..., Pictures]
SIZES = ((36, 50), (40, 36), (36, 36), (20, 31), (90, 37))


@pytest.fixture(scope="session")
def launch() -> Iterator[Launcher]:
    with launching() as launcher:
        yield launcher


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, and, after what has trained, numbers as Python has them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ARCHSPEC_CACHE", str(folder))
    return folder


@pytest.fixture
def tiny() -> ModuleSource:
    return read_module("tiny", TINY)


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(TINY)
    return path


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Two classes of 20 drawn flowers each, as PNG files."""
    root = tmp_path / "flowers"
    for name in ("sunflower", "tulip"):
        (root / name).mkdir(parents=True)
        for number in range(20):
            picture = Image.fromarray(draw_flower(name, number, 40))
            picture.save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture
def collection() -> Collection:
    """Makes pictures without edges, where neighbouring pixels are alike."""

    def make(channels: int = 3, sizes: Sequence[tuple[int, int]] = SIZES) -> Pictures:
        generator = torch.Generator().manual_seed(channels)
        coarse = [torch.rand(1, channels, 5, 6, generator=generator) for _ in sizes]
        enlarged = [
            torch.nn.functional.interpolate(picture, size, mode="bicubic")
            for picture, size in zip(coarse, sizes, strict=True)
        ]
        bytes_ = [(picture[0].permute(1, 2, 0) * 255).clamp(0, 255).byte() for picture in enlarged]
        return in_memory((picture.numpy() for picture in bytes_), channels)

    return make


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """Runs the command line in an empty folder, within this process: torch is loaded already."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, expect: int = 0) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        done = Done(*capsys.readouterr())
        assert ended.value.code == expect, done.stderr
        return done

    return run
