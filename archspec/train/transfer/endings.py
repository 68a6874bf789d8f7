"""Where a network ends: each output is followed back to the weights that it was made with."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archspec.train.errors import TrainError
from archspec.train.outputs import as_outputs

InputShape = tuple[int, int, int]


@dataclass(frozen=True)
class Ending:
    """What stands before one output, as dotted names of modules, from the output backwards.

    `head` is the last layer with weights, and norms behind it; `classifier` the head and the
    linear layers that come right before it; `stage` the last part of the network before those,
    with norms between. A parameter that the network itself holds goes by its own name.
    """

    head: tuple[str, ...]
    classifier: tuple[str, ...]
    stage: tuple[str, ...]


def find_endings(network: nn.Module, input_shape: InputShape) -> tuple[Ending, ...]:
    """How the outputs end that `network` has in training: its scores, then auxiliary classifiers.

    The network is run on the meta device, where that costs nothing and changes nothing; one that
    needs numbers is run on copies. Raises TrainError when an output has no weights behind it.
    """
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    return tuple(_ending(network, names, shapes) for names in _followed_back(network, input_shape))


def heads_of(network: nn.Module, input_shape: InputShape) -> tuple[str, ...]:
    """The modules that make the outputs' scores: what another number of classes makes anew."""
    return _once(name for ending in find_endings(network, input_shape) for name in ending.head)


def last_layers(network: nn.Module, input_shape: InputShape) -> tuple[str, ...]:
    """The modules that mode `last` trains.

    They are the fully connected layers at the network's end, where there are several (AlexNet,
    VGG); else its head and the last stage before it. Of auxiliary classifiers, it is the former.
    """
    main, *auxiliary = find_endings(network, input_shape)
    names = main.classifier
    if len(main.classifier) == len(main.head):
        names += main.stage
    return _once([*names, *(name for ending in auxiliary for name in ending.classifier)])


def is_below(name: str, roots: tuple[str, ...]) -> bool:
    """Whether a tensor or module is one of `roots`, or a part of one."""
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _followed_back(network: nn.Module, input_shape: InputShape) -> list[list[str]]:
    """For each output, the names of all parameters that it was made with, the nearest first."""
    with torch.random.fork_rng(devices=[]):
        try:
            return _run(network, input_shape, torch.device("meta"))
        except Exception:  # noqa: BLE001 - it may only need numbers, which meta has none of
            try:
                return _run(network, input_shape, torch.device("cpu"))
            except Exception as error:
                raise TrainError(
                    f"the network cannot be followed to its weights: {error}"
                ) from error


def _run(network: nn.Module, input_shape: InputShape, device: torch.device) -> list[list[str]]:
    on_device = {name: _copied(p, device) for name, p in network.named_parameters()}
    parameters = {name: tensor.requires_grad_() for name, tensor in on_device.items()}
    buffers = {name: _copied(buffer, device) for name, buffer in network.named_buffers()}
    picture = torch.zeros(2, *input_shape, device=device)
    was_training = network.training
    network.train()  # auxiliary classifiers are there in training only
    try:
        with torch.enable_grad():
            result = functional_call(network, {**parameters, **buffers}, (picture,))
    finally:
        network.train(was_training)
    names = {id(tensor): name for name, tensor in parameters.items()}
    return [list(_behind(output, names)) for output in as_outputs(result)]


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "meta":
        return torch.empty_like(tensor, device=device)
    return tensor.detach().to(device, copy=True)


def _behind(output: Tensor, names: Mapping[int, str]) -> Iterator[str]:
    """Breadth first along the graph that autograd keeps of how a tensor was made."""
    seen: set[Any] = set()
    waiting = deque([output.grad_fn])
    while waiting:
        step = waiting.popleft()
        if step is None or step in seen:
            continue
        seen.add(step)
        leaf = getattr(step, "variable", None)  # of what would accumulate a gradient
        if leaf is not None and id(leaf) in names:
            yield names[id(leaf)]
        waiting.extend(before for before, _ in step.next_functions)


def _ending(network: nn.Module, names: list[str], shapes: Mapping[str, torch.Size]) -> Ending:
    weights = _once(_owner(name) for name in names if len(shapes[name]) > 1)
    if not weights:
        raise TrainError("an output of the network has no layer with weights behind it", 2)
    owners = _once(map(_owner, names))
    classifier = 1  # of the weights
    while classifier < len(weights) and _are_linear(network, weights[: classifier + 1]):
        classifier += 1
    before = weights[classifier] if classifier < len(weights) else None
    between = owners[: owners.index(before)] if before else owners
    main = between[: between.index(weights[classifier - 1]) + 1]
    stage = _stage(before, weights[1:]) if before else ""
    norms = (name for name in between[len(main) :] if not is_below(name, (stage,)))
    return Ending(
        head=owners[: owners.index(weights[0]) + 1],
        classifier=main,
        stage=(*norms, stage) if before else (),
    )


def _owner(name: str) -> str:
    return name.rpartition(".")[0] or name


def _are_linear(network: nn.Module, names: tuple[str, ...]) -> bool:
    modules = dict(network.named_modules())
    return all(isinstance(modules.get(name), nn.Linear) for name in names)


def _stage(name: str, weights: tuple[str, ...]) -> str:
    """The largest part of the network around `name` that holds no more than half of the layers.

    What holds more (`features`) is no stage of the network but a wrapping.
    """
    parts = name.split(".")
    tops = (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return next((top for top in tops if _share(top, weights) <= 0.5), name)


def _share(top: str, weights: tuple[str, ...]) -> float:
    return sum(is_below(name, (top,)) for name in weights) / len(weights)
