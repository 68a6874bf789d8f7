"""The module beside the interpreter: outputs, gradients and statistics, in float64."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn

from archspec.graph.network import Network
from archspec.proof import interpreter
from archspec.proof.call import Call
from archspec.proof.chance import FixedChance
from archspec.proof.semantics import SEMANTICS, Semantics
from archspec.proof.subject import tensors_of
from archspec.proof.weights import in_precision, random_state
from tests.fuzz.facts import named_tensors
from tests.fuzz.failure import Failure

TOLERANCE = 1e-7
LEAST = 1e-2
"""What is far below this may be what rounding leaves of 0, as behind a norm of single numbers."""
MOST = 1e30
"""What is far above this, or no number at all, says nothing."""
BATCH = 2


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
    failures = list(_evaluation(network, module, state, x))
    failures = failures or list(_training(network, module, state, x))
    if failures and all("differ" in f.kind for f in failures) and _is_rough(network, state, x):
        return
    yield from failures


# --- evaluation --------------------------------------------------------------------------------


def _evaluation(
    network: Network, module: nn.Module, state: Mapping[str, Tensor], x: Tensor
) -> Iterator[Failure]:
    module.eval()
    given = x.clone()
    with torch.no_grad():
        try:
            got = tensors_of(module(given))
        except Exception as error:  # noqa: BLE001 - whatever generated code raises is a finding
            yield Failure("cannot be run", f"in evaluation: {_told(error)}")
            return
        try:
            expected = interpreter.interpret(network, state, x, training=False)
        except Exception as error:  # noqa: BLE001 - so are the interpreter's own
            yield Failure("not interpreted", f"in evaluation: {_told(error)}")
            return
    if not torch.equal(given, x):
        yield Failure("input overwritten", "in evaluation")
    if any(not torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items()):
        yield Failure("statistics differ", "in evaluation, which leaves them as they are")
    yield from _outputs("in evaluation", got, list(expected.outputs.values()))


def _outputs(when: str, got: list[Tensor], expected: list[Tensor]) -> Iterator[Failure]:
    if len(got) != len(expected):
        message = f"{when}: number of outputs: {len(got)} instead of {len(expected)}"
        yield Failure("output differs", message)
        return
    for index, (one, other) in enumerate(zip(got, expected, strict=True)):
        if one.shape != other.shape:
            sizes = f"{tuple(one.shape)} instead of {tuple(other.shape)}"
            yield Failure("output differs", f"{when}: the shape of output {index}: {sizes}")
        elif not _is_close(one, other):
            error = _error(one, other)
            yield Failure("output differs", f"{when}: output {index} by {error:.1e}")


def _is_close(one: Tensor, other: Tensor) -> bool:
    if one.numel() == 0:
        return True
    finite = other[other.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 1.0
    return torch.allclose(one, other, TOLERANCE, TOLERANCE * max(scale, LEAST), equal_nan=True)


def _error(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


# --- a step of training ------------------------------------------------------------------------


def _training(
    network: Network, module: nn.Module, state: Mapping[str, Tensor], x: Tensor
) -> Iterator[Failure]:
    module.load_state_dict(state)
    module.train()
    try:
        got = _step_of_module(module, x)
    except _NotRun as error:
        yield Failure(error.kind, f"in training: {_told(error.cause)}")
        return
    try:
        expected = _step_of_network(network, state, x)
    except Exception as error:  # noqa: BLE001 - the interpreter's own fault is a finding as well
        yield Failure("not interpreted", f"in training: {_told(error)}")
        return
    others = list(_outputs("in training", got.outputs, expected.outputs))
    if len(got.outputs) > 1 and got.names != expected.names:
        others.append(Failure("output differs", "in training: the names of the outputs"))
    yield from others or _after(got, expected)


def _after(got: Step, expected: Step) -> Iterator[Failure]:
    """The first gradient that differs, and the first statistics."""
    for name, gradient in got.gradients.items():
        problem = _gradient_problem(gradient, expected.gradients.get(name))
        if problem:
            what = "the input" if name == "" else f"`{name}`"
            yield Failure("gradient differs", f"of {what}: {problem}")
            break
    for name, buffer in got.buffers.items():
        if not _is_close(buffer.double(), expected.buffers[name].double()):
            yield Failure("statistics differ", f"`{name}`")
            break


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


def _step_of_network(network: Network, state: Mapping[str, Tensor], x: Tensor) -> Step:
    trained = {name for name, tensor in named_tensors(network) if tensor.trainable}
    x = x.clone().requires_grad_()
    leaves = {
        name: tensor.clone().requires_grad_() if name in trained else tensor.clone()
        for name, tensor in state.items()
    }
    result = interpreter.interpret(network, leaves, x, training=True)
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


def _gradient_problem(got: Tensor | None, expected: Tensor | None) -> str:
    if got is None or expected is None:
        other = got if expected is None else expected
        if other is None or not bool(other.any()):
            return ""
        return "none where there is one" if got is None else "one where there is none"
    return "" if _is_close(got, expected) else "other numbers"


def _told(error: Exception) -> str:
    first = str(error).strip().split("\n")[0][:200]
    return f"{type(error).__name__}: {first}"


# --- networks whose results are noise ----------------------------------------------------------


def _is_rough(network: Network, state: Mapping[str, Tensor], x: Tensor) -> bool:
    """Whether rounding decides the network's results: then nothing can be compared.

    So it is where numbers grow without end, and where a norm or a softplus divides by 0.
    """
    with torch.no_grad():
        values = interpreter.interpret(network, state, x, training=False).values
    if not all(bool((value.abs() < MOST).all()) for value in values if value is not None):
        return True
    steps = []
    for seed in (1, 2):
        with _noise(seed):
            try:
                steps.append(_step_of_network(network, state, x))
            except Exception:  # noqa: BLE001 - it has been told
                return False
    one, other = steps
    pairs = list(zip(one.outputs, other.outputs, strict=True))
    if not all(_is_close(*pair) for pair in pairs):
        return True
    return any(
        _gradient_problem(one.gradients[name], other.gradients[name]) for name in one.gradients
    )


@contextmanager
def _noise(seed: int) -> Iterator[None]:
    """Inside, every step of the interpreter rounds a little otherwise."""
    generator = torch.Generator().manual_seed(seed)

    def rounded(semantics: Semantics) -> Semantics:
        def compute(op: object, call: Call) -> Tensor:
            value = semantics(op, call)
            noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
            return value * (1 + 1e-14 * noise) + 1e-15 * noise

        return compute

    noisy = {cls: rounded(semantics) for cls, semantics in SEMANTICS.items()}
    with patch.object(interpreter, "SEMANTICS", noisy):
        yield
