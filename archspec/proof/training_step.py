"""One step of training, in numbers: the code beside the interpreter, on the same weights."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import inf, isfinite
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from archspec.ops import show
from archspec.proof.certificate import Difference, Proof, not_applicable, verdict
from archspec.proof.chance import FixedChance
from archspec.proof.interpreter import interpret
from archspec.proof.memory import OwnMemory
from archspec.proof.rounding import LUCK, RUNS, Rounding
from archspec.proof.subject import Effort, Subject, tensors_of
from archspec.proof.weights import in_precision
from archspec.report.figures import counted

CLAIM = "training_step"
BATCH = 2
MOST_PARAMETERS: dict[Effort, float] = {"quick": 50e6, "normal": 200e6, "full": float("inf")}
"""In double precision a parameter takes 24 bytes: itself, and two gradients."""
TOLERANCE = 1e-7
"""Of a tensor's largest number: float64 in two orders of summation, through a hundred layers."""
FAINT = 1e-6
"""Numbers so small beside the largest of their kind are rounding: a bias before batch norm."""

ENLARGED = 100
"""An error so many times what a rounding of the pictures makes is none of rounding."""

FIRST = 1e-4
"""The first module that is so far from what was interpreted is told as the place of a fault."""


class Step(NamedTuple):
    """What one step of training leaves, and what evaluation gives for the same pictures.

    All by name; outputs are called by their place, for a module may name them as it likes. `given`
    are the pictures, which nobody may change.
    """

    outputs: dict[str, Tensor]
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]
    evaluated: dict[str, Tensor]
    given: Tensor

    def kinds(self) -> tuple[dict[str, Tensor], ...]:
        """The tensors by what people call them, those of a kind together."""
        gradients = {f"the gradient of {name}": t for name, t in self.gradients.items()}
        return (
            self.outputs,
            self.evaluated,
            gradients,
            self.buffers,
            {"what it is given": self.given},
        )


def prove_training_step(subject: Subject) -> Proof:
    """Outputs, gradients and running statistics of a step on two pictures are the interpreter's.

    So are the outputs in evaluation. Dropout draws the same fixed numbers on both sides.
    """
    parameters = subject.check.totals.num_params or 0
    if parameters > MOST_PARAMETERS[subject.effort]:
        how = "are left out by --quick" if subject.effort == "quick" else "take --full"
        return not_applicable(CLAIM, f"{counted(parameters, 'parameter')} in numbers {how}")
    missing = list(_missing(subject))
    if missing:
        return verdict(CLAIM, "it holds other tensors than were computed", missing)
    size = subject.trained_size
    x = subject.picture(BATCH, size=size).double()
    weights = in_precision(subject.state, torch.float64)
    expected = _interpreted(subject, weights, x)
    others = list(_others(expected, _executed(subject, weights, x)))
    found, excused = _told_from_rounding(others, subject, weights, x, expected)
    if not {*expected.outputs, *expected.evaluated} - {*excused}:
        why = "the network enlarges its own rounding until nothing can be compared"
        return not_applicable(CLAIM, why)
    numbers = {
        "output": len(expected.outputs),
        "gradient": len(expected.gradients),
        "buffer": len(expected.buffers),
    }
    what = ", ".join(counted(number, noun) for noun, number in numbers.items() if number)
    if found and _is_right_in_own_memory(subject, weights, x, expected):
        why = "PyTorch's own gradient is wrong behind a `permute`; on a copy it is as interpreted"
        return not_applicable(CLAIM, why)
    if found:
        first = _first_other(subject, weights, x)
        where = "" if first is None else f"; the first module to differ is {first}"
        return verdict(CLAIM, f"not all of {what} are as interpreted{where}", found)
    pictures = f"{BATCH} {'pictures' if len(size) == 3 else 'vectors'} of {show(size)}"
    text = f"{what} as interpreted, on {pictures} (float64)"
    if excused:
        text += f"; but for rounding, which is enlarged in {_shortened(excused)}"
    return verdict(CLAIM, text)


def _is_right_in_own_memory(
    subject: Subject, weights: Mapping[str, Tensor], x: Tensor, expected: Step
) -> bool:
    """Whether nothing is wrong where what is turned round is copied."""
    with OwnMemory():
        executed = _executed(subject, weights, x)
    return not list(_others(expected, executed))


