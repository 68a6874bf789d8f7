"""PyTorch on symbols: modules made, found in each other and applied, as a machine runs the code."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

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
from archspec.targets.torch.signatures import BadCall, bind, is_function, is_layer
from archspec.targets.torch.symbols import (
    AS_PYTORCH,
    Container,
    Inits,
    Made,
    Owned,
    Parameter,
    Parts,
    Tensor,
    base_of,
    children_of,
    is_module,
)
from archspec.targets.torch.tensors import Tensors, require_tensor

_CONTAINERS = {"nn.Sequential", "nn.ModuleList", "nn.ModuleDict"}
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


class Torch(Tensors):
    """What the names that a module imports stand for. `training` is what `self.training` is."""

    def __init__(self) -> None:
        super().__init__()
        self.training = False
        self.asked = False  # whether anything depended on `self.training`
        self.begun: list[Any] = []  # whose parameters were told how to begin
        self.met = False  # whether anything was of a class that was asked for
        self.counted = False  # whether a layer was asked for its groups
        self.made: dict[Any, tuple[Any, Made]] = {}
        self.run: Callable[[Any, Sequence[Any], Names], Any] = refuse_to_run

    # --- calls -------------------------------------------------------------------------------

    def call(self, function: Any, arguments: Sequence[Any], keywords: Names) -> Any:
        """A layer made, a layer applied, or a function applied."""
        kind = type(function)
        if kind is External:
            return self._call_external(function.path, arguments, keywords)
        if kind is Made:
            return self._apply_layer(function, *arguments)
        if kind is Container or (kind is Instance and base_of(function) == "nn.Sequential"):
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
            return self.function(path, arguments[0], arguments[1:], keywords)
        raise BadCall(f"nothing is known of {path}")

    def _apply_layer(self, layer: Made, tensor: Any) -> Any:
        require_tensor(tensor)
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
            is_told = is_layer and item.inits is not AS_PYTORCH  # something was said before
            before = known.get(rough, known.get(kind))
            if before is not None and not is_told:
                if is_layer:
                    item.inits = before
                continue
            self.begun, self.met, self.counted = [], False, False
            run(item)
            alone = all(owner is item for owner in self.begun)
            if alone and not is_told and (is_layer or not self.met):
                known[kind if self.counted else rough] = item.inits if is_layer else AS_PYTORCH

    # --- modules in each other ---------------------------------------------------------------

    def attribute(self, value: Any, name: str) -> Any:
        """`self.training`, `module.weight`, `x.chunk`, and what modules have."""
        if type(value) is Made:
            return self._of_layer(value, name)
        if type(value) is Tensor:
            return Bound(value, self.method(value, name))
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
        if isinstance(owner, Instance) and base_of(owner) != "nn.Sequential":
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
        base = base_of(instance)
        if base not in ("nn.Module", "nn.Sequential"):
            raise MachineError(f"nothing is known of classes derived from {base or 'others'}")
        if keywords or (arguments and base != "nn.Sequential"):
            raise MachineError(f"{base} takes no arguments here")
        instance.attributes.update(_children(base, arguments))

    def index(self, value: Any, index: Any) -> Any:
        """`x[:, 16:32]`, a part of a tensor, and a module of a container."""
        if isinstance(value, Parts):
            return self.part(value, index)
        if isinstance(value, Tensor):
            return self.channels(value, index)
        return list(self.iterate(value))[index]

    def iterate(self, value: Any) -> Iterable[Any]:
        """The modules of a container, in order; the parts of a tensor."""
        if isinstance(value, Parts):
            return self.all_parts(value)
        if isinstance(value, Container) or (
            isinstance(value, Instance) and base_of(value) == "nn.Sequential"
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


def _kind_of(module: Any) -> Any:
    """What a loop can know of a module that is no layer."""
    return module.cls if type(module) is Instance else getattr(module, "head", Parameter)


def refuse_to_run(*_: Any) -> Any:
    """What runs a module where no machine does."""
    raise MachineError("no machine runs this")


def _require_name(name: Any) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise MachineError(f"{name!r} is no name of a module")


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


def _named_children(owner: Any) -> dict[str, Any]:
    if isinstance(owner, Container):
        return owner.children
    if isinstance(owner, Instance) and owner.begun:
        return owner.attributes
    raise MachineError(f"{type(owner).__name__} has no modules in it")
