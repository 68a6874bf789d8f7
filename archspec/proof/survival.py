"""The code survives what people do to networks: it is traced, exported, copied, and pickled."""

import copy
import importlib
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, fx, nn

from archspec.api import write
from archspec.graph.arriving import SIZES
from archspec.graph.build import build as build_network
from archspec.graph.words import words_in
from archspec.ops import show
from archspec.proof.beginnings import prove_beginnings
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.constants import prove_constants
from archspec.proof.making import ShapesOnly, assign
from archspec.proof.structure import prove_parameters, prove_shapes
from archspec.proof.subject import Subject, imported, tensors_of
from archspec.proof.weights import in_precision
from archspec.report.figures import counted

TOLERANCE = 1e-4
"""Of the largest output, where sums may be taken in another order."""
MOST_IN_A_HURRY = 250e6
"""With so many parameters `--quick` does not run a network six times, nor copy it."""
MANY_IN_A_HURRY = 3000
"""Nor with so many steps: each costs a little time, whatever its size is."""


class Trial:
    """The network with random weights, a picture, and what it makes of that.

    In float32; in float64 where the network enlarges its own rounding, as a chaotic map does.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.state = subject.state
        self.x = subject.picture()
        self.network = subject.with_state(self.state)
        self.expected = self.run(self.network)
        nearby = self.run(self.network, self.x * (1 + 4 * torch.finfo(self.x.dtype).eps))
        if next(self.compare(nearby, TOLERANCE / 10), None) is not None:
            self.state = in_precision(self.state, torch.float64)
            self.x = self.x.double()
            assign(self.network, self.state)
            self.expected = self.run(self.network)

    def run(self, network: Callable[[Tensor], object], x: Tensor | None = None) -> list[Tensor]:
        """What a network puts out for the picture."""
        with torch.no_grad():
            return tensors_of(network((self.x if x is None else x).clone()))

    def compare(self, outputs: list[Tensor], tolerance: float = 0.0) -> Iterator[Difference]:
        """Where outputs differ from the network's own."""
        if len(outputs) != len(self.expected):
            wanted = counted(len(self.expected), "output")
            yield Difference("", wanted, counted(len(outputs), "output"))
            return
        for index, (got, expected) in enumerate(zip(outputs, self.expected, strict=True)):
            where = "the output" if len(outputs) == 1 else f"output {index}"
            if got.shape != expected.shape:
                yield Difference(where, show(expected.shape), show(got.shape))
                continue
            scale = expected.abs().max().clamp(min=1e-30)
            error = float(((got - expected).abs().max() / scale).nan_to_num(float("inf")))
            if error > tolerance:
                yield Difference(where, "the same numbers", f"others, apart by {error:.1e}")


def prove_trace(trial: Trial) -> Proof:
    """`torch.fx.symbolic_trace` reads the forward pass; the graph computes the same."""
    traced = fx.symbolic_trace(trial.network)
    steps = sum(1 for node in traced.graph.nodes if node.op.startswith("call"))
    found = trial.compare(trial.run(traced))
    return verdict("symbolic_trace", f"{counted(steps, 'step')}, the same output", found)


def prove_export(trial: Trial) -> Proof:
    """`torch.export.export` takes all of the network; its program computes the same."""
    if trial.subject.effort == "quick":
        return not_applicable("export", "left out by --quick")
    with _third_party_warnings():
        program = torch.export.export(trial.network, (trial.x,))
        outputs = trial.run(program.module())
    found = trial.compare(outputs, TOLERANCE)
    return verdict("export", "one whole program, the same output", found)


def prove_copy(trial: Trial) -> Proof:
    """`copy.deepcopy` gives a network that computes the same and shares no tensor."""
    copied = copy.deepcopy(trial.network)
    found = list(trial.compare(trial.run(copied)))
    own = {tensor.data_ptr(): name for name, tensor in trial.network.state_dict().items()}
    for name, tensor in copied.state_dict().items():
        if tensor.numel() and tensor.data_ptr() in own:
            found.append(Difference(name, "a tensor of its own", "one that the original has"))
    return verdict("deepcopy", "the same output, no tensor shared", found)


def prove_pickle(trial: Trial) -> Proof:
    """A pickled network comes back once its module is imported anew, and computes the same."""
    subject = trial.subject
    data = pickle.dumps(subject.unfilled())
    with _imported_anew(subject):
        network: nn.Module = pickle.loads(data)  # noqa: S301 - written on the line before
    assign(network, trial.state)
    found = list(trial.compare(trial.run(network.eval())))
    return verdict("pickle", "read by a new import of the module, the same output", found)


