"""The code called with other arguments, compared with the check of these very values."""

from collections.abc import Iterator
from inspect import Parameter, signature
from itertools import islice

from archspec.api import Check, check
from archspec.proof.beginnings import prove_beginnings
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.constants import prove_constants
from archspec.proof.structure import prove_parameters, prove_shapes
from archspec.proof.subject import Subject, told

CLAIM = "arguments"
MOST = 4
"""So many arguments are tried, `num_classes` first."""
NEAR = 4
"""Numbers that are off by so much at most are tried before others."""


def prove_arguments(subject: Subject) -> Proof:
    """With another value of an argument, the code is the network that the spec means with it.

    Arguments are tried that are numbers and bear the name of one of the spec's variables. Shapes,
    parameters, constants and beginnings are compared, for a larger value and for a smaller one;
    `quick` for the larger one alone.
    """
    found: list[Difference] = []
    tried: list[str] = []
    for name, value in _open_arguments(subject):
        both = 1 if subject.effort == "quick" else 2
        for others in islice(_others(value), both):
            for other in others:
                checked = _checked(subject, name, other)
                if checked is not None:
                    tried.append(f"{name}={other}")
                    found += _differences(subject.called_with(checked, {name: other}), tried[-1])
                    break
    if not tried:
        return not_applicable(CLAIM, "none is a number that a variable of the spec gives")
    if found:
        return verdict(CLAIM, f"called with {', '.join(tried)} it is another network", found)
    what = "the shapes, parameters, constants and beginnings computed for that"
    return verdict(CLAIM, f"called with {', '.join(tried)}: {what}")


def _open_arguments(subject: Subject) -> list[tuple[str, float]]:
    """Arguments with a number as default that is the value of a variable of that name."""
    known = subject.network.vars
    found = [
        (name, argument.default)
        for name, argument in signature(subject.maker).parameters.items()
        if argument.kind is not Parameter.VAR_KEYWORD
        and type(argument.default) in (int, float)
        and name in known
        and name not in subject.overrides
    ]
    return sorted(found, key=lambda item: item[0] != "num_classes")[:MOST]


def _others(value: float) -> Iterator[list[float]]:
    """Larger numbers and smaller ones, of each the first that the spec takes; whole ones of whole.

    The nearest come first: a half or a double is divided by what the number itself is divided by.
    """
    if isinstance(value, int):
        yield [*(value + more for more in range(1, NEAR + 1)), 2 * value]
        if value > 1:
            yield [*(value - less for less in range(1, min(NEAR, value - 1) + 1)), value // 2]
    else:
        yield [(1 + value) / 2] if 0 <= value < 1 else [1.5 * value]
        yield [value / 2] if value else []


def _checked(subject: Subject, name: str, value: float) -> Check | None:
    """The check with another value; None where the spec takes no such value."""
    spec = subject.check.file
    spec += "" if subject.check.variant is None else f":{subject.check.variant}"
    checked = check(spec, {**subject.overrides, name: value})
    return checked if checked.ok else None


def _differences(subject: Subject, called: str) -> Iterator[Difference]:
    # Beginnings come first: they leave a network to the others.
    for prove in (prove_beginnings, prove_parameters, prove_constants, prove_shapes):
        try:
            proof = prove(subject)
        except Exception as error:  # noqa: BLE001 - what a faulty module raises is a finding
            yield Difference(called, "no error", told(error))
            return
        for difference in proof.differences:
            yield difference._replace(where=f"{called}: {difference.where}")
