"""Symbols: layers, known by how they were made, and tensors, known by what gave them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from archspec.targets.python.objects import (
    External,
    Instance,
    MachineError,
)
from archspec.targets.torch.signatures import plainest

Callee: TypeAlias = tuple[Any, ...]
"""What was applied, with its constants: `("F.relu",)`, `("module", "conv1", …)`."""

Inits: TypeAlias = Mapping[str, tuple[Any, ...]]
"""How parameters of a layer begin, by name; never changed, since layers share it."""
AS_PYTORCH: Inits = {}


class Made:
    """A layer of PyTorch or of a helper: what made it, and with which arguments.

    Its `kinds` are its class and all that its attributes tell, the parameters it has and its
    groups; and the same without groups, for which few ask.
    """

    __slots__ = ("arguments", "head", "in_place", "inits", "key", "kinds", "path")

    def __init__(self, head: str, arguments: dict[str, Any]) -> None:
        self.inits = AS_PYTORCH
        rough = (head, _named_parameters(arguments))
        self.kinds = ((*rough, arguments.get("groups")), rough)
        self.in_place = bool(arguments.pop("inplace", False))
        self.head = head
        self.arguments = arguments
        self.key: Callee = plainest(head, arguments)
        self.path: str | None = None

    def again(self) -> "Made":
        """Another layer that is made in the same way."""
        other = Made.__new__(Made)
        other.in_place, other.head, other.kinds = self.in_place, self.head, self.kinds
        other.inits = self.inits
        other.arguments, other.key, other.path = self.arguments, self.key, None
        return other


class Container:
    """`nn.Sequential`, `nn.ModuleList` or `nn.ModuleDict`, and what is in it by name."""

    __slots__ = ("children", "head", "path")

    def __init__(self, head: str, children: dict[str, Any]) -> None:
        self.head = head
        self.children = children
        self.path: str | None = None


class Parameter:
    """An `nn.Parameter` of a size, filled with a number."""

    __slots__ = ("arguments", "inits", "path")

    def __init__(self, arguments: tuple[Any, ...], inits: Inits = AS_PYTORCH) -> None:
        self.arguments = arguments
        self.inits = inits
        self.path: str | None = None


class Owned:
    """A parameter of a layer, by its name: `module.weight`."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: Made, name: str) -> None:
        self.owner = owner
        self.name = name


class Tensor:
    """What a call gives: known by what was applied to what."""

    __slots__ = ("callee", "index", "operands")

    def __init__(self, index: int, callee: Callee, operands: tuple["Tensor", ...]) -> None:
        self.index = index
        self.callee = callee
        self.operands = operands


class Parts:
    """The parts that a tensor is cut into."""

    __slots__ = ("chunks", "dim", "tensor")

    def __init__(self, tensor: Tensor, chunks: int, dim: int) -> None:
        self.tensor = tensor
        self.chunks = chunks
        self.dim = dim


Event: TypeAlias = tuple[Tensor, Tensor | None]
"""A call that was executed: what it gives, and the tensor whose memory it writes to, if any's."""


class NotThere(Exception):
    """A call that was not executed is looked for."""


def _named_parameters(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of `weight` and `bias` a layer has, the others being None."""
    if arguments.get("affine", arguments.get("elementwise_affine", True)) is False:
        return ()
    return ("weight",) if arguments.get("bias") is False else ("weight", "bias")


def base_of(instance: Instance) -> str:
    """The class that an object's own is derived from, "" where that is one of the module's."""
    base = instance.cls.base
    return base.path if isinstance(base, External) else ""


_PARTS = frozenset({Made, Container, Parameter})


def is_module(value: Any) -> bool:
    """Whether a value is a module; a parameter counts as part of one."""
    if type(value) is Instance:
        return base_of(value) != "NamedTuple"
    return type(value) in _PARTS


def children_of(module: Any) -> dict[str, Any]:
    """The modules and parameters in a module, by name."""
    if type(module) is Container:
        return module.children
    if type(module) is Instance:
        return {
            name: value
            for name, value in module.attributes.items()
            if type(value) in _PARTS or is_module(value)
        }
    return {}


class Placed(NamedTuple):
    """The layers and parameters of a module by path, and how it is built, whatever its numbers."""

    layers: dict[str, Any]
    form: tuple[Any, ...]


def place(root: Any) -> Placed:
    """Give every layer and parameter its path."""
    found: dict[str, Any] = {}
    form: list[Any] = []
    pending = [("", root)]
    while pending:
        path, module = pending.pop()
        form += (path, module.cls.name if type(module) is Instance else module.head)
        for name, child in _attributes_of(module).items():
            inner = f"{path}.{name}" if path else name
            kind = type(child)
            if kind is Made or kind is Parameter:
                if child.path is not None:
                    raise MachineError(f"{inner} is {child.path} already")
                child.path = inner
                found[inner] = child
                form += (inner, child.head, child.in_place) if kind is Made else (inner, kind)
            elif kind is Container or is_module(child):
                pending.append((inner, child))
            else:
                form += (inner, _said(child))
    return Placed(found, tuple(form))


def _said(value: Any) -> Any:
    """What an attribute that is no module tells `forward`."""
    kind = type(value)
    if kind in (int, float, bool, str):
        return (kind, value)
    if kind in (list, tuple):
        return (kind, *map(_said, value))
    if kind is Instance:  # a row of a table
        return (value.cls.name, *map(_said, value.attributes.values()))
    return value.path if kind is External else kind


def _attributes_of(module: Any) -> dict[str, Any]:
    return module.attributes if type(module) is Instance else children_of(module)
