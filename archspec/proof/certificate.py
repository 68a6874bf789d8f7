"""What was proven of a network: plain values that need no torch."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Verdict = Literal["proven", "failed", "not applicable"]


class Difference(NamedTuple):
    """One thing that is not as computed: where, what was expected, what was found."""

    where: str
    expected: str
    got: str


class Proof(NamedTuple):
    """One claim with its verdict.

    `text` says what was proven, what failed, or why the claim does not apply.
    """

    claim: str
    verdict: Verdict
    text: str
    differences: tuple[Difference, ...] = ()


class Certificate(NamedTuple):
    """The proofs of one network. `input` is (C, H, W) as it was executed, without the batch."""

    name: str
    file: str
    variant: str | None
    source: str | None
    module: str | None
    input: tuple[int, ...]
    torch: str
    proofs: tuple[Proof, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; what does not apply does not count."""
        return all(proof.verdict != "failed" for proof in self.proofs)

    def count(self, verdict: Verdict) -> int:
        """How many proofs came out like that."""
        return sum(1 for proof in self.proofs if proof.verdict == verdict)

    def proof(self, claim: str) -> Proof:
        """The proof of a claim; raises KeyError where there is none of that name."""
        for proof in self.proofs:
            if proof.claim == claim:
                return proof
        raise KeyError(claim)


def verdict(claim: str, text: str, differences: Iterable[Difference] = ()) -> Proof:
    """`failed` where there are differences, else `proven`."""
    found = tuple(differences)
    return Proof(claim, "failed" if found else "proven", text, found)


def not_applicable(claim: str, why: str) -> Proof:
    """A claim that cannot be made of this network, or was not asked for."""
    return Proof(claim, "not applicable", why)
