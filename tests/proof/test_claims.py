"""A right module is certified; a wrong one fails in the claims it is wrong about, and no other."""

from pathlib import Path

import pytest

from archspec.proof import ProofError, prove
from archspec.proof.certificate import Difference
from tests.proof.networks import (
    RESIDUAL,
    RESIDUAL_MODULE,
    TINY,
    TINY_MODULE,
    certify,
    failed,
)

PROVEN = {
    "shapes",
    "parameters",
    "macs",
    "gradients",
    "constants",
    "beginnings",
    "training_step",
    "receptive_field",
    "claims",
    "symbolic_trace",
    "export",
    "deepcopy",
    "pickle",
    "channels_last",
    "another_size",
}


def test_a_right_module_is_certified(tmp_path: Path) -> None:
    certificate = certify(tmp_path, TINY, TINY_MODULE)
    assert {p.claim: p.text for p in certificate.proofs if p.verdict == "failed"} == {}
    assert certificate.ok
    assert {p.claim for p in certificate.proofs if p.verdict == "proven"} == PROVEN
    texts = {p.claim: p.text for p in certificate.proofs}
    assert texts["shapes"].startswith("8 of 8 nodes")
    assert "11 tensors of 1 253 parameters and 17 numbers in buffers" in texts["parameters"]
    assert texts["receptive_field"].startswith("4 of 5 nodes")
    assert texts["claims"] == "1 published figure compared, from 1 source"
    assert texts["another_size"] == "3×80×104 → 5, as computed"


