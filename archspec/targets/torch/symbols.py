"""PyTorch on symbols: layers that are known by how they were made, tensors by what made them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from archspec.targets.python import tree
from archspec.targets.python.machine import call_key, same_kinds
from archspec.targets.python.objects import (
    Bound,
    ClassValue,
    External,
    Instance,
    MachineError,
    Names,
)
from archspec.targets.torch.beginnings import only_begins
from archspec.targets.torch.signatures import BadCall, bind, is_function, is_layer, plainest

Callee: TypeAlias = tuple[Any, ...]
"""What was applied, with its constants: `("F.relu",)`, `("module", "conv1", …)`."""

_CONTAINERS = {"nn.Sequential", "nn.ModuleList", "nn.ModuleDict"}
MOST_PARTS = 4096
"""More parts of a tensor are not unpacked at once."""
_PADDING = {"nn.ZeroPad1d", "nn.ZeroPad2d", "nn.ZeroPad3d", "nn.ConstantPad2d"}
"""Layers that are `F.pad` with constants."""
_METHODS = frozenset(
    {
        *("modules", "add_module", "register_parameter", "get_submodule", "get_parameter"),
        *("append", "training", "forward"),
    }
)
"""What every module has, so that nothing can be kept under these names."""
_BASES: Mapping[str, str] = {
    "Conv2dSame": "nn.Conv2d",
    "PaddedConv2d": "nn.Conv2d",
    "LayerNorm2d": "nn.LayerNorm",
    "MaxPool2dSame": "nn.MaxPool2d",
    "PaddedMaxPool2d": "nn.MaxPool2d",
    "AvgPool2dSame": "nn.AvgPool2d",
    "PaddedAvgPool2d": "nn.AvgPool2d",
    "ScaledAvgPool2d": "nn.AvgPool2d",
}
"""Helpers that are kinds of PyTorch's own layers."""


Inits: TypeAlias = Mapping[str, tuple[Any, ...]]
"""How parameters of a layer begin, by name; never changed, since layers share it."""
_AS_PYTORCH: Inits = {}


class Made:
    """A layer of PyTorch or of a helper: what made it, and with which arguments.

    Its `kinds` are its class and all that its attributes tell, the parameters it has and its
    groups; and the same without groups, for which few ask.
    """

    __slots__ = ("arguments", "head", "in_place", "inits", "key", "kinds", "path")

    def __init__(self, head: str, arguments: dict[str, Any]) -> None:
        self.inits = _AS_PYTORCH
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

    def __init__(self, arguments: tuple[Any, ...], inits: Inits = _AS_PYTORCH) -> None:
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