def _shortened(places: Sequence[str]) -> str:
    more = len(places) - 1
    return places[0] if not more else f"{places[0]} and {counted(more, 'more place')}"


def _missing(subject: Subject) -> Iterator[Difference]:
    """The tensors computed that the code has not, or has in another shape."""
    held = subject.state
    for name, tensor in subject.tensors.items():
        got = show(held[name].shape) if name in held else "no such tensor"
        if got != show(tensor.shape):
            yield Difference(name, show(tensor.shape), got)


def _leaves(subject: Subject, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, of which the trained ones want gradients."""
    trained = subject.trained
    return {name: t.detach().requires_grad_(name in trained) for name, t in weights.items()}


def _interpreted(
    subject: Subject, weights: Mapping[str, Tensor], x: Tensor, rounding: Rounding | None = None
) -> Step:
    """What the network is, by the meaning of its ops."""
    leaves = _leaves(subject, weights)
    run = interpret(subject.network, leaves, x, training=True, rounding=rounding)
    outputs = list(run.outputs.values())
    wanted = {name: leaves[name] for name in sorted(subject.trained)}
    gradients = _gradients(outputs, wanted)
    held = {name: weights[name] for name in weights if name not in wanted}
    evaluated = _evaluated(subject, weights, x, rounding)
    return Step(_placed(outputs), gradients, {**held, **run.buffers}, evaluated, x)


def _evaluated(
    subject: Subject, weights: Mapping[str, Tensor], x: Tensor, rounding: Rounding | None
) -> dict[str, Tensor]:
    """What the network gives back in evaluation, by the meaning of its ops."""
    with torch.no_grad():
        run = interpret(subject.network, weights, x, training=False, rounding=rounding)
    return _placed(list(run.outputs.values()), "evaluation: ")


def _executed(subject: Subject, weights: Mapping[str, Tensor], x: Tensor) -> Step:
    """What the code does."""
    buffers = {name for name in weights if name not in subject.trained}
    copies = {name: t.clone() if name in buffers else t for name, t in weights.items()}
    chance = _without_chance(subject)
    given = x.clone()
    with subject.filled(copies) as network:
        with chance, torch.no_grad():
            evaluated = _named(subject, network(given))
        network.train()
        with chance:
            outputs = _named(subject, network(given))
        found = dict(network.named_parameters(remove_duplicate=False))
        wanted = {name: found[name] for name in sorted(subject.trained) if name in found}
        gradients = _gradients(outputs, wanted)
        held = {name: t for name, t in network.state_dict().items() if name not in found}
    return Step(_placed(outputs), gradients, held, _placed(evaluated, "evaluation: "), given)


def _named(subject: Subject, result: Any) -> list[Tensor]:
    """What a call gave, in the order of the network's outputs where it names them as these are."""
    names = list(subject.network.outputs)
    given = result._asdict() if hasattr(result, "_asdict") else result
    if isinstance(given, Mapping) and {*given} == {*names}:
        given = [given[name] for name in names]
    return tensors_of(given)


def _without_chance(subject: Subject) -> AbstractContextManager[object]:
    """Chance taken out where the network has any: it costs each call some time.

    Code that draws where the network does not is found to be another.
    """
    ops = (module.op for module in subject.network.modules)
    draws = any(op is not None and op.role == "dropout" for op in ops)
    return FixedChance() if draws else nullcontext()


def _placed(outputs: list[Tensor], where: str = "") -> dict[str, Tensor]:
    """Outputs by their place: the first is the one of evaluation."""
    names = ("the output", *(f"output {number}" for number in range(2, len(outputs) + 1)))
    return {f"{where}{name}": o.detach() for name, o in zip(names, outputs, strict=False)}


def _gradients(outputs: list[Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a weighted sum of all outputs, in which every number counts otherwise."""
    if not wanted or not any(output.requires_grad for output in outputs):
        return {}
    generator = torch.Generator().manual_seed(1)
    draws = (torch.randn(o.shape, generator=generator, dtype=o.dtype) for o in outputs)
    loss = torch.stack([(o * w).sum() for o, w in zip(outputs, draws, strict=True)]).sum()
    found: Sequence[Tensor | None] = torch.autograd.grad(
        loss, list(wanted.values()), allow_unused=True
    )
    pairs = zip(wanted, found, strict=True)
    return {name: gradient for name, gradient in pairs if gradient is not None}


class Other(NamedTuple):
    """A tensor that is not as interpreted, and how far they are apart: its largest being 1.

    Infinitely far where only one of them has a number; `comparable` is false where there is no
    such tensor, or one of another shape.
    """

    where: str
    expected: str
    got: str
    apart: float = inf
    comparable: bool = False


def _others(expected: Step, got: Step, tolerance: float = TOLERANCE) -> Iterator[Other]:
    """What is not the same in two steps."""
    for wanted, found in zip(expected.kinds(), got.kinds(), strict=True):
        largest = max((float(t.abs().max()) for t in wanted.values() if t.numel()), default=0.0)
        for where in {**wanted, **found}:
            faint = FAINT * largest
            for other in _compare(where, wanted.get(where), found.get(where), faint):
                if other.apart > tolerance:
                    yield other


def _compare(
    where: str, wanted: Tensor | None, found: Tensor | None, faint: float
) -> Iterator[Other]:
    if wanted is None or found is None:
        yield Other(where, _told(wanted), _told(found))
    elif wanted.shape != found.shape:
        yield Other(where, show(wanted.shape), show(found.shape))
    elif wanted.numel():
        apart, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
        if not isfinite(apart + largest):
            same = (wanted == found) | (wanted.isnan() & found.isnan())
            apart = float(torch.where(same, 0, found - wanted).abs().nan_to_num(inf).max())
            largest = float(wanted.abs().nan_to_num(0, 0).max())
        error = apart / max(largest, faint, 1e-30)
        if error:
            told = f"others, apart by {error:.1e}"
            yield Other(where, "the same numbers", told, error, comparable=True)


def _told(tensor: Tensor | None) -> str:
    return "none" if tensor is None else "one"


def _told_from_rounding(
    others: Sequence[Other],
    subject: Subject,
    weights: Mapping[str, Tensor],
    x: Tensor,
    expected: Step,
) -> tuple[list[Difference], list[str]]:
    """What is another number, and where the network makes as much out of a mere rounding.

    Pictures that differ by a rounding show how much that is, and where that does not tell them
    apart, as behind a norm of single numbers, steps that do.
    """
    if not others:
        return [], []
    evaluated_only = all(other.where in expected.evaluated for other in others)

    def again(pictures: Tensor, rounding: Rounding | None = None) -> Step:
        if not evaluated_only:
            return _interpreted(subject, weights, pictures, rounding)
        return expected._replace(evaluated=_evaluated(subject, weights, pictures, rounding))

    nearby = again(x * (1 + 4 * torch.finfo(x.dtype).eps))
    bounds = {other.where: ENLARGED * other.apart for other in _others(expected, nearby, 0.0)}
    for seed in range(RUNS):
        if all(_is_within(other, bounds) for other in others):
            break
        rounded = again(x, Rounding(seed))
        for other in _others(expected, rounded, 0.0):
            bounds[other.where] = max(bounds.get(other.where, 0.0), LUCK * other.apart)
    left = [other for other in others if not _is_within(other, bounds)]
    excused = [other.where for other in others if _is_within(other, bounds)]
    return [Difference(o.where, o.expected, o.got) for o in left], excused


def _is_within(other: Other, bounds: Mapping[str, float]) -> bool:
    """Whether rounding takes a tensor as far; no tensor at all, or of another shape, is a fault."""
    return other.comparable and other.apart <= bounds.get(other.where, 0.0)


def _first_other(subject: Subject, weights: Mapping[str, Tensor], x: Tensor) -> str | None:
    """The first node whose module puts out something else in training, if there is one."""
    given: dict[str, Tensor] = {}
    network = subject.with_state({name: t.clone() for name, t in weights.items()}).train()
    for path, module in network.named_modules():

        def keep(_: nn.Module, __: Any, output: Any, path: str = path) -> None:
            if isinstance(output, Tensor):
                given.setdefault(path, output.clone())  # the next step may overwrite it

        module.register_forward_hook(keep)
    with torch.no_grad(), _without_chance(subject):
        network(x.clone())
        values = interpret(subject.network, weights, x, training=True).values
    for node, value in zip(subject.network.nodes, values, strict=True):
        got = given.get(node.path)
        if got is None:
            continue
        if any(other.apart > FIRST for other in _compare(node.path, value, got, 0.0)):
            return node.path
    return None
