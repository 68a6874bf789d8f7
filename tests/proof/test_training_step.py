"""A step of training and the constants, proven; each fault of its kind is found by its claim."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import nn

from archspec.api import check_text, write
from archspec.proof import Certificate, prove, training_step
from archspec.proof.subject import Subject
from tests.proof import hrnet
from tests.proof.by_hand import CASES, Made, Row
from tests.proof.networks import certify, failed

TRAINED = """
archspec: 1
name: Trained
input: [3, 12, 12]
outputs: {out: fc, aux: {from: side, training_only: true}}
layers:
  - {name: conv, op: conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  - {name: bn, op: batch_norm, eps: 0.001, momentum: 0.2}
  - {name: act, op: leaky_relu, negative_slope: 0.2}
  - {name: pool, op: avg_pool, kernel_size: 3, stride: 2, padding: 1, count_include_pad: false}
  - {name: mid, op: conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  - {name: again, op: conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  - {name: depth, op: stochastic_depth, p: 0.3}
  - {name: sum, op: add, from: [depth, mid]}
  - {name: side, op: conv2d, out_channels: 2, kernel_size: 1}
  - {name: gap, op: mean, from: sum}
  - {name: drop, op: dropout, p: 0.4}
  - {name: fc, op: linear, out_features: 5}
"""

TRAINED_MODULE = """
import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["Trained"]


class Depth(nn.Module):
    def __init__(self, p, mode="row"):
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x):
        if not self.training:
            return x
        samples = x.shape[0] if self.mode == "row" else 1
        mask = x.new_empty([samples, 1, 1, 1]).bernoulli_(1 - self.p)
        return x * mask / (1 - self.p)


class Trained(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8, eps=0.001, momentum=0.2)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.mid = nn.Conv2d(8, 8, 3, padding=1)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.depth = Depth(0.3)
        self.side = nn.Conv2d(8, 2, 1)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = F.leaky_relu(self.bn(self.conv(x)), 0.2)
        x = self.pool(x)
        out = self.mid(x)
        x = self.depth(self.again(out))
        x = x + out
        aux = self.side(x)
        x = self.fc(self.drop(x.mean((2, 3))))
        return (x, aux) if self.training else x
"""

BOTH = {"constants", "training_step"}
NUMBERS = {"training_step"}
CLAIMS = ["gradients", "constants", "training_step"]


def certify_step(folder: Path, *changes: tuple[str, str]) -> Certificate:
    return certify(folder, TRAINED, TRAINED_MODULE, *changes, only=CLAIMS)


def test_a_right_module_is_certified(tmp_path: Path) -> None:
    certificate = certify_step(tmp_path)
    assert failed(certificate) == set()
    assert certificate.proof("training_step").text == (
        "2 outputs, 12 gradients, 3 buffers as interpreted, on 2 pictures of 3×12×12 (float64)"
    )
    assert certificate.proof("constants").text.endswith("of 9 modules, as their steps have them")


def test_outputs_may_have_names(tmp_path: Path) -> None:
    """Those of the network in any order, or others."""
    for names in ("{'aux': aux, 'out': x}", "{'first': x, 'second': aux}"):
        change = ("(x, aux) if self.training else x", f"{names} if self.training else x")
        assert failed(certify_step(tmp_path, change)) == set()


WRONG: dict[str, tuple[str, str, set[str]]] = {
    "eps": ("eps=0.001", "eps=0.002", BOTH),
    "momentum": ("momentum=0.2", "momentum=0.1", BOTH),
    "slope of a function": ("self.conv(x)), 0.2)", "self.conv(x)), 0.01)", NUMBERS),
    "padding counts": (", count_include_pad=False", "", BOTH),
    "chance": ("nn.Dropout(0.4)", "nn.Dropout(0.5)", BOTH),
    "chance of a function": ("self.drop(x.m", "F.dropout(x.m", NUMBERS),
    "no dropout": ("self.drop(x.mean((2, 3)))", "x.mean((2, 3))", NUMBERS),
    "chance of a branch": ("Depth(0.3)", "Depth(0.2)", BOTH),
    "the whole batch": ("Depth(0.3)", 'Depth(0.3, "batch")', BOTH),
    "in place over what backward needs": (
        "        x = x + out\n",
        "        out += x\n        x = out\n",
        {"gradients", "training_step"},
    ),
    "no gradient": ("self.again(out)", "self.again(out.detach())", NUMBERS),
    "outputs in another order": ("(x, aux) if", "(aux, x) if", NUMBERS),
    "an output in evaluation": ("(x, aux) if self.training else x", "(x, aux)", NUMBERS),
    "an output left out": ("(x, aux) if self.training else x", "x", {"gradients", *NUMBERS}),
    "outputs by other names": (
        "(x, aux) if self.training else x",
        "{'aux': x, 'out': aux} if self.training else x",
        NUMBERS,
    ),
    "the pictures overwritten": (
        "x = F.leaky_relu(self.bn(self.conv(x)), 0.2)",
        "y = F.leaky_relu(self.bn(self.conv(x)), 0.2)\n        x.data.zero_()\n        x = y",
        NUMBERS,
    ),
    "statistics of the batch": ("eps=0.001", "eps=0.001, track_running_stats=False", BOTH),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_is_found(name: str, tmp_path: Path) -> None:
    right, wrong, claims = WRONG[name]
    assert failed(certify_step(tmp_path, (right, wrong))) == claims


def test_dropout_in_evaluation_is_found(tmp_path: Path) -> None:
    change = ("self.drop(x.mean((2, 3)))", "F.dropout(x.mean((2, 3)), 0.4)")
    found = certify_step(tmp_path, change).proof("training_step").differences
    assert {difference.where for difference in found} == {"evaluation: the output"}


def test_the_first_place_is_told(tmp_path: Path) -> None:
    change = ("self.conv(x)), 0.2)", "self.conv(x)), 0.01)")
    proof = certify_step(tmp_path, change).proof("training_step")
    assert proof.text.endswith("are as interpreted; the first module to differ is pool")
    assert proof.differences[0].where == "the output"
    assert any(d.where == "the gradient of conv.weight" for d in proof.differences)


def test_a_wrong_constant_is_told_with_its_place(tmp_path: Path) -> None:
    proof = certify_step(tmp_path, ("momentum=0.2", "momentum=None")).proof("constants")
    ((where, expected, got),) = proof.differences
    assert (where, expected, got) == ("bn", "momentum=0.2", "None")
    only_buffers = certify_step(tmp_path, ("momentum=0.2", "momentum=0.1"))
    found = only_buffers.proof("training_step").differences
    assert {d.where for d in found} == {"bn.running_mean", "bn.running_var"}


def test_other_tensors_are_told_by_name(tmp_path: Path) -> None:
    certificate = certify_step(tmp_path, ("self.side", "self.aux"))
    found = certificate.proof("training_step").differences
    assert [(d.where, d.got) for d in found] == [
        ("side.weight", "no such tensor"),
        ("side.bias", "no such tensor"),
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[0].values())))
def test_what_is_generated_of_an_op_is_what_is_interpreted(
    case: tuple[Row, Sequence[int], Made], tmp_path: Path
) -> None:
    row, shape, _ = case
    spec = {"archspec": 1, "name": "Net", "input": list(shape), "layers": [{"name": "step", **row}]}
    file = tmp_path / "net.yaml"
    file.write_text(json.dumps(spec), encoding="utf-8")
    certificate = prove(file, only=["constants", "training_step"])
    assert {p.claim: p for p in certificate.proofs if p.verdict == "failed"} == {}
    assert certificate.proof("training_step").verdict == "proven"


def test_a_large_network_is_compared_only_with_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(training_step.MOST_PARAMETERS, "quick", 100)
    file = tmp_path / "network.yaml"
    file.write_text(TRAINED, encoding="utf-8")
    proof = prove(file, effort="quick", only=["training_step"]).proof("training_step")
    assert proof.verdict == "not applicable"
    assert proof.text == "1 471 parameters in numbers are left out by --quick"
    assert prove(file, only=["training_step"]).proof("training_step").verdict == "proven"


def test_a_step_that_nothing_follows_from_gets_no_gradient(tmp_path: Path) -> None:
    """Its module is there, and not called; called for nothing it would get none, either."""
    spec = TRAINED.replace(", aux: {from: side, training_only: true}", "")
    module = TRAINED_MODULE.replace("        aux = self.side(x)\n", "")
    change = ("(x, aux) if self.training else x", "x")
    certificate = certify(tmp_path, spec, module, change, only=CLAIMS)
    assert failed(certificate) == set()
    assert certificate.proof("gradients").text == (
        "all 10 parameter tensors get one, but for 2 of steps that no output follows from"
    )
    assert failed(certify(tmp_path, TRAINED, module, change, only=["gradients"])) == {"gradients"}


LOGISTIC = """
archspec: 1
name: Logistic
input: [3, 4, 4]
blocks:
  Map:
    layers:
      - {name: square, op: mul, from: [input, input]}
      - {name: less, op: add, from: [input, square], alpha: -1}
      - {name: twice, op: add, from: [less, less]}
      - {name: out, op: add, from: [twice, twice]}
layers:
  - {name: begin, op: sigmoid}
  - {name: maps, op: Map, repeat: 80}
"""


def test_rounding_that_a_network_enlarges_is_no_fault(tmp_path: Path) -> None:
    """4x(1 − x) doubles what two numbers are apart by: 2^80 times a rounding is everything."""
    module = (
        "import torch\nfrom torch import nn\n__all__ = ['Logistic']\n\n\n"
        "class Logistic(nn.Module):\n    def forward(self, x):\n        x = torch.sigmoid(x)\n"
        "        for _ in range(80):\n            x = 4 * (x * (1 - x))\n        return x\n"
    )
    proof = certify(tmp_path, LOGISTIC, module, only=["training_step"]).proof("training_step")
    assert proof.verdict == "not applicable"
    assert "enlarges its own rounding" in proof.text
    few = certify(
        tmp_path,
        LOGISTIC.replace("80", "9"),
        module.replace("(80)", "(9)"),
        only=["training_step"],
    )
    assert few.proof("training_step").verdict == "proven"


def test_a_norm_of_equal_numbers_without_eps_is_not_compared(tmp_path: Path) -> None:
    """What is left of a mean of equal numbers is a rounding or nothing, and so 1, or no number."""
    spec = (
        "archspec: 1\nname: Net\ninput: [1, 1, 2]\nlayers:\n  - {op: pad_channels, before: 1}\n"
        "  - {op: instance_norm, eps: '0.5 * (1 - i)', affine: true, repeat: 2}\n"
    )
    module = write(check_text(spec))
    proof = certify(tmp_path, spec, module, only=["training_step"]).proof("training_step")
    assert proof.verdict == "not applicable"


def test_many_resolutions_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of 1 110 nodes is made, on any device, few times: that is what takes long."""
    made: list[nn.Module] = []
    construct = Subject.construct

    def count(subject: Subject) -> nn.Module:
        made.append(construct(subject))
        return made[-1]

    monkeypatch.setattr(Subject, "construct", count)
    file = tmp_path / "hrnet.yaml"
    file.write_text(hrnet.spec(), encoding="utf-8")
    certificate = prove(file, effort="quick")
    assert failed(certificate) - {"receptive_field"} == set()
    assert certificate.proof("training_step").text.startswith("1 output, 981 gradients, 975 buff")
    assert len(made) <= 20
