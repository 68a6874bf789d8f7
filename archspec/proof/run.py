"""All proofs of one network, in order."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from archspec.api import Check, write
from archspec.api import check as check_spec
from archspec.proof.arguments import prove_arguments
from archspec.proof.beginnings import prove_beginnings
from archspec.proof.certificate import Certificate, Difference, Proof, not_applicable, verdict
from archspec.proof.constants import prove_constants
from archspec.proof.fields import prove_fields
from archspec.proof.reference import prove_reference
from archspec.proof.structure import STRUCTURE
from archspec.proof.subject import Effort, ProofError, Subject, imported, told
from archspec.proof.survival import Survival
from archspec.proof.training_step import prove_training_step
from archspec.report.figures import counted


def prove(
    spec: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    effort: Effort = "normal",
    size: int | None = None,
    source: str | None = None,
    module: str | None = None,
    only: Collection[str] | None = None,
) -> Certificate:
    """Prove what can be proven of a spec's network.

    `quick` runs small inputs where the network takes them and leaves out what is slow, `full`
    leaves out nothing; `size` is the height and width of executed inputs. `source` is the text of
    a module to put on trial in place of the generated one, `module` what messages call it; `only`
    are the claims to prove, where not all.
    Raises `archspec.SpecNotFound`, and `ProofError` where there is nothing to execute.
    """
    steps = tuple(_steps())
    known = [claim for claim, _ in steps]
    for claim in only or ():
        if claim not in known:
            raise ProofError(f"no claim {claim!r}: there are {', '.join(known)}", 2)
    checked = _check(spec, overrides or {})
    with imported(_written(checked, overrides) if source is None else source) as (executed, folder):
        subject = Subject(
            checked, executed, folder, effort, overrides or {}, size, generated=source is None
        )
        shape = subject.size
        with _one_thread() if effort == "quick" else nullcontext():
            proofs = tuple(
                _attempt(claim, step, subject)
                for claim, step in steps
                if only is None or claim in only
            )
    return Certificate(
        name=checked.name,
        file=checked.file,
        variant=checked.variant,
        source=None if checked.network is None else checked.network.spec.source,
        module=module,
        input=shape,
        torch=torch.__version__,
        proofs=proofs,
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """On small pictures threads wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check(spec: str | Path, overrides: Mapping[str, Any]) -> Check:
    """The check of one network; raises ProofError for a family, or one with errors."""
    checked = check_spec(spec, overrides)
    if not checked.ok:
        raise ProofError(f"{spec} has errors; `archspec check {spec}` explains them")
    if checked.network is None or checked.results is None or checked.family:
        raise ProofError(f"{spec} is a family: name one of its members, as {spec}:NAME", 2)
    return checked


def _written(checked: Check, overrides: Mapping[str, Any] | None) -> str:
    """What `archspec gen` writes for the spec's file: of a member the module of its family.

    A member stands alone where another one has errors, so that there is no module of them all.
    """
    if checked.variant is not None:
        family = check_spec(checked.file, overrides)
        if family.ok:
            return _code(family)
    return _code(checked)


def _code(checked: Check) -> str:
    try:
        return write(checked)
    except Exception as error:
        raise ProofError(f"{checked.file} cannot be written as code: {told(error)}") from error


def _steps() -> Iterator[tuple[str, Callable[[Subject], Proof]]]:
    yield from STRUCTURE
    yield "constants", prove_constants
    yield "beginnings", prove_beginnings
    yield "arguments", prove_arguments
    yield "training_step", prove_training_step
    yield "receptive_field", prove_fields
    yield "reference", prove_reference
    yield "claims", _prove_claims
    yield from Survival().steps()


def _attempt(claim: str, step: Callable[[Subject], Proof], subject: Subject) -> Proof:
    """The proof, or that it failed with an error: what a faulty module raises is a finding."""
    try:
        return step(subject)
    except Exception as error:  # noqa: BLE001 - see above; KeyboardInterrupt goes through
        return verdict(claim, "it ends with an error", [Difference("", "no error", told(error))])


def _prove_claims(subject: Subject) -> Proof:
    """What the spec claims is what is computed: nothing is proven of one with errors."""
    claims = subject.check.claims
    if not claims:
        why = "they speak of other variables" if subject.overrides else "the spec makes none"
        return not_applicable("claims", why)
    sources = len({claim.source for claim in claims if claim.source})
    text = f"{counted(len(claims), 'published figure')} compared"
    text += f", from {counted(sources, 'source')}" if sources else ""
    return verdict("claims", text)