class Torch:
    """What the names that a module imports stand for, and the calls that were made.

    `training` is what `self.training` is. With `looking` calls are not executed but looked up
    among those that were, and raise `NotThere`; those found are `used`.
    """

    def __init__(self) -> None:
        self.training = False
        self.looking = False
        self.terms: dict[Any, Tensor] = {}
        self.events: list[Event] = []
        self.used: set[int] = set()
        self.looked = 0  # how many calls were looked up
        self.asked = False  # whether anything depended on `self.training`
        self.begun: list[Any] = []  # whose parameters were told how to begin
        self.met = False  # whether anything was of a class that was asked for
        self.counted = False  # whether a layer was asked for its groups
        self.made: dict[Any, tuple[Any, Made]] = {}
        self.bound: dict[Any, tuple[Any, Callee, bool]] = {}
        self.run: Callable[[Any, Sequence[Any], Names], Any] = _unset

    # --- calls -------------------------------------------------------------------------------

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

    def call(self, function: Any, arguments: Sequence[Any], keywords: Names) -> Any:
        """A layer made, a layer applied, or a function applied."""
        kind = type(function)
        if kind is External:
            return self._call_external(function.path, arguments, keywords)
        if kind is Made:
            return self._apply_layer(function, *arguments)
        if kind is Container or (kind is Instance and _base(function) == "nn.Sequential"):
            return self._apply_chain(function, *arguments)
        raise MachineError(f"{kind.__name__} cannot be called")

    def _call_external(self, path: str, arguments: Sequence[Any], keywords: Names) -> Any:
        if path.startswith("nn.init."):
            return self._begin(path, arguments, keywords)
        if is_layer(path) and path != "torch.full":
            return self._make(path, arguments, keywords)
        if path in _CONTAINERS:
            return Container(path, _children(path, arguments))
        if path == "nn.Parameter":
            return Parameter(arguments[0])
        if path == "torch.full":
            return (path, *bind(path, arguments, keywords).values())
        return self._call_function(path, arguments, keywords)

    def _make(self, head: str, arguments: Sequence[Any], keywords: Names) -> Made:
        """A layer; what is known of one that was made before is taken from that."""
        given = call_key(head, arguments, keywords)
        try:
            before = self.made.get(given)
        except TypeError:  # a list among the arguments
            return Made(head, bind(head, arguments, keywords))
        if before is None or not same_kinds(before[0], given):
            layer = Made(head, bind(head, arguments, keywords))
            self.made[given] = (given, layer)
            return layer.again()
        return before[1].again()

    def _call_function(self, path: str, arguments: Sequence[Any], keywords: Names) -> Any:
        if path == "torch.cat":
            given = {**dict(zip(("tensors", "dim"), arguments, strict=False)), **keywords}
            return self.apply((path, given.get("dim", 0)), tuple(given["tensors"]))
        if path == "torch.chunk":
            return self.chunk(arguments[0], *arguments[1:], **keywords)
        if is_function(path):
            return self._function(path, arguments[0], arguments[1:], keywords)
        raise BadCall(f"nothing is known of {path}")

    def _function(
        self, path: str, tensor: Any, arguments: Sequence[Any], keywords: Names
    ) -> Tensor:
        """A function of a tensor; how it is called is worked out once for equal arguments."""
        _require(tensor)
        given = call_key(path, arguments, keywords)
        try:
            before = self.bound.get(given)
        except TypeError:  # a list among the arguments
            before = (given, *_bound(path, arguments, keywords))
        if before is None or not same_kinds(before[0], given):
            before = self.bound[given] = (given, *_bound(path, arguments, keywords))
        _, callee, in_place = before
        return self.apply(callee, (tensor,), tensor if in_place else None)

    def _apply_layer(self, layer: Made, tensor: Any) -> Any:
        _require(tensor)
        if layer.head == "nn.Identity":
            return tensor
        if layer.head in _PADDING:
            value = layer.arguments.get("value", 0.0)
            return self.apply(("F.pad", layer.arguments["padding"], "constant", value), (tensor,))
        overwrites = tensor if layer.in_place else None
        return self.apply(("module", layer.path, layer.key), (tensor,), overwrites)

    def _apply_chain(self, container: Any, tensor: Any) -> Any:
        for child in self.iterate(container):
            tensor = self.run(child, (tensor,), {})
        return tensor

    def chunk(self, tensor: Any, chunks: int, dim: int = 0) -> "Parts":
        """`torch.chunk`: equal parts, each of which is made when it is taken."""
        _require(tensor)
        return Parts(tensor, chunks, dim)

    # --- parameters --------------------------------------------------------------------------

    def _begin(self, path: str, arguments: Sequence[Any], keywords: Names) -> None:
        """`nn.init.…_(parameter, …)`: how a parameter begins, the last time it is said."""
        parameter, *values = arguments
        scheme = (path.removeprefix("nn.init.").rstrip("_"), *values, *sorted(keywords.items()))
        owner, name = parameter, ""
        if isinstance(parameter, Owned):
            owner, name = parameter.owner, parameter.name
        elif not isinstance(parameter, Parameter):
            raise MachineError(f"{path} of something that is no parameter")
        owner.inits = {**owner.inits, name: scheme}
        self.begun.append(owner)

    def shorten(
        self, loop: tree.For
    ) -> Callable[[Iterable[Any], Callable[[Any], Any]], Any] | None:
        """For a loop that only says how parameters begin: once for all layers that are alike."""
        return self._begin_each if only_begins(loop) else None

    def _begin_each(self, items: Iterable[Any], run: Callable[[Any], Any]) -> None:
        """Run its body for the first module of each kind; the others begin as that one.

        Unless the body was about another module's parameters, or about a module that is no layer.
        """
        known: dict[Any, Inits] = {}
        for item in items:
            is_layer = type(item) is Made
            kind, rough = item.kinds if is_layer else (_kind_of(item),) * 2
            is_told = is_layer and item.inits is not _AS_PYTORCH  # something was said before
            before = known.get(rough, known.get(kind))
            if before is not None and not is_told:
                if is_layer:
                    item.inits = before
                continue
            self.begun, self.met, self.counted = [], False, False
            run(item)
            alone = all(owner is item for owner in self.begun)
            if alone and not is_told and (is_layer or not self.met):
                known[kind if self.counted else rough] = item.inits if is_layer else _AS_PYTORCH

    def attribute(self, value: Any, name: str) -> Any:
        """`self.training`, `module.weight`, `x.chunk`, and what modules have."""
        if type(value) is Made:
            return self._of_layer(value, name)
        if type(value) is Tensor:
            return Bound(value, self._method(value, name))
        if isinstance(value, Container) and name in value.children:
            return value.children[name]
        if name == "training" and not isinstance(value, ClassValue):
            self.asked = True
            return self.training
        methods: dict[str, Callable[..., Any]] = {  # `_METHODS`
            "modules": self._modules,
            "add_module": self._add_module,
            "register_parameter": self._register_parameter,
            "get_submodule": self._get_submodule,
            "get_parameter": self._get_parameter,
            "append": self._append,
        }
        if isinstance(value, Instance | Container) and name in methods:
            return Bound(value, lambda *arguments: methods[name](value, *arguments))
        raise MachineError(f"there is no attribute {name}")

    def _of_layer(self, layer: Made, name: str) -> Any:
        _, owned, groups = layer.kinds[0]  # nothing else: layers of a kind begin alike
        if name == "groups" and groups is not None:
            self.counted = True
            return groups
        if name not in ("weight", "bias"):
            raise MachineError(f"there is no attribute {name}")
        return Owned(layer, name) if name in owned else None

    def _modules(self, root: Any) -> list[Any]:
        """The module and all inside, in PyTorch's order."""
        found = [root]
        for child in children_of(root).values():
            if type(child) is Made:
                found.append(child)
            else:
                found += self._modules(child)
        return found

    def _add_module(self, owner: Any, name: Any, module: Any) -> None:
        _require_name(name)
        if not is_module(module) or isinstance(module, Parameter):
            raise MachineError(f"{type(module).__name__} is no module")
        _named_children(owner)[name] = module

    def _register_parameter(self, owner: Any, name: Any, parameter: Any) -> None:
        _require_name(name)
        if not isinstance(parameter, Parameter):
            raise MachineError(f"{type(parameter).__name__} is no parameter")
        _named_children(owner)[name] = parameter

    def _append(self, owner: Any, module: Any) -> None:
        if isinstance(owner, Instance) and _base(owner) != "nn.Sequential":
            raise MachineError(f"{owner.cls.name} is no list of modules")
        children = _named_children(owner)
        children[str(len(children))] = module

    @staticmethod
    def _get_submodule(owner: Any, path: str) -> Any:
        for name in path.split("."):
            owner = _named_children(owner)[name]
        if isinstance(owner, Parameter) or not is_module(owner):
            raise MachineError(f"{path} is no module")
        return owner

    @classmethod
    def _get_parameter(cls, owner: Any, path: str) -> Any:
        *before, name = path.split(".")
        if before:
            owner = cls._get_submodule(owner, ".".join(before))
        found = Owned(owner, name) if isinstance(owner, Made) else _named_children(owner)[name]
        if not isinstance(found, Owned | Parameter):
            raise MachineError(f"{path} is no parameter")
        return found

    def assign(self, instance: Instance, name: str, value: Any) -> None:
        """An attribute; a module that takes another's place takes its name with it."""
        if is_module(value) and (not instance.begun or name in _METHODS):
            raise MachineError(f"{name} cannot be kept there")
        instance.attributes[name] = value

    def copy(self, value: Any) -> Any:
        """Another module that is made in the same way, down to its parts."""
        kind = type(value)
        if kind is Made:
            return value.again()
        if kind is Instance:
            instance = Instance(value.cls)
            instance.begun = value.begun
            instance.attributes = self._copies(value.attributes)
            return instance
        if kind is Container:
            return Container(value.head, self._copies(value.children))
        return Parameter(value.arguments, value.inits) if kind is Parameter else value

    def _copies(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: part.again() if type(part) is Made else self.copy(part)
            for name, part in parts.items()
        }

    def initialise(self, instance: Instance, arguments: Sequence[Any], keywords: Names) -> None:
        """`super().__init__()` of a class derived from a module."""
        base = _base(instance)
        if base not in ("nn.Module", "nn.Sequential"):
            raise MachineError(f"nothing is known of classes derived from {base or 'others'}")
        if keywords or (arguments and base != "nn.Sequential"):
            raise MachineError(f"{base} takes no arguments here")
        instance.attributes.update(_children(base, arguments))

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

    def index(self, value: Any, index: Any) -> Any:
        """`x[:, 16:32]`, and a module of a container."""
        if isinstance(value, Parts):
            return self._part(value, index)
        if isinstance(value, Tensor):
            batch, channels = index
            if batch != slice(None, None) or not isinstance(channels, slice):
                raise MachineError("only channels are cut out")
            return self.apply(("slice", (channels.start or 0, channels.stop)), (value,))
        return list(self.iterate(value))[index]

    def _part(self, parts: "Parts", index: Any) -> Tensor:
        if type(index) is not int or not 0 <= index < parts.chunks:
            raise MachineError(f"there is no part {index} of {parts.chunks}")
        return self.apply(("torch.chunk", parts.chunks, parts.dim, index), (parts.tensor,))

    def iterate(self, value: Any) -> Iterable[Any]:
        """The modules of a container, in order; the parts of a tensor."""
        if isinstance(value, Parts):
            if value.chunks > MOST_PARTS:
                raise MachineError(f"a tensor is unpacked into {value.chunks} parts")
            return [self._part(value, index) for index in range(value.chunks)]
        if isinstance(value, Container) or (
            isinstance(value, Instance) and _base(value) == "nn.Sequential"
        ):
            return children_of(value).values()
        raise MachineError(f"{type(value).__name__} cannot be gone through")

    def is_instance(self, value: Any, kind: Any) -> bool:
        """Whether a module is of a class, or of one of several."""
        found = self._is_instance(value, kind if isinstance(kind, tuple) else (kind,))
        self.met = self.met or found
        return found

    @staticmethod
    def _is_instance(value: Any, kinds: tuple[Any, ...]) -> bool:
        if type(value) is Made:
            heads = (value.head, _BASES.get(value.head))
            return any(type(kind) is External and kind.path in heads for kind in kinds)
        if isinstance(value, Container):
            return any(isinstance(k, External) and k.path == value.head for k in kinds)
        return isinstance(value, Instance) and any(value.cls is k for k in kinds)

    # --- methods of tensors ------------------------------------------------------------------

    def _method(self, tensor: Tensor, name: str) -> Callable[..., Any]:
        """`x.permute(0, 2, 3, 1)` and the like, as the functions that they are."""
        if name == "chunk":
            return lambda *arguments, **keywords: self.chunk(tensor, *arguments, **keywords)
        if name == "permute":
            return lambda *dims: self._function("torch.permute", tensor, (dims,), {})
        if name == "mean":
            return lambda *arguments, **keywords: self._function(
                "torch.mean", tensor, arguments, keywords
            )
        raise MachineError(f"tensors have no method {name} here")


