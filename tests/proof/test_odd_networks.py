"""Networks that are right are proven right, however odd they are."""

from pathlib import Path

import pytest

from archspec.proof import prove

ODD = {
    "a padding by a word that an expression chose": (
        "constants",
        "proven",
        "[1, 5, 5]",
        """
  - {op: conv2d, out_channels: 2, kernel_size: 3, padding: "valid if i == 0 else same", each: [{}]}
""",
    ),
    "gradients that norms of equal numbers enlarge beyond all": (
        "training_step",
        "proven",
        "[1, 1, 1]",
        """
  - {op: upsample, size: 5}
  - {op: conv2d, out_channels: 1, kernel_size: 5}
  - {op: depthwise_conv2d, kernel_size: 3, padding: 1, norm: {op: layer_norm, normalized_shape: 1}}
  - {op: batch_norm, repeat: 4}
  - {op: permute, dims: [0, 2, 3, 1]}
  - {op: permute, dims: [0, 3, 1, 2]}
  - {op: batch_norm, repeat: 2}
""",
    ),
    "parameters that lead nowhere": (
        "gradients",
        "not applicable",
        "[4, 5, 5]",
        """
  - {name: kept, op: relu}
  - {name: conv, op: conv2d, out_channels: 2, kernel_size: 3}
outputs: {out: kept}
""",
    ),
    "a step without gradients": (
        "training_step",
        "proven",
        "[4, 5, 5]",
        """
  - {name: kept, op: relu}
  - {name: conv, op: conv2d, out_channels: 2, kernel_size: 3}
outputs: {out: kept}
""",
    ),
    "a norm that one picture is too few for": (
        "macs",
        "proven",
        "[6]",
        """
  - {name: fc, op: linear, out_features: 5}
  - {name: norm, op: batch_norm, track_running_stats: false}
""",
    ),
    "a gradient of a column that was turned round, which PyTorch gets wrong": (
        "training_step",
        "proven or not applicable",
        "[2, 6, 5]",
        """
  - {name: conv, op: depthwise_conv2d, kernel_size: 3, padding: 2, dilation: 4}
  - {name: norm, op: batch_norm}
  - {op: permute, dims: [0, 2, 3, 1]}
  - {name: act, op: tanh}
""",
    ),
    "a part that other pictures would not have": (
        "receptive_field",
        "not applicable",
        "[1, 1, 2]",
        """
  - {op: mean, dim: [1, 2]}
  - {op: chunk, chunks: 2, index: 1}
""",
    ),
    "norms that divide by nothing of a picture of one colour": (
        "receptive_field",
        "proven",
        "[2, 1, 1]",
        """
  - {op: layer_norm2d, eps: 0.5}
  - {op: layer_norm2d, eps: 0}
  - {op: relu}
""",
    ),
    "rows of which every other one sees nothing": (
        "receptive_field",
        "proven",
        "[4, 9, 9]",
        """
  - {op: identity}
  - {op: max_pool, kernel_size: 5, stride: 3, dilation: [1, 2]}
  - {op: conv_transpose2d, out_channels: 1, kernel_size: 1, stride: [2, 1], padding: {height: 1}}
""",
    ),
    "a norm that counts batches": (
        "gradients",
        "proven",
        "[3, 6, 6]",
        """
  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 3}
  - {name: norm, op: batch_norm, momentum: ~}
""",
    ),
    "a norm that counts batches before a head": (
        "shapes",
        "proven",
        "[3, 6, 6]",
        """
  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 3}
  - {name: norm, op: batch_norm, momentum: ~}
  - {name: head, op: conv2d, out_channels: 2, kernel_size: 1}
outputs: {out: norm, aux: {from: head, training_only: true}}
""",
    ),
    "dimensions in another order": (
        "constants",
        "proven",
        "[3, 6, 6]",
        """
  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 3}
  - {name: pool, op: mean, dim: [-1, 2]}
  - {name: fc, op: linear, out_features: 4}
""",
    ),
    "norms of single numbers": (
        "training_step",
        "proven",
        "[4]",
        """
  - {name: fc, op: linear, out_features: 5}
  - {name: one, op: group_norm, num_groups: 5}
  - {name: two, op: layer_norm, normalized_shape: 5}
  - {name: three, op: batch_norm, momentum: 1, eps: 1e-7}
""",
    ),
    "columns of units that see padding alone": (
        "receptive_field",
        "proven",
        "[3, 9, 9]",
        """
  - {name: a, op: conv2d, out_channels: 3, kernel_size: 1, stride: [1, 2], padding: {width: 1}}
  - {name: b, op: depthwise_conv2d, kernel_size: 2, padding: 2, dilation: 4}
  - {name: c, op: depthwise_conv2d, kernel_size: [3, 2], stride: 2, padding: {width: [2, 0]}}
""",
    ),
    "units that all see padding alone": (
        "receptive_field",
        "proven",
        "[1, 2, 2]",
        """
  - {name: a, op: avg_pool, kernel_size: 2}
  - {name: b, op: conv2d, out_channels: 1, kernel_size: 1, stride: 2, padding: {width: 1}}
  - {name: c, op: conv2d, out_channels: 1, kernel_size: 1}
""",
    ),
}
"""The claim, its verdict, and the network's input and rows."""


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_right_is_proven(odd: tuple[str, str, str, str], tmp_path: Path) -> None:
    claim, verdict, shape, layers = odd
    file = tmp_path / "odd.yaml"
    file.write_text(f"archspec: 1\nname: Odd\ninput: {shape}\nlayers:{layers}", encoding="utf-8")
    proof = prove(file, only=[claim]).proof(claim)
    assert proof.verdict in verdict.split(" or ")
    assert proof.differences == ()
    if claim == "receptive_field" and proof.verdict == "proven":
        assert "of 3 nodes with a finite field see exactly the pixels computed" in proof.text


def test_a_norm_of_single_numbers_that_is_another_is_found(tmp_path: Path) -> None:
    """Rounding excuses what it reaches, tensor by tensor, and no more."""
    _, _, shape, layers = ODD["norms of single numbers"]
    file = tmp_path / "odd.yaml"
    file.write_text(f"archspec: 1\nname: Odd\ninput: {shape}\nlayers:{layers}", encoding="utf-8")
    source = """
from torch import nn

__all__ = ["Odd"]


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 5)
        self.one = nn.GroupNorm(5, 5)
        self.two = nn.LayerNorm(5)
        self.three = nn.BatchNorm1d(5, momentum=0.5, eps=1e-7)

    def forward(self, x):
        return self.three(self.two(self.one(self.fc(x))))
"""
    proof = prove(file, only=["training_step"], source=source).proof("training_step")
    assert proof.verdict == "failed"
    assert {d.where for d in proof.differences} <= {"three.running_mean", "three.running_var"}
