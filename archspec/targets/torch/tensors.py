"""What is done with tensors, on symbols: each call is noted, or looked up among those that were."""

from collections.abc import Callable, Sequence
from typing import Any

from archspec.targets.python.machine import call_key, same_kinds
from archspec.targets.python.objects import MachineError, Names
from archspec.targets.torch.signatures import bind
from archspec.targets.torch.symbols import Callee, Event, Made, NotThere, Parameter, Parts, Tensor

MOST_PARTS = 4096
"""More parts of a tensor are not unpacked at once."""


class Tensors:
    """Calls of functions and operators.

    With `looking` calls are not executed but looked up among those that were, and raise `NotThere`;
    those found are `used`.
    """

    def __init__(self) -> None:
        self.looking = False
        self.terms: dict[Any, Tensor] = {}
        self.events: list[Event] = []
        self.used: set[int] = set()
        self.looked = 0  # how many calls were looked up
        self.bound: dict[Any, tuple[Any, Callee, bool]] = {}

    def apply(
        self, callee: Callee, operands: tuple[Tensor, ...], overwrites: Tensor | None = None
    ) -> Tensor:
        """The tensor that a call gives: the same one for the same call of the same tensors."""
        # A module is known by its path: what made it need not be hashed for each of its calls.
        what: Any = callee[1] or callee if callee[0] == "module" else callee
        if len(operands) == 1:
            key: Any = (what, operands[0].index)
        else:
            key = (what, *[operand.index for operand in operands])
        tensor = self.terms.get(key)
        if self.looking:
            if tensor is None:
                raise NotThere(callee)
            self.looked += 1
            self.used.add(tensor.index)
            return tensor
        if tensor is None:
            tensor = self.terms[key] = Tensor(len(self.terms), callee, operands)
        self.events.append((tensor, overwrites))
        return tensor

    def given_by(self, layer: Made, operands: Sequence[Tensor]) -> Tensor | None:
        """What a layer that has its place gave for a tensor; None where it was not called."""
        return self.terms.get((layer.path, *[operand.index for operand in operands]))

    def find(self, callee: Callee, operands: Sequence[Tensor]) -> Tensor | None:
        """What a call gave that was executed; None where it was not, or depends on what made those.

        Of a sum or a product that are the same operands in any order.
        """
        if callee[0] == "scale":
            return None
        if callee[0] in ("+", "*"):
            operands = sorted(operands, key=_index)
        try:
            return self.apply(callee, tuple(operands))
        except NotThere:
            return None

    def function(self, path: str, tensor: Any, arguments: Sequence[Any], keywords: Names) -> Tensor:
        """A function of a tensor; how it is called is worked out once for equal arguments."""
        require_tensor(tensor)
        given = call_key(path, arguments, keywords)
        try:
            before = self.bound.get(given)
        except TypeError:  # a list among the arguments
            before = (given, *_bound(path, arguments, keywords))
        if before is None or not same_kinds(before[0], given):
            before = self.bound[given] = (given, *_bound(path, arguments, keywords))
        _, callee, in_place = before
        return self.apply(callee, (tensor,), tensor if in_place else None)

    def chunk(self, tensor: Any, chunks: int, dim: int = 0) -> Parts:
        """`torch.chunk`: equal parts, each of which is made when it is taken."""
        require_tensor(tensor)
        return Parts(tensor, chunks, dim)

    # --- operators ---------------------------------------------------------------------------

    def operate(self, op: str, left: Any, right: Any, *, in_place: bool = False) -> Any:
        """`a + b` of tensors, and `0.2 * b`; `A | B` of classes."""
        if op == "|":
            kinds = left if isinstance(left, tuple) else (left,)
            return (*kinds, right)
        sides = tuple(self._side(side) for side in (left, right))
        tensors = tuple(side for side in sides if isinstance(side, Tensor))
        if not tensors:
            return NotImplemented
        if in_place and len(tensors) == 1:
            raise MachineError("a tensor is changed by a number, in place")
        if op == "*" and len(tensors) == 1:
            return self._scale(tensors[0], float(sides[0] if sides[1] is tensors[0] else sides[1]))
        if len(tensors) < 2 or op not in "+-*":
            raise MachineError(f"{op} with a number")
        if op == "-":
            op, tensors = "+", (tensors[0], self._scale(tensors[1], -1.0))
        first, second = sorted(tensors, key=_index)  # either way the same
        return self.apply((op,), (first, second), left if in_place else None)

    def _scale(self, tensor: Tensor, factor: float) -> Tensor:
        """A number times a tensor: `-(0.5 * x)` is `-0.5 * x`, and `1 * x` is `x`."""
        if tensor.callee[0] == "scale":
            factor *= tensor.callee[1]
            (tensor,) = tensor.operands
        return tensor if factor == 1 else self.apply(("scale", factor), (tensor,))

    def _side(self, value: Any) -> Any:
        if isinstance(value, Parameter):
            looking, self.looking = self.looking, False
            key = ("parameter", value.path, value.arguments)
            tensor = self.terms.get((key,))
            if tensor is None:
                tensor = self.terms[(key,)] = Tensor(len(self.terms), key, ())
            self.looking = looking
            return tensor
        if isinstance(value, Tensor | int | float):
            return value
        raise MachineError(f"{type(value).__name__} cannot be computed with")

    def channels(self, tensor: Tensor, index: Any) -> Tensor:
        """`x[:, 16:32]`."""
        batch, channels = index
        if batch != slice(None, None) or not isinstance(channels, slice):
            raise MachineError("only channels are cut out")
        return self.apply(("slice", (channels.start or 0, channels.stop)), (tensor,))

    def all_parts(self, parts: Parts) -> list[Tensor]:
        """The parts of a tensor, in order."""
        if parts.chunks > MOST_PARTS:
            raise MachineError(f"a tensor is unpacked into {parts.chunks} parts")
        return [self.part(parts, index) for index in range(parts.chunks)]

    def part(self, parts: Parts, index: Any) -> Tensor:
        """One of the parts of a tensor."""
        if type(index) is not int or not 0 <= index < parts.chunks:
            raise MachineError(f"there is no part {index} of {parts.chunks}")
        return self.apply(("torch.chunk", parts.chunks, parts.dim, index), (parts.tensor,))

    # --- methods of tensors ------------------------------------------------------------------

    def method(self, tensor: Tensor, name: str) -> Callable[..., Any]:
        """`x.permute(0, 2, 3, 1)` and the like, as the functions that they are."""
        if name == "chunk":
            return lambda *arguments, **keywords: self.chunk(tensor, *arguments, **keywords)
        if name == "permute":
            return lambda *dims: self.function("torch.permute", tensor, (dims,), {})
        if name == "mean":
            return lambda *arguments, **keywords: self.function(
                "torch.mean", tensor, arguments, keywords
            )
        raise MachineError(f"tensors have no method {name} here")


def _index(tensor: Tensor) -> int:
    return tensor.index


def _bound(path: str, arguments: Sequence[Any], keywords: Names) -> tuple[Callee, bool]:
    """What a function is known by, and whether it works in place."""
    bound = bind(path, arguments, keywords)
    in_place = bool(bound.pop("inplace", False))
    if path == "torch.narrow":
        return ("slice", (bound["start"], bound["start"] + bound["length"])), in_place
    return (path, *bound.values()), in_place


def require_tensor(tensor: Any) -> None:
    """Raise `MachineError` for what is none."""
    if not isinstance(tensor, Tensor):
        raise MachineError(f"{type(tensor).__name__} is no tensor")
