"""A network is compared with torchvision's of the name that its spec gives, and with no other."""

import sys
from pathlib import Path

import pytest

from archspec.proof import Proof, prove

SPEC = """
archspec: 1
name: SqueezedAlexNet
input: [3, 224, 224]
reference: {reference}
vars: {{num_classes: 1000}}
layers:
  - name: features
    layers:
      - {{op: conv2d, out_channels: 64, kernel_size: 11, stride: 4, padding: 2}}
      - {{op: relu}}
      - {{op: max_pool, kernel_size: 3, stride: 2}}
      - {{op: conv2d, out_channels: 192, kernel_size: 5, padding: 2}}
      - {{op: relu}}
      - {{op: max_pool, kernel_size: 3, stride: 2}}
      - {{op: conv2d, out_channels: 384, kernel_size: 3, padding: 1}}
      - {{op: relu}}
      - {{op: conv2d, out_channels: 256, kernel_size: 3, padding: 1}}
      - {{op: relu}}
      - {{op: conv2d, out_channels: 256, kernel_size: 3, padding: 1}}
      - {{op: {last}}}
      - {{op: max_pool, kernel_size: 3, stride: 2}}
  - {{name: avgpool, op: adaptive_avg_pool, output_size: 6}}
  - {{name: flatten, op: flatten}}
  - name: classifier
    layers:
      - {{op: dropout}}
      - {{op: linear, out_features: 4096}}
      - {{op: relu}}
      - {{op: dropout}}
      - {{op: linear, out_features: 4096}}
      - {{op: relu}}
      - {{op: linear, out_features: num_classes}}
"""


def compare(folder: Path, reference: str, last: str = "relu", **overrides: int) -> Proof:
    file = folder / "network.yaml"
    file.write_text(SPEC.format(reference=reference, last=last), encoding="utf-8")
    certificate = prove(file, effort="quick", only=["reference"], overrides=overrides)
    return certificate.proof("reference")


@pytest.fixture
def _torchvision() -> None:
    pytest.importorskip("torchvision", reason="needs the extra `vision`")


@pytest.mark.usefixtures("_torchvision")
def test_the_same_network_is_proven_to_be_it(tmp_path: Path) -> None:
    proof = compare(tmp_path, "torchvision/alexnet")
    assert proof.verdict == "proven", proof
    assert proof.text.startswith("torchvision/alexnet: its 16 tensors load strictly; outputs for")


@pytest.mark.usefixtures("_torchvision")
def test_the_same_tensors_in_another_computation_fail(tmp_path: Path) -> None:
    proof = compare(tmp_path, "torchvision/alexnet", last="leaky_relu")
    assert proof.verdict == "failed"
    (difference,) = proof.differences
    assert (difference.where, difference.expected) == ("the outputs", "within 1e-04")


@pytest.mark.usefixtures("_torchvision")
def test_other_tensors_are_named(tmp_path: Path) -> None:
    proof = compare(tmp_path, "torchvision/vgg11")
    assert proof.verdict == "failed"
    assert proof.differences[0].where == "features.0.weight"
    assert (proof.differences[0].expected, proof.differences[0].got) == ("64×3×3×3", "64×3×11×11")


@pytest.mark.usefixtures("_torchvision")
@pytest.mark.parametrize("name", ["nothing", "segmentation", "get_weight", "fcn_resnet50"])
def test_only_torchvision_s_own_classifiers_are_called(name: str, tmp_path: Path) -> None:
    proof = compare(tmp_path, f"torchvision/{name}")
    assert (proof.verdict, proof.text) == ("failed", f"torchvision has no model {name}")


def test_what_cannot_be_compared_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = compare(tmp_path, "torchvision/alexnet", num_classes=5)
    assert changed.verdict == "not applicable"
    assert changed.text == "torchvision/alexnet has the spec's own variables"
    monkeypatch.setitem(sys.modules, "torchvision", None)
    missing = compare(tmp_path, "torchvision/alexnet")
    assert missing.verdict == "not applicable"
    assert "pip install 'archspec[vision]'" in missing.text
    assert prove("lenet5", only=["reference"]).proof("reference").text == "the spec names none"
