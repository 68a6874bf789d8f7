"""How a constructor begins its tensors is compared, however it is written."""

from pathlib import Path

import pytest

from archspec.api import check, write
from archspec.proof import prove
from tests.proof.networks import certify

SPEC = """
archspec: 1
name: Begun
input: [3, 8, 8]
init:
  conv2d: {weight: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, bias: zeros}
  linear: {weight: {trunc_normal: {std: 0.02}}, bias: {uniform: {a: -0.1, b: 0.1}}}
layers:
  - {name: conv1, op: conv2d, out_channels: 8, kernel_size: 3}
  - {name: norm1, op: batch_norm, init: {weight: zeros}}
  - {name: act1, op: prelu}
  - {name: conv2, op: depthwise_conv2d, kernel_size: 3}
  - {name: act2, op: prelu, init: {weight: {constant: {value: 0.1}}}}
  - {name: scale, op: layer_scale, init_value: 0.5}
  - {name: pool, op: adaptive_avg_pool, output_size: 1}
  - {name: flatten, op: flatten}
  - {name: fc, op: linear, out_features: 5}
"""

MODULE = """
import torch
from torch import nn

__all__ = ["Begun"]


class Begun(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.norm1 = nn.BatchNorm2d(8)
        self.act1 = nn.PReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, groups=8)
        self.act2 = nn.PReLU(init=0.1)
        self.scale = nn.Parameter(torch.full((8, 1, 1), 0.5))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.conv1.bias)
        nn.init.zeros_(self.norm1.weight)
        nn.init.trunc_normal_(self.fc.weight, std=0.02)
        nn.init.uniform_(self.fc.bias, -0.1, 0.1)

    def forward(self, x):
        x = self.act1(self.norm1(self.conv1(x)))
        x = self.scale * self.act2(self.conv2(x))
        return self.fc(self.pool(x).flatten(1))
"""
END = "\n\n    def forward"
KAIMING = 'nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")'
IN_W = KAIMING.replace("self.conv1.weight", "w")

WRONG = {
    "another number": ("1), 0.5)", "1), 0.75)", "scale", "0.5", "0.75"),
    "numbers that differ": (
        "torch.full((8, 1, 1), 0.5)",
        "torch.linspace(0, 1, 8).view(8, 1, 1)",
        "scale",
        "0.5",
        "numbers that differ",
    ),
    "none": ("torch.full((8, 1, 1), 0.5)", "torch.empty(8, 1, 1)", "scale", "0.5", "no numbers"),
    "another slope": ("init=0.1", "init=0.2", "act2.weight", "0.1", "0.2"),
    "a slope that nothing is said of": ("PReLU()", "PReLU(init=0)", "act1.weight", "0.25", "0"),
    "another spread": (
        "std=0.02",
        "std=0.03",
        "fc.weight",
        "trunc_normal(mean=0, std=0.02, a=-2, b=2)",
        "trunc_normal(mean=0, std=0.03, a=-2, b=2)",
    ),
    "another distribution": (
        "trunc_normal_(self.fc.weight",
        "normal_(self.fc.weight",
        "fc.weight",
        "trunc_normal(mean=0, std=0.02, a=-2, b=2)",
        "normal(mean=0, std=0.02)",
    ),
    "other fans": (
        'mode="fan_out", ',
        "",
        "conv1.weight",
        "normal(mean=0, std=0.166667)",
        "normal(mean=0, std=0.272166)",
    ),
    "a scheme left out": (
        KAIMING,
        "pass",
        "conv1.weight",
        "normal(mean=0, std=0.166667)",
        "uniform(from=-0.19245, to=0.19245)",
    ),
    "a constant left out": ("nn.init.zeros_(self.norm1.weight)", "pass", "norm1.weight", "0", "1"),
    "a scheme too many": (
        END,
        f"\n        nn.init.normal_(self.conv2.weight, std=0.5){END}",
        "conv2.weight",
        "uniform(from=-0.333333, to=0.333333)",
        "normal(mean=0, std=0.5)",
    ),
    "a part that is set": (
        END,
        f"\n        self.fc.weight.data[0].zero_(){END}",
        "fc.weight",
        "trunc_normal(mean=0, std=0.02, a=-2, b=2)",
        "trunc_normal(mean=0, std=0.02, a=-2, b=2) of a part, and so on",
    ),
    "what is drawn, made larger": (
        END,
        f"\n        self.fc.bias.data.mul_(2){END}",
        "fc.bias",
        "uniform(from=-0.1, to=0.1)",
        "uniform(from=-0.1, to=0.1), then mul(other=2)",
    ),
    "statistics": (
        END,
        f"\n        self.norm1.running_mean += 1{END}",
        "norm1.running_mean",
        "0",
        "1",
    ),
}
"""What is changed into what; the tensor, how it should begin, and how it does."""


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_another_beginning_is_found(wrong: tuple[str, str, str, str, str], tmp_path: Path) -> None:
    right, changed, *told = wrong
    proof = certify(tmp_path, SPEC, MODULE, (right, changed), only=["beginnings"]).proofs[0]
    assert proof.verdict == "failed"
    assert [[*difference] for difference in proof.differences] == [told]
    assert proof.text == "1 of 14 tensors begins in another way"


