"""The modules of a trained network by name, and what comes out of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from archspec.train.errors import TrainError

Keep = Callable[[str, Tensor], Tensor | None]


@dataclass(frozen=True)
class Layer:
    """A module that runs when a picture is looked at, and the shape of its output, without batch.

    A module inside of which others run is no `leaf`.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    leaf: bool


def list_layers(network: nn.Module, images: Tensor) -> list[Layer]:
    """All modules that run, in the order of `named_modules`; one that runs often, at its last."""
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(name: str, output: Tensor) -> None:
        shapes[name] = tuple(output.shape[1:])

    modules = {name: module for name, module in network.named_modules() if name}
    with watched(network, modules, keep), torch.inference_mode():
        network.eval()(images)
    return [
        Layer(name, type(module).__name__, shapes[name], leaf=not any(module.children()))
        for name, module in modules.items()
        if name in shapes
    ]


@contextmanager
def watched(network: nn.Module, names: Iterable[str], keep: Keep) -> Iterator[None]:
    """Hand the outputs of the named modules to `keep` while the block runs.

    What `keep` returns, if anything, goes on through the network in the output's place.
    """
    modules = dict(network.named_modules())
    hooks = []
    for name in names:

        def look(_: nn.Module, __: object, output: object, name: str = name) -> Tensor | None:
            return keep(name, output) if isinstance(output, Tensor) else None

        hooks.append(modules[name].register_forward_hook(look))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _EnoughError(Exception):
    """Ends a forward pass behind the module that was asked for."""


def run_to(network: nn.Module, images: Tensor, name: str) -> Tensor:
    """The output of the module `name`, as it leaves it: a later step in place does not reach it."""
    found: list[Tensor] = []

    def keep(_: str, output: Tensor) -> None:
        found.append(output)
        raise _EnoughError

    with watched(network, [name], keep), suppress(_EnoughError):
        network.eval()(images)
    if not found:
        raise TrainError(f"{name} does not run when a picture is looked at", exit_code=2)
    return found[0]


def find_layer(layers: Sequence[Layer], name: str, steps: Sequence[str] = ()) -> Layer:
    """The layer of that name; raises TrainError with the nearest names where there is none.

    `steps` are names that a spec has for what its code may do without a module.
    """
    found = {layer.name: layer for layer in layers}
    if name in found:
        return found[name]
    hint = _hint(layers, name)
    if name in steps:
        raise TrainError(
            f"{name} is a step of forward and no module of its own: what it computes cannot be "
            f"looked at by name; {hint}",
            exit_code=2,
        )
    raise TrainError(
        f"the network has no module {name!r}; functions that forward calls (F.relu, torch.flatten, "
        f"+) have no name: {hint}",
        exit_code=2,
    )


def _hint(layers: Sequence[Layer], name: str) -> str:
    """What may have been meant: modules of that kind, with that ending, or of nearly that name."""
    names = [layer.name for layer in layers]
    alike = [layer.name for layer in layers if name.lower() == layer.kind.lower()]
    alike = alike or [other for other in names if other.endswith(f".{name}")]
    alike = alike or get_close_matches(name, names, n=3, cutoff=0.5)
    if alike:
        return f"did you mean {' or '.join(alike[:3])}?"
    leaves = [layer.name for layer in layers if layer.leaf]
    return f"there are {', '.join(leaves[:12])}{', …' if len(leaves) > 12 else ''}"


def last_convolution(network: nn.Module, layers: Sequence[Layer]) -> Layer:
    """The last convolution that gives maps; raises TrainError where there is none."""
    modules = dict(network.named_modules())
    convolutions = [
        layer
        for layer in layers
        if isinstance(modules[layer.name], nn.Conv2d) and len(layer.shape) == 3
    ]
    if not convolutions:
        raise TrainError("the network has no convolution to look at: name a --layer", exit_code=2)
    return convolutions[-1]


def as_maps(output: Tensor, name: str, *, channels_last: bool) -> Tensor:
    """A module's output for one picture as maps [C, H, W]; raises TrainError for a vector."""
    if output.dim() != 4:
        raise TrainError(f"{name} gives a vector, without height and width", exit_code=2)
    return output[0].movedim(-1, 0) if channels_last else output[0]
