"""The network against torchvision's: the same tensors by name, and the same outputs for them."""

import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from archspec.ops import show
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.making import made_on_meta, with_state
from archspec.proof.subject import State, Subject, tensors_of, told
from archspec.proof.weights import in_precision
from archspec.report.figures import counted

CLAIM = "reference"
TOLERANCE = 1e-4
"""Of the largest output: float32 in two orders of summation, through a hundred layers."""
SENSITIVITY = 1e-3
"""Outputs for two inputs that differ by less than this would show nothing."""


def prove_reference(subject: Subject) -> Proof:
    """The reference's state_dict loads strictly, and with it both compute the same outputs.

    The weights and all statistics are random. Only torchvision's own constructors are called.
    """
    named = getattr(subject.network.spec, "reference", None)
    if named is None:
        return not_applicable(CLAIM, "the spec names none")
    if subject.overrides:
        return not_applicable(CLAIM, f"{named} has the spec's own variables")
    library, _, model = str(named).partition("/")
    if library != "torchvision":
        return not_applicable(CLAIM, f"{named}: only torchvision/NAME can be compared with")
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch
        why = f"{named} needs torchvision: pip install 'archspec[vision]' ({told(error)})"
        return not_applicable(CLAIM, why)
    if model not in models.list_models(module=models):
        found = Difference("reference", "a model of torchvision.models", model)
        return verdict(CLAIM, f"torchvision has no model {model}", [found])
    return _compare(subject, models, model)


def _compare(subject: Subject, models: ModuleType, model: str) -> Proof:
    def construct() -> nn.Module:
        with warnings.catch_warnings():
            # googlenet and inception_v3 announce another initialisation; nothing of it is used.
            warnings.simplefilter("ignore", FutureWarning)
            network: nn.Module = models.get_model(model, weights=None)
        return network

    theirs = made_on_meta(construct).state_dict()
    found = _differing(subject.state, theirs)
    if found:
        text = f"torchvision/{model} has {counted(len(found), 'other tensor')}"
        return verdict(CLAIM, text, found)
    text = f"torchvision/{model}: its {counted(len(theirs), 'tensor')} load strictly"
    x = subject.picture(batch=2)
    for dtype in (torch.float32, torch.float64):
        state = in_precision(subject.state, dtype)
        expected = _output(with_state(construct, state), x.to(dtype))
        got = _output(subject.with_state(state), x.to(dtype))
        if got.shape != expected.shape:
            shapes = Difference("the output", show(expected.shape), show(got.shape))
            return verdict(CLAIM, f"{text}, but the outputs are of another shape", [shapes])
        error = _relative(got, expected)
        if error <= TOLERANCE:
            break  # where float32 differs by more, rounding is to be told from another network
    if not expected.isfinite().all() or _relative(expected[:1], expected[1:]) < SENSITIVITY:
        why = f"{text}, but with random weights it puts out the same for every input"
        return not_applicable(CLAIM, why)
    precision = "float32" if dtype is torch.float32 else "float64"
    size = "×".join(map(str, subject.size[1:]))
    if not error <= TOLERANCE:
        largest = Difference("the outputs", f"within {TOLERANCE:.0e}", f"apart by {error:.1e}")
        return verdict(CLAIM, f"{text}, but it puts out something else", [largest])
    same = f"apart by {error:.0e} of the largest" if error else "the same to the bit"
    return verdict(CLAIM, f"{text}; outputs for {size} are {same} ({precision})")


def _differing(ours: State, theirs: dict[str, Any]) -> list[Difference]:
    def spell(state: dict[str, Any], name: str) -> str:
        return show(state[name].shape) or "one number" if name in state else "no such tensor"

    return [
        Difference(name, spell(theirs, name), spell(ours, name))
        for name in {**theirs, **ours}
        if spell(theirs, name) != spell(ours, name)
    ]


def _output(network: nn.Module, x: Tensor) -> Tensor:
    """The first output, in evaluation."""
    with torch.no_grad():
        return tensors_of(network(x.clone()))[0]


def _relative(got: Tensor, expected: Tensor) -> float:
    """The largest difference, as a part of the largest number expected."""
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