def prove_alone(trial: Trial) -> Proof:
    """The module that is written of a member alone, without its family, is the same network.

    It is what `archspec.build` and training take.
    """
    claim, subject = "alone", trial.subject
    if subject.check.variant is None:
        return not_applicable(claim, "it is no member of a family")
    if not subject.generated:
        return not_applicable(claim, "the module on trial was given")
    with imported(write(subject.check)) as (module, folder):
        alone = subject.written_as(module, folder)
        compared = (prove_beginnings, prove_parameters, prove_constants, prove_shapes)
        proofs = [prove(alone) for prove in compared]
        found = [difference for proof in proofs for difference in proof.differences]
        found += trial.compare(trial.run(alone.with_state(trial.state))) if not found else ()
    return verdict(claim, "the same tensors, constants, beginnings, shapes and output", found)


@contextmanager
def _imported_anew(subject: Subject) -> Iterator[None]:
    name = subject.module.__name__
    sys.path.insert(0, str(subject.folder))
    del sys.modules[name]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(subject.folder))
        sys.modules[name] = subject.module


def prove_channels_last(trial: Trial) -> Proof:
    """With `torch.channels_last` the network computes the same."""
    claim = "channels_last"
    if trial.x.dim() != 4:
        return not_applicable(claim, "the input is no picture")
    with trial.subject.filled(trial.state) as network:
        network.to(memory_format=torch.channels_last)
        outputs = trial.run(network, trial.x.to(memory_format=torch.channels_last))
    return verdict(claim, "the same output", trial.compare(outputs, TOLERANCE))


def prove_other_size(subject: Subject) -> Proof:
    """A larger input gives the shape that is computed for it, where the network takes one."""
    claim = "another_size"
    if len(subject.input_shape) != 3:
        return not_applicable(claim, "the input is no picture")
    if not words_in(subject.network.spec).isdisjoint(SIZES):
        return not_applicable(claim, "its rows follow from the size of the pictures")
    channels, height, width = subject.input_shape
    larger = (channels, height + 32, width + 64)
    if subject.accepts(larger) is not None:
        return not_applicable(claim, f"it takes pictures of {height}×{width} only")
    spec = subject.network.spec._replace(input=list(larger))
    network, _ = build_network(spec, subject.overrides)
    computed = network.shape_of(network.output)
    with torch.no_grad(), ShapesOnly():
        output = tensors_of(subject.meta(torch.empty(1, *larger, device="meta")))[0]
    got = tuple(output.shape[1:])
    if computed is None:
        return not_applicable(claim, f"nothing is computed for {show(larger)}")
    found = [] if got == computed else [Difference("the output", show(computed), show(got))]
    return verdict(claim, f"{show(larger)} → {show(computed)}, as computed", found)


def prove_compile(trial: Trial) -> Proof:
    """`torch.compile(fullgraph=True)` takes the network without a break."""
    if trial.subject.effort != "full":
        return not_applicable("compile", "slow: only with --full")
    with _third_party_warnings():
        compiled = torch.compile(trial.network, fullgraph=True)
        outputs = trial.run(compiled)
    torch.compiler.reset()
    found = trial.compare(outputs, TOLERANCE)
    return verdict("compile", "one graph without a break, the same output", found)


@contextmanager
def _third_party_warnings() -> Iterator[None]:
    """Ignore warnings inside: torch's compilers warn of their own internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_STEPS: tuple[tuple[str, Callable[[Trial], Proof]], ...] = (
    ("symbolic_trace", prove_trace),
    ("export", prove_export),
    ("deepcopy", prove_copy),
    ("pickle", prove_pickle),
    ("channels_last", prove_channels_last),
    ("alone", prove_alone),
)


class Survival:
    """The proofs that share one trial, each as a function of the subject."""

    def __init__(self) -> None:
        self._trial: Trial | None = None

    def steps(self) -> Iterator[tuple[str, Callable[[Subject], Proof]]]:
        """The name of each claim, and what proves it."""
        for claim, prove in _STEPS:
            yield claim, partial(self._prove, claim, prove)
        yield "another_size", prove_other_size
        yield "compile", partial(self._prove, "compile", prove_compile)

    def _prove(self, claim: str, prove: Callable[[Trial], Proof], subject: Subject) -> Proof:
        parameters, steps = subject.check.totals.num_params or 0, len(subject.network.nodes)
        in_a_hurry = subject.effort == "quick"
        if in_a_hurry and (parameters > MOST_IN_A_HURRY or steps > MANY_IN_A_HURRY):
            many = parameters > MOST_IN_A_HURRY
            what = counted(parameters, "parameter") if many else counted(steps, "step")
            return not_applicable(claim, f"left out by --quick, of {what}")
        if self._trial is None:
            self._trial = Trial(subject)
        return prove(self._trial)
