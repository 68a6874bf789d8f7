"""The network on trial: what was computed of it, and the module that is executed."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from archspec.analysis.results import Results
from archspec.api import Check
from archspec.graph.network import Module, Network
from archspec.ops.base import Tensor as Computed
from archspec.proof.drawing import Drawing
from archspec.proof.making import (
    ShapesOnly,
    assign,
    holds_more_than_state,
    in_training,
    made_on_meta,
    with_state,
)
from archspec.proof.weights import random_state

Effort = Literal["quick", "normal", "full"]
State = dict[str, Tensor]
MOST_MACS = 1e9
"""For more than so many of them a picture, `--quick` takes a step of training on smaller ones."""


class ProofError(Exception):
    """Nothing can be proven, and why; `exit_code` is 1 for a faulty input, 2 for wrong usage."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Subject:
    """A checked network with the module that claims to be it.

    `arguments` are what its class, or the function of that name, is called with. `size` is the
    input (C, H, W) of executed passes; on the meta device the spec's own is used. `generated` says
    whether the code is what is written of the spec's file, or somebody's own.
    """

    def __init__(
        self,
        check: Check,
        module: ModuleType,
        folder: Path,
        effort: Effort = "normal",
        overrides: Mapping[str, Any] = MappingProxyType({}),
        size: int | None = None,
        arguments: Mapping[str, Any] = MappingProxyType({}),
        *,
        generated: bool = False,
    ) -> None:
        assert check.network is not None
        assert check.results is not None
        self.check = check
        self.network: Network = check.network
        self.results: Results = check.results
        self.module = module
        self.folder = folder
        self.effort = effort
        self.overrides = overrides
        self.arguments = arguments
        self.generated = generated
        self._side = size

    def written_as(self, module: ModuleType, folder: Path) -> "Subject":
        """The same network with other code."""
        return Subject(self.check, module, folder, self.effort, self.overrides, self._side)

    def called_with(self, check: Check, arguments: Mapping[str, Any]) -> "Subject":
        """The same code, called with other arguments: it claims to be another network."""
        overrides = {**self.overrides, **arguments}
        return Subject(
            check, self.module, self.folder, self.effort, overrides, self._side, arguments
        )

    @cached_property
    def size(self) -> tuple[int, ...]:
        """The input (C, H, W) of executed passes; raises ProofError for one that is refused."""
        return self._executed_size(self._side)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The spec's own input."""
        assert self.network.input_shape is not None
        return self.network.input_shape

    @property
    def maker(self) -> Callable[..., nn.Module]:
        """The network's class, or the function that is called as the variant."""
        names = self.module.__all__
        variant = self.check.variant
        name = variant if variant is not None and variant in names else names[0]
        made: Callable[..., nn.Module] = getattr(self.module, name)
        return made

    def construct(self) -> nn.Module:
        """A new network."""
        return self.maker(**self.arguments)

    @cached_property
    def meta(self) -> nn.Module:
        """A network in evaluation mode whose tensors have shapes and no numbers.

        It is for everybody, who leave it as it is.
        """
        return made_on_meta(self.construct).eval()

    def begun(self) -> tuple[Drawing, State]:
        """What a constructor does to the tensors of a new network, and these.

        Without them that network is `meta`, if there is none yet.
        """
        with Drawing() as made:
            network = self.construct()
        state = network.state_dict()
        if "meta" not in vars(self):
            self.meta = network.to("meta").eval()
        return made, state

    def with_state(self, state: Mapping[str, Tensor]) -> nn.Module:
        """A new network in evaluation mode with these very tensors."""
        return with_state(self.construct, state)

    @contextmanager
    def filled(self, state: Mapping[str, Tensor]) -> Iterator[nn.Module]:
        """A network in evaluation mode with these very tensors, for a while.

        It is always the same one: a thousand blocks take long to be made.
        """
        if holds_more_than_state(self.meta):
            yield self.with_state(state)
            return
        assign(self._shell, state)
        try:
            yield self._shell.eval()
        finally:
            self._shell.to("meta")

    @cached_property
    def _shell(self) -> nn.Module:
        return made_on_meta(self.construct)

    def unfilled(self) -> nn.Module:
        """A network to put a whole state into, for whoever leaves this one as it is."""
        return self.construct() if holds_more_than_state(self.meta) else self.meta

    @cached_property
    def state(self) -> State:
        """Random tensors for all of the network's, the same every time."""
        return random_state(self.meta)

    @cached_property
    def trained(self) -> frozenset[str]:
        """The names of the parameters computed, without those that are never trained."""
        return frozenset(name for name, tensor in self.tensors.items() if tensor.trainable)

    @cached_property
    def tensors(self) -> dict[str, Computed]:
        """Every parameter and buffer that was computed, by its name in the state_dict."""
        return {name: t for module in self.network.modules for name, t in named_tensors(module)}

    @cached_property
    def idle(self) -> frozenset[str]:
        """The names of tensors whose modules are there and never called."""
        run = {node.module.index for node in self.network.nodes if self.network.is_run(node)}
        modules = (module for module in self.network.modules if module.index not in run)
        return frozenset(name for module in modules for name, _ in named_tensors(module))

    def picture(self, batch: int = 1, seed: int = 0, size: tuple[int, ...] | None = None) -> Tensor:
        """A batch of random inputs, of the executed size unless it is given."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(batch, *(size or self.size), generator=generator)

    def accepts(self, shape: tuple[int, ...], *, training: bool = False) -> str | None:
        """Why the network cannot be run on two inputs of that shape, None where it can."""
        try:
            mode = in_training(self.meta) if training else nullcontext(self.meta)
            with torch.no_grad(), ShapesOnly(), mode as network:
                network(torch.empty(2, *shape, device="meta"))
        except Exception as error:  # noqa: BLE001 - what a network raises on a wrong size is its own
            return first_line(error)
        return None

    @cached_property
    def trained_size(self) -> tuple[int, ...]:
        """The input (C, H, W) of a step of training: a small one where the network takes one."""
        own = self.input_shape
        sizes = (self.size, self._small_size()) if len(own) == 3 else ()
        small = min(sizes, default=own, key=prod)
        heads = bool(self.network.training_only)
        small = own if heads and self.accepts(small, training=True) else small
        half = (small[0], *(side // 2 for side in small[1:]))
        takes_long = (self.check.totals.macs or 0) * prod(small) / prod(own) > MOST_MACS
        if self.effort != "quick" or not takes_long or len(own) != 3:
            return small
        return small if self.accepts(half, training=True) else half

    def _executed_size(self, size: int | None) -> tuple[int, ...]:
        own = self.input_shape
        if len(own) != 3:
            return own
        if size is None:
            return self._small_size() if self.effort == "quick" else own
        wanted = (own[0], size, size)
        reason = None if wanted == own else self.accepts(wanted)
        if reason is not None:
            raise ProofError(f"{self.check.name} takes no pictures of {size}×{size}: {reason}", 2)
        return wanted

    def _small_size(self) -> tuple[int, ...]:
        """The smallest square input of a few that the network accepts, else its own."""
        own = self.input_shape
        for side in (64, 96, 128):
            if side < min(own[1:]) and self.accepts((own[0], side, side)) is None:
                return (own[0], side, side)
        return own


def named_tensors(module: Module) -> Iterator[tuple[str, Computed]]:
    """The parameters and buffers of a module, by their names in the network's state_dict."""
    for tensor in module.tensors or ():
        yield f"{module.path}.{tensor.name}" if tensor.name else module.path, tensor


