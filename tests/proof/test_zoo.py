"""Every spec there is: its code does what was computed, and what its reference does.

The first network of a file stands trial for everything that `--quick` proves, receptive fields,
tracing and copies included. The others are of the same classes, with other numbers: of them the
tensors, the shapes, the operations, the constants, the beginnings and the outputs are compared.
`archspec prove` proves everything of all of them; that takes a quarter of an hour.
"""

from importlib.util import find_spec

import pytest

from archspec.cli.prove import members
from archspec.language import loader
from archspec.proof import Certificate, prove

FIRST = [members([file.name])[0] for file in loader.list_specs()]
OTHERS = [name for name in members([]) if name not in FIRST]
CLAIMS = ["shapes", "parameters", "macs", "constants", "beginnings", "arguments"]
WITH_REFERENCE = [*CLAIMS, "reference"]
ATTENTION = ("vit_", "swin_", "maxvit_")
"""Networks of torchvision that are no convolutional networks."""


def by_memory(names: list[str]) -> list[object]:
    """The names as parameters; the largest networks stay in one process, one after the other."""
    large = ("vgg", "regnet_y_1", "convnext_l")
    group = pytest.mark.xdist_group("large networks")
    return [
        pytest.param(name, marks=group) if name.rpartition(":")[2].startswith(large) else name
        for name in names
    ]


def told(certificate: Certificate) -> dict[str, object]:
    return {p.claim: (p.text, p.differences) for p in certificate.proofs if p.verdict == "failed"}


def reference_of(name: str) -> str | None:
    """The model of torchvision that a network names."""
    loaded = loader.load(name)[1]
    assert loaded.spec is not None
    chosen = loaded.spec if loaded.variant is None else loaded.spec.variants[loaded.variant]
    reference = chosen.reference
    return None if reference is None else reference.removeprefix("torchvision/")


def is_compared(certificate: Certificate) -> bool:
    """Whether the reference was run; it may be left out only where torchvision is missing."""
    proof = certificate.proof("reference")
    return proof.verdict == "proven" or find_spec("torchvision") is None


@pytest.mark.parametrize("name", by_memory(FIRST))
def test_nothing_fails(name: str) -> None:
    certificate = prove(name, effort="quick")
    assert told(certificate) == {}
    assert certificate.count("proven") >= 10
    assert is_compared(certificate) or reference_of(name) is None


@pytest.mark.parametrize("name", by_memory(OTHERS))
def test_the_code_is_what_was_computed_and_what_the_reference_is(name: str) -> None:
    named = reference_of(name) is not None
    # The size of what is executed matters to the reference alone.
    certificate = prove(
        name, effort="quick" if named else "normal", only=WITH_REFERENCE if named else CLAIMS
    )
    assert told(certificate) == {}
    assert {certificate.proof(claim).verdict for claim in CLAIMS} == {"proven"}
    assert not named or is_compared(certificate)


def test_every_convolutional_classifier_of_torchvision_is_a_reference() -> None:
    models = pytest.importorskip("torchvision.models", reason="needs the extra `vision`")
    named = [reference for name in members([]) if (reference := reference_of(name)) is not None]
    wanted = [name for name in models.list_models(module=models) if not name.startswith(ATTENTION)]
    assert sorted(named) == sorted(wanted)