def _kind_of(module: Any) -> Any:
    """What a loop can know of a module that is no layer."""
    return module.cls if type(module) is Instance else getattr(module, "head", Parameter)


def _named_parameters(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of `weight` and `bias` a layer has, the others being None."""
    if arguments.get("affine", arguments.get("elementwise_affine", True)) is False:
        return ()
    return ("weight",) if arguments.get("bias") is False else ("weight", "bias")


def _index(tensor: Tensor) -> int:
    return tensor.index


def _bound(path: str, arguments: Sequence[Any], keywords: Names) -> tuple[Callee, bool]:
    """What a function is known by, and whether it works in place."""
    bound = bind(path, arguments, keywords)
    in_place = bool(bound.pop("inplace", False))
    if path == "torch.narrow":
        return ("slice", (bound["start"], bound["start"] + bound["length"])), in_place
    return (path, *bound.values()), in_place


def _unset(*_: Any) -> Any:
    raise MachineError("no machine runs this")


def _require(tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise MachineError(f"{type(tensor).__name__} is no tensor")


def _require_name(name: Any) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise MachineError(f"{name!r} is no name of a module")


def _base(instance: Instance) -> str:
    base = instance.cls.base
    return base.path if isinstance(base, External) else ""


def _children(head: str, arguments: Sequence[Any]) -> dict[str, Any]:
    """The modules of a container by name."""
    if len(arguments) == 1 and isinstance(arguments[0], dict):
        children = dict(arguments[0])
    elif head == "nn.ModuleList":
        children = {str(i): child for i, child in enumerate(arguments[0] if arguments else ())}
    else:
        children = {str(i): child for i, child in enumerate(arguments)}
    for name, child in children.items():
        _require_name(name)
        if isinstance(child, Parameter) or not is_module(child):
            raise MachineError(f"{type(child).__name__} is no module of a container")
    return children


_PARTS = frozenset({Made, Container, Parameter})


def is_module(value: Any) -> bool:
    """Whether a value is a module; a parameter counts as part of one."""
    if type(value) is Instance:
        return _base(value) != "NamedTuple"
    return type(value) in _PARTS


def _named_children(owner: Any) -> dict[str, Any]:
    if isinstance(owner, Container):
        return owner.children
    if isinstance(owner, Instance) and owner.begun:
        return owner.attributes
    raise MachineError(f"{type(owner).__name__} has no modules in it")


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
