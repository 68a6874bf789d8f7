"""A member of a family is proven of the family's module: its own function, called as people may."""

import json
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.proof import Certificate, prove, run, survival
from archspec.proof.certificate import Difference
from tests.conftest import RunCli
from tests.proof.networks import failed

FAMILY: dict[str, Any] = {
    "archspec": 1,
    "name": "Family",
    "input": [3, 16, 16],
    "vars": {"width": None, "slope": None, "rate": 0.5, "num_classes": 10},
    "variants": {
        "small": {"width": 4, "slope": 0.1},
        "large": {"width": 8, "slope": 0.2, "input": [3, 20, 20]},
    },
    "layers": [
        {"name": "conv", "op": "conv2d", "out_channels": "width", "kernel_size": 3},
        {"name": "act", "op": "leaky_relu", "negative_slope": "slope"},
        {"name": "pool", "op": "adaptive_avg_pool"},
        {"name": "flatten", "op": "flatten"},
        {"name": "drop", "op": "dropout", "p": "rate"},
        {"name": "fc", "op": "linear", "out_features": "num_classes"},
    ],
}

MODULE = """
import torch
from torch import nn

__all__ = ["Family", "small", "large"]


class Family(nn.Module):
    def __init__(self, width, slope, rate=0.5, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.act = nn.LeakyReLU(slope)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout(rate)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.flatten(self.pool(self.act(self.conv(x))))
        return self.fc(self.drop(x))


def small(rate=0.5, num_classes=10):
    return Family(width=4, slope=0.1, rate=rate, num_classes=num_classes)


def large(rate=0.5, num_classes=10):
    return Family(width=8, slope=0.2, rate=rate, num_classes=num_classes)
"""