@contextmanager
def imported(source: str) -> Iterator[tuple[ModuleType, Path]]:
    """A module's text as a real file that is imported, and its folder; gone again afterwards.

    Raises ProofError where the text cannot be executed or names no class.
    """
    name = f"archspec_proven_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    with TemporaryDirectory(prefix="archspec-") as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            try:
                spec.loader.exec_module(module)
            except Exception as error:
                raise ProofError(f"the module cannot be imported: {told(error)}") from error
            if not _names_a_network(module):
                raise ProofError("the module has no __all__ that names the network's class first")
            yield module, Path(folder)
        finally:
            sys.modules.pop(name, None)


def _names_a_network(module: ModuleType) -> bool:
    names: Sequence[str] = getattr(module, "__all__", ())
    return len(names) > 0 and callable(getattr(module, names[0], None))


def tensors_of(result: Any) -> list[Tensor]:
    """The tensors that a network puts out, one or several, in order."""
    if isinstance(result, Tensor):
        return [result]
    values = result.values() if isinstance(result, Mapping) else result
    return [] if values is None else [tensor for value in values for tensor in tensors_of(value)]


def first_line(error: BaseException) -> str:
    """The first line of an error's message, shortened."""
    text = str(error).strip().split("\n")[0]
    return text if len(text) <= 200 else f"{text[:197]}..."


def told(error: BaseException) -> str:
    """An error as people read it: its kind and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"