SAME = {
    "as it is": ("", ""),
    "by the method": (
        "nn.init.uniform_(self.fc.bias, -0.1, 0.1)",
        "self.fc.bias.data.uniform_(-0.1, 0.1)",
    ),
    "by its name alone": (
        "        nn.init.trunc_normal_",
        "        from torch.nn.init import trunc_normal_\n        trunc_normal_",
    ),
    "by the numbers": (KAIMING, "nn.init.normal_(self.conv1.weight, 0, (2 / 72) ** 0.5)"),
    "as a product": ("torch.full((8, 1, 1), 0.5)", "0.5 * torch.ones(8, 1, 1)"),
    "drawn twice": (END, f"\n        nn.init.trunc_normal_(self.fc.weight, std=0.02){END}"),
    "drawn elsewhere": (
        KAIMING,
        f"w = torch.empty(8, 3, 3, 3); {IN_W}; self.conv1.weight.data.copy_(w)",
    ),
    "a copy": (
        "        nn.init.zeros_",
        "        self.conv1 = deepcopy(self.conv1)\n        nn.init.zeros_",
    ),
}


@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
def test_the_same_beginning_is_proven_however_it_is_written(
    same: tuple[str, str], tmp_path: Path
) -> None:
    module = f"from copy import deepcopy\n{MODULE}".replace(*same, 1)
    proof = certify(tmp_path, SPEC, module, only=["beginnings"]).proofs[0]
    assert (proof.verdict, proof.differences) == ("proven", ())
    assert proof.text == "14 tensors, 6 as `init` says, the others as their ops do"


def test_prototypes_begin_as_signs_and_parts_by_what_they_read() -> None:
    source = write(check("lenet5_1998"))
    for right, wrong, where in (
        ("torch.randint(2,", "torch.randint(1,", "output.weight"),
        ("* 2.0 - 1", "* 2.0 - 2", "output.weight"),
        (
            "nn.init.uniform_(weight, -bound, bound)",
            "nn.init.uniform_(weight, 0, bound)",
            "c3.weight",
        ),
        ("1 / (pair[0] * pair[1])", "1.0", "s2.weight"),
    ):
        assert right in source
        changed = source.replace(right, wrong)
        proof = prove("lenet5_1998", source=changed, only=["beginnings"]).proofs[0]
        assert proof.verdict == "failed"
        assert proof.differences[0].where == where
    assert prove("lenet5_1998", source=source, only=["beginnings"]).ok


def test_a_constructor_that_seeds_chance_is_found() -> None:
    """Every network would be made with the same numbers, and others draw the same as well."""
    begin = "        super().__init__()\n        self.c1"
    source = write(check("lenet5"))
    assert begin in source
    seeded = source.replace(begin, begin.replace("()\n", "()\n        torch.manual_seed(0)\n"), 1)
    claims = ["shapes", "beginnings"]
    assert not any(p.differences for p in prove("lenet5", source=source, only=claims).proofs)
    (found,) = prove("lenet5", source=seeded, only=claims).proof("beginnings").differences
    assert found.got == "a seed of its own"
