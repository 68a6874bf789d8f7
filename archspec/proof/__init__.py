"""Runs a network and compares what happens with what was computed: certificates, with torch."""

from archspec.proof.certificate import Certificate, Difference, Proof
from archspec.proof.run import prove
from archspec.proof.subject import Effort, ProofError

__all__ = ["Certificate", "Difference", "Effort", "Proof", "ProofError", "prove"]
