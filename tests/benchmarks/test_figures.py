"""What the benchmarks of the trainer compute and compare with."""

import ast
from pathlib import Path

import pytest

from benchmarks.utilisation import mfu, peak

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA H100 PCIe", 756.5e12),
        ("NVIDIA H200", 989.4e12),
        ("NVIDIA H200 NVL", 835.5e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40", None),
        ("NVIDIA GH200 480GB", None),
        ("cpu", None),
    ],
)
def test_only_known_devices_have_a_peak(name: str, expected: float | None) -> None:
    assert peak(name) == expected


def test_utilisation() -> None:
    # ResNet-50 has 4.09 G multiply-accumulates: 24.5 G operations a picture of training.
    assert mfu(4_089_184_256, 2500, 312e12) == pytest.approx(0.19659, abs=1e-4)
    assert mfu(4_089_184_256, 2500, None) is None


def test_the_tutorial_stands_for_itself() -> None:
    tree = ast.parse((BENCHMARKS / "tutorial.py").read_text())
    imported = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    imported += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    roots = {name.partition(".")[0] for name in imported}
    assert roots == {"argparse", "json", "pathlib", "time", "torch", "torchvision"}


def test_the_tutorial_has_the_network_that_it_is_compared_with() -> None:
    pytest.importorskip("torchvision")
    from archspec import build
    from benchmarks.tutorial import AlexNet

    theirs = {name: tensor.shape for name, tensor in AlexNet(5).state_dict().items()}
    ours = build("alexnet_half", num_classes=5).state_dict()
    assert list(theirs.values()) == [tensor.shape for tensor in ours.values()]
