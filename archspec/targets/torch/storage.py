"""Which tensors share memory, and whether any is overwritten while something still needs it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from archspec.graph.network import INPUT, Node, Value
from archspec.targets.python.objects import Instance
from archspec.targets.torch.symbols import Event, Tensor
from archspec.targets.torch.tensors import Tensors


class Mismatch(Exception):
    """The code is not the network, and where not; `path` is that of the step, if it is one."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.path = path


def told(callee: Any) -> str:
    """What was applied, in words: the path of a module, or the name of a function."""
    return f"`{callee[1]}`" if callee[0] == "module" else str(callee[0])


class Expected(NamedTuple):
    """The ways in which a step may have been written, ready to be looked up."""

    key: Any
    parameter: tuple[Any, ...] | None
    bare: Any
    function: Callable[[Sequence[Tensor], Any], Any] | None
    padding: Callable[[Sequence[Tensor], Any], Any] | None
    overwrites: bool


class Run(Protocol):
    """What has to be known of a run: the steps by tensor, how each was written, and its events."""

    nodes: dict[int, list[Node]]
    ways: Sequence[Expected]
    values: dict[tuple[int, int], Tensor]
    training: bool

    @property
    def torch(self) -> Tensors:
        """The calls that were executed."""


class Storage:
    """What is overwritten, beside what is still needed."""

    def __init__(self, run: Run, result: Any) -> None:
        self.run = run
        self.storage: dict[int, int] = {}
        self.sharing: dict[int, list[int]] = {}  # the tensors in each place of memory
        self.saved: dict[int, Any] = {}  # by storage: who needs it for the backward pass
        self.stale: set[int] = set()
        self.parts: set[int] = set()  # of a tensor that was cut: autograd lets none be changed
        self.returned = (
            [v for v in result.attributes.values() if isinstance(v, Tensor)]
            if isinstance(result, Instance)
            else [result]
        )

    def check(self) -> None:
        """Raise `Mismatch` where something that is needed was overwritten."""
        self._keep(self.run.values[Value(INPUT)], -1)
        for event in self.run.torch.events:
            self._execute(event)
        for tensor in self.returned:
            self._read(tensor)

    def _execute(self, event: Event) -> None:
        tensor, overwrites = event
        needs = self._needs(tensor)
        for operand in tensor.operands:
            if operand.index in self.stale:
                self._read(operand)
        if overwrites is not None:
            self._may_work_in_place(tensor)
            self._overwrite(overwrites, tensor)
            # what works in place keeps a copy where it needs its input, or does with its result
            needs = (needs - {"input"}) | ({"output"} if _head(tensor) in _KEEP_RESULT else set())
        else:
            aliased = "view" in needs and tensor.operands
            self._keep(tensor, self._of(tensor.operands[0]) if aliased else tensor.index)
            if aliased and (_cuts(tensor) or tensor.operands[0].index in self.parts):
                self.parts.add(tensor.index)
        if self.run.training and needs:
            for operand in tensor.operands if "input" in needs else ():
                self.saved.setdefault(self._of(operand), tensor.callee)
            if "output" in needs:
                self.saved.setdefault(self._of(tensor), tensor.callee)

    def _may_work_in_place(self, tensor: Tensor) -> None:
        """Raise `Mismatch` for a layer or function that autograd refuses to work in place."""
        for node in self.run.nodes.get(tensor.index, [])[:1]:
            if tensor.callee[0] not in ("+", "*") and not self.run.ways[node.index].overwrites:
                raise Mismatch(f"{node.path} cannot work in place", node.path)

    def _keep(self, tensor: Tensor, storage: int) -> None:
        self.storage[tensor.index] = storage
        self.sharing.setdefault(storage, []).append(tensor.index)

    def _of(self, tensor: Tensor) -> int:
        return self.storage.get(tensor.index, tensor.index)

    def _read(self, tensor: Tensor) -> None:
        if tensor.index in self.stale:
            raise Mismatch(f"what {told(tensor.callee)} gives is overwritten and read again")

    def _overwrite(self, target: Tensor, result: Tensor) -> None:
        storage = self._of(target)
        if storage == -1:
            raise Mismatch("the network's input is overwritten")
        if target.index in self.parts:
            raise Mismatch("one of the parts of a tensor is overwritten")
        if storage in self.saved:
            raise Mismatch(f"{told(self.saved[storage])} needs what is overwritten, to go backward")
        self.stale.update(self.sharing.get(storage, (storage,)))
        self.stale.discard(result.index)
        self._keep(result, storage)

    def _needs(self, tensor: Tensor) -> frozenset[str]:
        nodes = self.run.nodes.get(tensor.index)
        op = nodes[0].module.op if nodes else None
        if op is not None:
            return op.backward_needs | {"view"} if op.is_view else op.backward_needs
        return _NEEDS.get(tensor.callee[0], frozenset({"input", "output"}))


def _cuts(tensor: Tensor) -> bool:
    """Whether a tensor is one of several that were cut out of one at once."""
    return _head(tensor) in ("torch.chunk", "Chunk")


def _head(tensor: Tensor) -> str:
    """The function, or the kind of layer, that gave a tensor."""
    callee = tensor.callee
    return str(callee[2][0] if callee[0] == "module" else callee[0])


_KEEP_RESULT = frozenset({"nn.ELU", "nn.LeakyReLU", "F.elu", "F.leaky_relu"})
"""What computes its gradient from its input, but from its result where it works in place."""
_NEEDS: Mapping[str, frozenset[str]] = {
    "F.pad": frozenset(),
    "torch.cat": frozenset(),
    "torch.chunk": frozenset({"view"}),
    "slice": frozenset({"view"}),
    "+": frozenset(),
    "scale": frozenset(),
    "*": frozenset({"input"}),
}
"""The same of what is no step of its own."""
