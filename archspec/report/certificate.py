"""A certificate for a person to read, and as JSON, schema `archspec.prove/1`."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from archspec.report.figures import counted
from archspec.report.page import Page, pad

if TYPE_CHECKING:
    from archspec.proof.certificate import Certificate, Difference, Proof

SCHEMA = "archspec.prove/1"
MOST_SHOWN = 10
"""So many differences of a claim are listed; the rest is counted. JSON has all."""

_MARKS = {"proven": ("✓", "good"), "failed": ("✗", "bad"), "not applicable": ("–", "dim")}
_LABELS = {
    "macs": "MACs",
    "training_step": "training step",
    "receptive_field": "receptive field",
    "another_size": "another size",
}
_WIDEST = 15
_INDENT = 2


def write_certificate(page: Page, certificate: "Certificate") -> None:
    """Write a line for each claim, its differences under one that failed, and the verdict."""
    _write_heading(page, certificate)
    for proof in certificate.proofs:
        _write_proof(page, proof)
    page.write()
    _write_verdict(page, certificate)


def _write_heading(page: Page, certificate: "Certificate") -> None:
    file = certificate.file
    file += "" if certificate.variant is None else f":{certificate.variant}"
    page.write(
        f"{page.paint(page.clean(certificate.name), 'bold')}  {page.paint(page.clean(file), 'dim')}"
    )
    if certificate.source:
        for line in page.wrap(page.clean(certificate.source)):
            page.write(page.paint(line, "dim"))
    tried = "×".join(map(str, certificate.input))
    code = "the code that `archspec gen` writes"
    if certificate.module is not None:
        code = page.clean(certificate.module)
    for line in page.wrap(page.clean(f"{code}, on {tried}, torch {certificate.torch}")):
        page.write(page.paint(line, "dim"))
    page.write()


def _write_proof(page: Page, proof: "Proof") -> None:
    mark, style = _MARKS[proof.verdict]
    marked = pad(page.clean(mark), len(page.clean("✓")))
    width = len(marked) + 1
    beside = width + _WIDEST + 2
    narrow = page.width is not None and page.width < beside + 20
    indent = width + _INDENT if narrow else beside
    label = _LABELS.get(proof.claim, proof.claim)
    label = label if narrow else pad(label, _WIDEST)
    first, *more = page.wrap(page.clean(proof.text), width + len(label) + 2, indent)
    page.write(f"{page.paint(marked, style)} {label}  {first}")
    for line in more:
        page.write(line)
    for difference in proof.differences[:MOST_SHOWN]:
        first, *more = page.wrap(page.clean(_spell(difference)), indent, indent + _INDENT)
        page.write(" " * indent + first)
        for line in more:
            page.write(line)
    if len(proof.differences) > MOST_SHOWN:
        page.write(f"{' ' * indent}and {len(proof.differences) - MOST_SHOWN} more")


def _spell(difference: "Difference") -> str:
    where = f"{difference.where}: " if difference.where else ""
    return f"{where}expected {difference.expected}, got {difference.got}"


def _write_verdict(page: Page, certificate: "Certificate") -> None:
    proven, failed, left = (certificate.count(v) for v in ("proven", "failed", "not applicable"))
    mark, style = _MARKS["failed" if failed else "proven"]
    parts = [f"{failed} failed"] if failed else []
    parts.append(f"{counted(proven, 'claim')} proven")
    if left:
        parts.append(f"{left} not applicable")
    mark = page.clean(mark)
    first, *more = page.wrap(", ".join(parts), len(mark) + 1)
    page.write(f"{page.paint(mark, style)} {first}")
    for line in more:
        page.write(line)


def write_certificates_json(
    stream: TextIO, certificates: Iterable["Certificate"], *, several: bool
) -> None:
    """Write one object, or with `several` a list of them; plain ASCII, a line for each claim."""
    if several:
        stream.write("[\n")
    for count, certificate in enumerate(certificates):
        stream.write(",\n" if count else "")
        _write_object(stream, certificate)
        stream.flush()
    stream.write("\n]\n" if several else "\n")


def _write_object(stream: TextIO, certificate: "Certificate") -> None:
    head = {
        "schema": SCHEMA,
        "name": certificate.name,
        "file": certificate.file,
        "variant": certificate.variant,
        "module": certificate.module,
        "ok": certificate.ok,
        "input": certificate.input,
        "torch": certificate.torch,
    }
    stream.write("{\n")
    stream.writelines(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    proofs = ",\n    ".join(json.dumps(_as_json(proof)) for proof in certificate.proofs)
    stream.write(f'  "claims": [\n    {proofs}\n  ]\n}}')


def _as_json(proof: "Proof") -> dict[str, Any]:
    return {
        "claim": proof.claim,
        "verdict": proof.verdict,
        "text": proof.text,
        "differences": [difference._asdict() for difference in proof.differences],
    }
