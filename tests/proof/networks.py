"""A small spec, the same network written by hand, and how to put one on trial for the other."""

from collections.abc import Collection
from pathlib import Path

from archspec.proof import Certificate, prove

TINY = """
archspec: 1
name: Tiny
source: "a test"
input: [3, 48, 40]
layers:
  - {name: conv1, op: conv2d, out_channels: 8, kernel_size: 5, stride: 2, padding: 2}
  - {name: conv1_norm, op: batch_norm}
  - {name: act1, op: relu}
  - {name: pool1, op: max_pool, kernel_size: 3, stride: 2, padding: 1}
  - {name: conv2, op: conv2d, out_channels: 8, kernel_size: 3, dilation: 2, padding: 2}
  - {name: pool2, op: adaptive_avg_pool, output_size: 1}
  - {name: flatten, op: flatten}
  - {name: fc, op: linear, out_features: 5}
expect: {params: 1253, source: "counted by hand"}
"""

TINY_MODULE = """
import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["Tiny"]


class Tiny(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=5, stride=2, padding=2)
        self.conv1_norm = nn.BatchNorm2d(8)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 8, kernel_size=3, padding=2, dilation=2)
        self.pool2 = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.conv1(x)
        x = F.relu(self.conv1_norm(x))
        x = self.pool1(x)
        x = self.conv2(x)
        x = self.pool2(x)
        x = torch.flatten(x, 1)
        x = self.fc(x)
        return x
"""

RESIDUAL = """
archspec: 1
name: Residual
input: [4, 40, 40]
layers:
  - {name: stem, op: conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - {name: wide, op: conv2d, out_channels: 8, kernel_size: 5, padding: 2}
  - {name: sum, op: add, from: [wide, stem]}
  - {name: tall, op: conv2d, out_channels: 4, kernel_size: [3, 1], padding: {height: 1}, from: sum}
  - {name: flat, op: conv2d, out_channels: 4, kernel_size: [1, 7], padding: {width: 3}, from: sum}
  - {name: both, op: concat, from: [tall, flat]}
  - {name: last, op: conv2d, out_channels: 2, kernel_size: 1}
"""

RESIDUAL_MODULE = """
import torch
from torch import nn

__all__ = ["Residual"]


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(8, 8, 5, padding=2)
        self.tall = nn.Conv2d(8, 4, (3, 1), padding=(1, 0))
        self.flat = nn.Conv2d(8, 4, (1, 7), padding=(0, 3))
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        x = self.stem(x)
        x = self.wide(x) + x
        return self.last(torch.cat([self.tall(x), self.flat(x)], 1))
"""


def certify(
    folder: Path,
    spec: str,
    module: str,
    *changes: tuple[str, str],
    only: Collection[str] | None = None,
) -> Certificate:
    """The certificate of a module for a spec, after changes to the module's text."""
    for old, new in changes:
        assert old in module
        module = module.replace(old, new)
    file = folder / "network.yaml"
    file.write_text(spec, encoding="utf-8")
    return prove(file, source=module, only=only)


def failed(certificate: Certificate) -> set[str]:
    """The claims that failed."""
    return {proof.claim for proof in certificate.proofs if proof.verdict == "failed"}
