"""Every spec there is: its code does what was computed; the first of each file, everything.

`archspec prove` proves everything of all of them; that takes a quarter of an hour.
"""

import pytest

from archspec.cli.prove import members
from archspec.language import loader
from archspec.proof import Certificate, prove

MEMBERS = members([])
FIRST = [members([file.name])[0] for file in loader.list_specs()]
STRUCTURE = ["shapes", "parameters", "macs", "gradients"]


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


@pytest.mark.parametrize("name", MEMBERS)
def test_the_code_has_the_structure_computed(name: str) -> None:
    certificate = prove(name, effort="quick", only=STRUCTURE)
    assert told(certificate) == {}
    assert {p.verdict for p in certificate.proofs} == {"proven"}


@pytest.mark.parametrize("name", by_memory(FIRST))
def test_nothing_fails(name: str) -> None:
    certificate = prove(name, effort="quick")
    assert told(certificate) == {}
    assert certificate.count("proven") >= 8