def written(folder: Path, **keys: Any) -> Path:
    file = folder / "family.yaml"
    # JSON is YAML; variants are only found by their names where each has a line of its own.
    variants = {**FAMILY, **keys}["variants"]
    rest = {key: value for key, value in {**FAMILY, **keys}.items() if key != "variants"}
    lines = [f"{key}: {json.dumps(value)}" for key, value in rest.items()]
    lines += ["variants:", *(f"  {name}: {json.dumps(v)}" for name, v in variants.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def certify(
    file: Path, member: str, right: str = "", wrong: str = "", **wishes: Any
) -> Certificate:
    assert right in MODULE
    module = MODULE.replace(right, wrong) if right else MODULE
    return prove(f"{file}:{member}", source=module, **wishes)


CLAIMS = ["shapes", "parameters", "constants", "arguments", "training_step"]


@pytest.mark.parametrize("member", ["small", "large"])
def test_every_function_is_certified(member: str, tmp_path: Path) -> None:
    certificate = certify(written(tmp_path), member, only=CLAIMS)
    assert failed(certificate) == set()
    assert certificate.proof("arguments").text == (
        "called with num_classes=11, num_classes=9, rate=0.75, rate=0.25: "
        "the shapes, parameters, constants and beginnings computed for that"
    )


def test_a_wrong_slope_in_one_function_is_found_there(tmp_path: Path) -> None:
    file, change = written(tmp_path), ("slope=0.2", "slope=0.1")
    assert failed(certify(file, "small", *change, only=CLAIMS)) == set()
    certificate = certify(file, "large", *change, only=CLAIMS)
    assert failed(certificate) == {"constants", "arguments", "training_step"}
    assert certificate.proof("constants").differences == (
        Difference("act", "negative_slope=0.2", "0.1"),
    )


def test_a_function_that_ignores_its_argument_is_found(tmp_path: Path) -> None:
    change = ("width=8, slope=0.2, rate=rate, num_classes=num_classes", "width=8, slope=0.2")
    certificate = certify(written(tmp_path), "large", *change, only=CLAIMS)
    assert failed(certificate) == {"arguments"}
    found = certificate.proof("arguments").differences
    assert found[0] == Difference("num_classes=11: fc.weight", "parameter 11×8", "parameter 10×8")
    assert Difference("rate=0.25: drop", "p=0.25", "0.5") in found


def test_a_function_that_ignores_what_follows_from_its_argument_is_found(tmp_path: Path) -> None:
    """`width` is computed from `num_classes`, and the function has it as it is by default."""
    variables = {"slope": None, "rate": 0.5, "num_classes": 10, "width": "max(num_classes, 8)"}
    variants = {"large": {"slope": 0.2}, "small": {"slope": 0.1}}
    file = written(tmp_path, vars=variables, variants=variants, input=[3, 20, 20])
    assert failed(certify(file, "large", "width=8", "width=10", only=CLAIMS)) == {"arguments"}
    right = ("width=8", "width=max(num_classes, 8)")
    assert failed(certify(file, "large", *right, only=CLAIMS)) == set()


def test_a_function_that_cannot_be_called_otherwise_is_found(tmp_path: Path) -> None:
    change = ("nn.Linear(width, num_classes)", "nn.Linear(width, {10: 10}[num_classes])")
    certificate = certify(written(tmp_path), "small", *change, only=CLAIMS)
    assert failed(certificate) == {"arguments"}
    assert certificate.proof("arguments").differences[0].got == "KeyError: 11"


def test_values_that_the_spec_refuses_are_not_tried(tmp_path: Path) -> None:
    layers = [*FAMILY["layers"], {"name": "out", "op": "slice", "stop": 10}]
    file = written(tmp_path, layers=layers)
    module = MODULE.replace("return self.fc(self.drop(x))", "return self.fc(self.drop(x))[:, :10]")
    certificate = prove(f"{file}:small", source=module, only=["arguments"])
    tried = "called with num_classes=11, rate=0.75, rate=0.25:"
    assert certificate.proof("arguments").text.startswith(tried)


def test_without_open_arguments_there_is_nothing_to_prove(tmp_path: Path) -> None:
    change = ("def small(rate=0.5, num_classes=10)", "def small(rate=None, num_classes=None)")
    proof = certify(written(tmp_path), "small", *change, only=["arguments"]).proof("arguments")
    assert proof.verdict == "not applicable"
    certificate = certify(written(tmp_path), "small", overrides={"num_classes": 7}, only=CLAIMS)
    assert "parameters" in failed(certificate)  # the code has ten


def test_what_gen_writes_of_the_family_stands_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the family's module has a function `large`: a fault of it is one of the member's."""
    texts: list[str] = []

    def write(checked: archspec.Check) -> str:
        texts.append(archspec.api.write(checked).replace("slope=0.2", "slope=0.3"))
        return texts[-1]

    monkeypatch.setattr(run, "write", write)
    certificate = prove(f"{written(tmp_path)}:large", only=["constants"])
    assert "def small(" in texts[0]
    assert certificate.proof("constants").differences[0].got == "0.3"


def test_the_module_of_a_member_alone_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = f"{written(tmp_path)}:large"
    assert prove(member, only=["alone"]).proof("alone").verdict == "proven"
    wrong = {"LeakyReLU(0.2)": "LeakyReLU(0.3)", "return self": "return 2 * self"}
    for old, new in wrong.items():

        def write(checked: archspec.Check, old: str = old, new: str = new) -> str:
            text = archspec.api.write(checked)
            assert old in text
            return text.replace(old, new)

        monkeypatch.setattr(survival, "write", write)
        assert failed(prove(member)) == {"alone"}
    assert certify(tmp_path / "family.yaml", "large").proof("alone").text == (
        "the module on trial was given"
    )


def test_a_member_stands_alone_where_another_has_errors(tmp_path: Path) -> None:
    variants = {"small": {"width": 4, "slope": 0.1}, "large": {"width": 0, "slope": 0.2}}
    file = written(tmp_path, variants=variants)
    assert failed(prove(f"{file}:small", only=CLAIMS)) == set()


def test_the_program_proves_every_member(run_cli: RunCli, tmp_path: Path) -> None:
    written(tmp_path)
    done = run_cli("prove", "family.yaml", "--only", "arguments", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("✓ arguments        called with num_classes=11,") == 2
    assert [line for line in done.stderr.splitlines() if line] == [
        "[1/2] family.yaml:small",
        "[2/2] family.yaml:large",
    ]
