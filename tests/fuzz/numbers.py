"""The module beside the interpreter: outputs, gradients and statistics, in float64."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from archspec.graph.network import Network
from archspec.proof.chance import FixedChance
from archspec.proof.interpreter import interpret
from archspec.proof.memory import OwnMemory
from archspec.proof.rounding import Rounding
from archspec.proof.subject import tensors_of
from archspec.proof.weights import in_precision, random_state
from tests.fuzz.facts import named_tensors
from tests.fuzz.failure import Failure, told
from tests.fuzz.rounding import Numbers, roundings

TOLERANCE = 1e-7
LEAST = 1e-2
"""What is far below this may be what rounding leaves of 0, as behind a norm of single numbers."""
BATCH = 2


class Other(NamedTuple):
    """Something that is not as interpreted; of numbers, whose they are and how far they are off."""

    failure: Failure
    place: str = ""
    error: float = 0.0


class Step(NamedTuple):
    """What one step of training leaves: outputs and their names, gradients by name, buffers."""

    outputs: list[Tensor]
    names: tuple[str, ...]
    gradients: dict[str, Tensor | None]
    buffers: dict[str, Tensor]


def compare(network: Network, module: nn.Module) -> Iterator[Failure]:
    """What differs between a network and the module that claims to be it."""
    state = in_precision(random_state(module), torch.float64)
    module.double().load_state_dict(state)
    assert network.input_shape is not None
    generator = torch.Generator().manual_seed(1)
    shape = (BATCH, *network.input_shape)
    x = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    others = list(_evaluation(network, module, state, x))
    if not _faults(others, network, state, x):
        others = list(_training(network, module, state, x))
    yield from _faults(others, network, state, x)


def _faults(
    others: list[Other], network: Network, state: Mapping[str, Tensor], x: Tensor
) -> list[Failure]:
    """What is wrong, the first of each kind; numbers as far off as rounding takes them are not."""
    bounds: Mapping[str, float] = {}
    if any(other.place for other in others):
        bounds = roundings(network, state, x, _interpreted)
    wrong = (o.failure for o in others if not o.place or o.error > bounds[o.place])
    return list({failure.kind: failure for failure in reversed(list(wrong))}.values())


def _interpreted(
    network: Network, state: Mapping[str, Tensor], x: Tensor, rounding: Rounding | None
) -> Numbers:
    """All numbers that are compared, by their places."""
    with torch.no_grad():
        run = interpret(network, state, x, training=False, rounding=rounding)
    evaluated, step = run.outputs.values(), _step_of_network(network, state, x, rounding)
    numbers = _placed("in evaluation", list(evaluated)) | _placed("in training", step.outputs)
    numbers |= {f"gradient {name}": g for name, g in step.gradients.items() if g is not None}
    return numbers | {f"buffer {name}": buffer for name, buffer in step.buffers.items()}


def _placed(when: str, outputs: list[Tensor]) -> dict[str, Tensor]:
    return {f"{when}: output {index}": output for index, output in enumerate(outputs)}


# --- evaluation --------------------------------------------------------------------------------


def _evaluation(
    network: Network, module: nn.Module, state: Mapping[str, Tensor], x: Tensor
) -> Iterator[Other]:
    module.eval()
    given = x.clone()
    with torch.no_grad():
        try:
            got = tensors_of(module(given))
        except Exception as error:  # noqa: BLE001 - whatever generated code raises is a finding
            yield Other(Failure("cannot be run", f"in evaluation: {told(error)}"))
            return
        try:
            expected = interpret(network, state, x, training=False)
        except Exception as error:  # noqa: BLE001 - so are the interpreter's own
            yield Other(Failure("not interpreted", f"in evaluation: {told(error)}"))
            return
    if not torch.equal(given, x):
        yield Other(Failure("input overwritten", "in evaluation"))
    if any(not torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items()):
        yield Other(Failure("statistics differ", "in evaluation, which leaves them as they are"))
    yield from _outputs("in evaluation", got, list(expected.outputs.values()))


def _outputs(when: str, got: list[Tensor], expected: list[Tensor]) -> Iterator[Other]:
    if len(got) != len(expected):
        message = f"{when}: number of outputs: {len(got)} instead of {len(expected)}"
        yield Other(Failure("output differs", message))
        return
    pairs = zip(_placed(when, got).items(), expected, strict=True)
    for (place, one), other in pairs:
        if one.shape != other.shape:
            sizes = f"{tuple(one.shape)} instead of {tuple(other.shape)}"
            yield Other(Failure("output differs", f"{place} has another shape: {sizes}"))
        elif not _is_close(one, other):
            error = _error(one, other)
            yield Other(Failure("output differs", f"{place} by {error:.1e}"), place, error)


def _is_close(one: Tensor, other: Tensor) -> bool:
    if one.numel() == 0:
        return True
    finite = other[other.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 1.0
    return torch.allclose(one, other, TOLERANCE, TOLERANCE * max(scale, LEAST), equal_nan=True)


def _error(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().nan_to_num(torch.inf).max())


# --- a step of training ------------------------------------------------------------------------


def _training(
    network: Network, module: nn.Module, state: Mapping[str, Tensor], x: Tensor
) -> Iterator[Other]:
    module.load_state_dict(state)
    module.train()
    try:
        got = _step_of_module(module, x)
    except _NotRun as error:
        yield Other(Failure(error.kind, f"in training: {told(error.cause)}"))
        return
    try:
        expected = _step_of_network(network, state, x)
    except Exception as error:  # noqa: BLE001 - the interpreter's own fault is a finding as well
        yield Other(Failure("not interpreted", f"in training: {told(error)}"))
        return
    yield from _outputs("in training", got.outputs, expected.outputs)
    if len(got.outputs) > 1 and got.names != expected.names:
        yield Other(Failure("output differs", "in training: the names of the outputs"))
    differing = list(_after(got, expected))
    if differing:
        module.load_state_dict(state)
        with OwnMemory():
            again = _step_of_module(module, x)
        if not list(_after(again, expected)):
            return  # PyTorch's own fault
    yield from differing


def _after(got: Step, expected: Step) -> Iterator[Other]:
    """The gradients that differ, and the statistics."""
    for name, gradient in got.gradients.items():
        problem = _gradient_problem(gradient, expected.gradients.get(name))
        if problem is not None:
            what = "the input" if name == "" else f"`{name}`"
            message, error = problem
            failure = Failure("gradient differs", f"of {what}: {message}")
            yield Other(failure, f"gradient {name}", error)
    for name, buffer in got.buffers.items():
        one, other = buffer.double(), expected.buffers[name].double()
        if not _is_close(one, other):
            failure = Failure("statistics differ", f"`{name}`")
            yield Other(failure, f"buffer {name}", _error(one, other))


class _NotRun(Exception):
    def __init__(self, kind: str, cause: Exception) -> None:
        super().__init__(kind)
        self.kind = kind
        self.cause = cause


def _step_of_module(module: nn.Module, x: Tensor) -> Step:
    x = x.clone().requires_grad_()
    module.zero_grad(set_to_none=True)
    with FixedChance():
        try:
            result = module(x)
            outputs = tensors_of(result)
        except Exception as error:
            raise _NotRun("cannot be run", error) from error
        try:
            _weighed(outputs).backward()  # type: ignore[no-untyped-call]  # torch's own
        except Exception as error:
            raise _NotRun("cannot be differentiated", error) from error
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    buffers = {name: b for name, b in module.state_dict().items() if name not in gradients}
    names = getattr(result, "_fields", ())
    return Step([o.detach() for o in outputs], names, {"": x.grad, **gradients}, buffers)


def _step_of_network(
    network: Network, state: Mapping[str, Tensor], x: Tensor, rounding: Rounding | None = None
) -> Step:
    trained = {name for name, tensor in named_tensors(network) if tensor.trainable}
    x = x.clone().requires_grad_()
    leaves = {
        name: tensor.clone().requires_grad_() if name in trained else tensor.clone()
        for name, tensor in state.items()
    }
    result = interpret(network, leaves, x, training=True, rounding=rounding)
    outputs = list(result.outputs.values())
    _weighed(outputs).backward()  # type: ignore[no-untyped-call]  # torch's own
    gradients = {name: leaves[name].grad for name in trained}
    kept = {name: tensor for name, tensor in leaves.items() if name not in trained}
    outputs = [output.detach() for output in outputs]
    names = tuple(result.outputs)
    return Step(outputs, names, {"": x.grad, **gradients}, {**kept, **result.buffers})


def _weighed(outputs: list[Tensor]) -> Tensor:
    """One number that depends on every element of every output in its own way."""
    generator = torch.Generator().manual_seed(2)
    total = torch.zeros((), dtype=torch.float64)
    for output in outputs:
        weights = torch.randn(output.shape, generator=generator, dtype=torch.float64)
        total = total + (output * weights).sum()
    if not total.requires_grad:  # a network without parameters that cuts its input off
        total = total.clone().requires_grad_()
    return total


def _gradient_problem(got: Tensor | None, expected: Tensor | None) -> tuple[str, float] | None:
    """What is wrong with a gradient, and how far it is off; none is as good as one of zeros."""
    if got is None or expected is None:
        other = got if expected is None else expected
        if other is None or not bool(other.any()):
            return None
        problem = "none where there is one" if got is None else "one where there is none"
        return problem, _error(other, torch.zeros_like(other))
    return None if _is_close(got, expected) else ("other numbers", _error(got, expected))
