"""What `prove` says of a network that is right: it certifies it, too."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from archspec.api import Check
from archspec.proof import prove
from tests.fuzz.failure import Failure, told

CLAIMS = (
    *("shapes", "parameters", "macs", "gradients", "constants", "beginnings", "arguments"),
    *("training_step", "receptive_field"),
)
"""The others ask what PyTorch can do with a module."""


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="fuzz-")


def prove_one(text: str, check: Check) -> Iterator[Failure]:
    """What `prove` finds fault with, in the network or in one member of the family."""
    file = Path(_folder().name) / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    member = Random(text).choice(check.family or (check,))
    assert member.network is not None
    name = f"{file}:{member.variant}" if check.family else file
    try:
        proofs = prove(name, effort="quick", only=CLAIMS).proofs
    except Exception as error:  # noqa: BLE001 - whatever it raises is a finding
        yield Failure("not proven", told(error))
        return
    for proof in proofs:
        if proof.verdict == "failed":
            yield Failure("not proven", f"{proof.claim}: {proof.text}", member.variant or "")
