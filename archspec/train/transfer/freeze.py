"""Which parameters a run trains, and which stay as they were loaded."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import nn

from archspec.train.errors import TrainError
from archspec.train.transfer.endings import InputShape, heads_of, is_below, last_layers
from archspec.train.transfer.weights import plain_name

Mode = Literal["all", "last", "head"]
STATISTICS = "running_mean"  # the buffer of a norm that remembers what it has seen
NUM_SHOWN = 6


@dataclass(frozen=True)
class Frozen:
    """What is trained: `trained` names the largest modules, and parameters, that are in full.

    `frozen` are the names of the other parameters, `held` of the modules whose statistics are
    frozen with them; `num_trained` and `num_frozen` are numbers of single parameters.
    """

    mode: Mode
    trained: tuple[str, ...]
    frozen: tuple[str, ...]
    held: tuple[str, ...]
    num_trained: int
    num_frozen: int

    def hold(self, network: nn.Module) -> None:
        """Put what is held into evaluation again, after `network.train()`.

        Names are found behind the wrappers of torch.compile and DistributedDataParallel, too.
        """
        held = set(self.held)
        for name, module in network.named_modules():
            if name in held or plain_name(name) in held:
                module.eval()

    def left_random(self, new: Iterable[str]) -> tuple[str, ...]:
        """Which of the tensors that are `new` (not loaded) will not be trained either."""
        frozen = set(self.frozen)
        return tuple(name for name in new if name in frozen)

    def as_text(self) -> str:
        """One sentence."""
        if not self.frozen:
            return f"all {_grouped(self.num_trained)} parameters are trained"
        shown = ", ".join(self.trained[:NUM_SHOWN])
        more = f" and {len(self.trained) - NUM_SHOWN} more" * (len(self.trained) > NUM_SHOWN)
        number = f"{len(self.held)} norm{'s' if len(self.held) > 1 else ''}"
        norms = f"; the statistics of {number} stay" if self.held else ""
        return (
            f"trained are {shown}{more}: {_grouped(self.num_trained)} of "
            f"{_grouped(self.num_trained + self.num_frozen)} parameters{norms}"
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)


def apply_transfer(
    network: nn.Module, input_shape: InputShape, mode: Mode, freeze: Sequence[str] = ()
) -> Frozen:
    """Take gradients from all parameters but those that `mode` trains and no pattern freezes.

    `head` trains the heads (`heads_of`), `last` the `last_layers`, `all` everything. Patterns are
    globs on the dotted names of modules and parameters (`features.*`, `layer[12]`); a module's
    freezes all that is below it. A backbone of which nothing is trained keeps no activations:
    autograd records nothing before the first parameter that wants a gradient. Raises TrainError,
    with nothing changed, for a pattern that matches nothing, and when nothing is left to train.
    """
    roots = _ROOTS[mode](network, input_shape)
    caught = _caught(network, freeze)

    def is_frozen(name: str) -> bool:
        return is_below(name, caught) or not (mode == "all" or is_below(name, roots))

    # What a network does not train by itself is none of ours.
    own = {name: p for name, p in network.named_parameters() if p.requires_grad}
    frozen = {name: parameter for name, parameter in own.items() if is_frozen(name)}
    if len(frozen) == len(own):
        raise TrainError(f"nothing is left to train: {', '.join(freeze) or mode} freezes all", 2)
    for parameter in frozen.values():
        parameter.requires_grad_(False)  # noqa: FBT003 - PyTorch's own way
    num_frozen = sum(parameter.numel() for parameter in frozen.values())
    return Frozen(
        mode=mode,
        trained=tuple(_trained_parts(network)),
        frozen=tuple(frozen),
        held=tuple(_held(network, is_frozen)),
        num_trained=sum(parameter.numel() for parameter in own.values()) - num_frozen,
        num_frozen=num_frozen,
    )


_ROOTS: dict[str, Callable[[nn.Module, InputShape], tuple[str, ...]]] = {
    "all": lambda *_: (),
    "last": last_layers,
    "head": heads_of,
}


def _held(network: nn.Module, is_frozen: Callable[[str], bool]) -> Iterator[str]:
    """Norms whose statistics stay: all their parameters do, or, if they have none, their place."""
    for name, module in network.named_modules():
        names = _own_parameters(name, module) or [name]
        if _has_statistics(module) and all(map(is_frozen, names)):
            yield name


def _own_parameters(name: str, module: nn.Module) -> list[str]:
    return [f"{name}.{own}".lstrip(".") for own, _ in module.named_parameters(recurse=False)]


def _caught(network: nn.Module, patterns: Sequence[str]) -> tuple[str, ...]:
    """The names that patterns match, of what there is to freeze: parameters and statistics."""
    names = {}
    for name, module in network.named_modules():
        own = _own_parameters(name, module)
        if own or _has_statistics(module):
            parts = name.split(".") if name else []
            above = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
            names.update(dict.fromkeys([*above, *own]))
    caught: list[str] = []
    for pattern in patterns:
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise TrainError(_nothing_matches(pattern, list(names)), exit_code=2)
        caught += matched
    return tuple(caught)


def _nothing_matches(pattern: str, names: Sequence[str]) -> str:
    close = get_close_matches(pattern[:80], names, n=3) or list(
        dict.fromkeys(name.partition(".")[0] for name in names)
    )
    shown = ", ".join(close[:NUM_SHOWN])
    return f"freeze: nothing in the network is called {pattern}; there is {shown}"


def _has_statistics(module: nn.Module) -> bool:
    return any(name == STATISTICS for name, _ in module.named_buffers(recurse=False))


def _trained_parts(module: nn.Module, name: str = "") -> Iterator[str]:
    """The largest parts of `module` of which every parameter is trained."""
    wanted = {parameter.requires_grad for parameter in module.parameters()}
    if wanted == {True} and name:
        yield name
        return
    if True not in wanted:
        return
    for own, parameter in module.named_parameters(recurse=False):
        if parameter.requires_grad:
            yield f"{name}.{own}".lstrip(".")
    for child, part in module.named_children():
        yield from _trained_parts(part, f"{name}.{child}".lstrip("."))


def _grouped(number: int) -> str:
    return f"{number:_}".replace("_", " ")