def test_what_is_generated_is_certified(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    certificate = prove(file)
    assert certificate.ok
    assert {p.claim for p in certificate.proofs if p.verdict == "proven"} == PROVEN


def test_paths_that_meet_are_certified(tmp_path: Path) -> None:
    certificate = certify(tmp_path, RESIDUAL, RESIDUAL_MODULE)
    assert certificate.ok, certificate.proofs
    assert certificate.proof("receptive_field").text == (
        "5 of 7 nodes with a finite field see exactly the pixels computed, up to 23 across"
    )


FORWARD = "        x = self.conv2(x)\n"
DECIDES = "        if x.shape[0] > 1:\n            x = x * 1\n"
STRIDED = (
    "        x = x.as_strided(x.shape, "
    "(x.shape[1] * x.shape[2] * x.shape[3], x.shape[2] * x.shape[3], x.shape[3], 1))\n"
)
FC = "        self.fc ="
BUFFER = f"        self.register_buffer('scale', torch.ones(1))\n{FC}"
DEF = "    def forward"
OTHER = {"constants", "training_step"}
SURVIVAL = {"symbolic_trace", "export", "deepcopy", "pickle", "channels_last"}
WRONG: dict[str, tuple[str, str, set[str]]] = {
    "stride": (
        "stride=2, padding=2",
        "stride=1, padding=2",
        {"shapes", "macs", "receptive_field", *OTHER},
    ),
    "bias": (
        "nn.Linear(8, num_classes)",
        "nn.Linear(8, num_classes, False)",
        {"parameters", *OTHER},
    ),
    "groups": ("dilation=2)", "dilation=2, groups=2)", {"parameters", "macs", *OTHER}),
    "dense kernel": (
        "kernel_size=3, padding=2, dilation=2",
        "kernel_size=5, padding=2",
        {"parameters", "macs", *OTHER},
    ),
    "dilation": ("padding=2, dilation=2", "padding=1", {"receptive_field", *OTHER}),
    "padding at one end": (
        "x = self.pool1(x)",
        "x = self.pool1(F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:])",
        {"receptive_field", "training_step"},
    ),
    "pooling": (
        "kernel_size=3, stride=2, padding=1",
        "kernel_size=1, stride=2",
        {"receptive_field", *OTHER},
    ),
    "buffer": (FC, BUFFER, {"parameters"}),
    "name": ("self.fc", "self.head", {"parameters", "training_step"}),
    "detached": (
        FORWARD,
        FORWARD.replace("conv2(x)", "conv2(x).detach()"),
        {"gradients", "training_step"},
    ),
    "overwritten": (
        "x = F.relu(self.conv1_norm(x))",
        "y = self.conv1_norm(x)\n        x.mul_(2)\n        x = F.relu(y)",
        {"gradients", "training_step"},
    ),
    "a norm without its factors": (
        "self.conv1_norm(x)",
        "F.batch_norm(x, *list(self.conv1_norm.buffers())[:2], training=self.training)",
        {"gradients", "training_step"},
    ),
    "work for nothing": (FORWARD, f"        self.conv2(x)\n{FORWARD}", {"macs"}),
    "output": (
        "        return x",
        "        return x[:, :3]",
        {"shapes", "another_size", "training_step"},
    ),
    "decision": (FORWARD, FORWARD + DECIDES, {"symbolic_trace"}),
    "memory layout": (FORWARD, FORWARD + STRIDED, {"channels_last"}),
    "lambda": (FC, f"        self.f = lambda x: x\n{FC}", {"pickle"}),
    "no copy": (
        DEF,
        f"    def __deepcopy__(self, memo):\n        return self\n\n{DEF}",
        {"deepcopy"},
    ),
    "chance": (
        FORWARD,
        f"{FORWARD}        x = x + torch.rand_like(x)\n",
        {"training_step", *SURVIVAL},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_module_fails_where_it_is_wrong(name: str, tmp_path: Path) -> None:
    right, wrong, claims = WRONG[name]
    certificate = certify(tmp_path, TINY, TINY_MODULE, (right, wrong))
    assert not certificate.ok
    assert failed(certificate) == claims
    for claim in failed(certificate):
        assert certificate.proof(claim).differences


def test_a_failure_says_what_and_where(tmp_path: Path) -> None:
    certificate = certify(
        tmp_path, TINY, TINY_MODULE, ("stride=2, padding=2", "stride=1, padding=2")
    )
    shapes = certificate.proof("shapes")
    assert shapes.differences[0] == Difference("conv1", "8×24×20", "8×48×40")
    assert shapes.text == "4 of 7 shapes compared differ"
    macs = certificate.proof("macs").differences
    assert macs[0] == Difference("conv1", "288 000", "1 152 000")
    certificate = certify(tmp_path, TINY, TINY_MODULE, ("padding=2, dilation=2", "padding=1"))
    assert certificate.proof("receptive_field").differences == (
        Difference(
            "conv2", "unit u sees rows 4·u − 12 to 4·u + 12", "unit u sees rows 4·u − 8 to 4·u + 8"
        ),
        Difference(
            "conv2",
            "unit u sees columns 4·u − 12 to 4·u + 12",
            "unit u sees columns 4·u − 8 to 4·u + 8",
        ),
    )
    certificate = certify(tmp_path, TINY, TINY_MODULE, ("self.fc", "self.head"))
    assert certificate.proof("parameters").differences[0] == Difference(
        "fc.weight", "parameter 5×8", "no such tensor"
    )


def test_a_branch_too_wide_is_found(tmp_path: Path) -> None:
    change = ("(1, 7), padding=(0, 3)", "(1, 7), padding=(0, 6), dilation=(1, 2)")
    certificate = certify(tmp_path, RESIDUAL, RESIDUAL_MODULE, change)
    assert failed(certificate) == {"receptive_field", *OTHER}
    wrong = certificate.proof("receptive_field").differences
    assert [d.where for d in wrong] == ["flat", "last"]


def test_a_constant_outside_the_state_is_none_of_its_tensors(tmp_path: Path) -> None:
    constant = BUFFER.replace("(1))", "(1), persistent=False)")
    certificate = certify(
        tmp_path,
        TINY,
        TINY_MODULE,
        (FC, constant),
        (FORWARD, f"        x = x * self.scale\n{FORWARD}"),
    )
    assert failed(certificate) == set()


def test_a_module_that_raises_fails_and_tells(tmp_path: Path) -> None:
    change = ("        x = self.pool1(x)", "        raise RuntimeError('no\\nway')")
    certificate = certify(tmp_path, TINY, TINY_MODULE, change)
    assert {"shapes", "macs", "gradients", "symbolic_trace", "pickle"} <= failed(certificate)
    assert certificate.proof("shapes").differences == (
        Difference("", "no error", "RuntimeError: no"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
        ("x = 1", "no __all__"),
        ("__all__ = ['Gone']", "no __all__"),
    ],
)
def test_a_text_that_is_no_module_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ProofError, match=message):
        certify(tmp_path, TINY, text)


def test_a_spec_with_errors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="has errors"):
        certify(tmp_path, TINY.replace("params: 1253", "params: 1254"), TINY_MODULE)


def test_the_size_of_what_runs_can_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY, encoding="utf-8")
    assert prove(file, source=TINY_MODULE, size=20).input == (3, 20, 20)
    with pytest.raises(ProofError, match="LeNet5 takes no pictures of 64×64"):
        prove("lenet5", size=64)


def test_quick_runs_a_smaller_picture_where_there_is_one(tmp_path: Path) -> None:
    assert prove("lenet5", effort="quick", only=["claims"]).input == (1, 32, 32)
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("[3, 48, 40]", "[3, 200, 160]"), encoding="utf-8")
    certificate = prove(file, source=TINY_MODULE, effort="quick")
    assert certificate.ok
    assert certificate.input == (3, 64, 64)
    assert certificate.proof("export").verdict == "not applicable"


def test_claims_can_be_chosen() -> None:
    certificate = prove("lenet5", only=["macs", "shapes"])
    assert [proof.claim for proof in certificate.proofs] == ["shapes", "macs"]
    with pytest.raises(ProofError, match="no claim 'mac': there are shapes, parameters, macs"):
        prove("lenet5", only=["mac"])
