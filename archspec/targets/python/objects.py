"""What a program is made of while it is executed on symbols, and what a framework answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from archspec.targets.python import tree

Names: TypeAlias = dict[str, Any]
Evaluation: TypeAlias = Callable[[Names], Any]
Execution: TypeAlias = Callable[[Names], Any]


class MachineError(Exception):
    """The code does something that Python, or the framework, would not take."""


class External:
    """Something that the module imports, by its path: `nn`, `nn.Conv2d`, `F.relu`."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, External) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)


class Partial:
    """`functools.partial(function, *arguments, **keywords)`."""

    __slots__ = ("arguments", "function", "keywords")

    def __init__(
        self, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> None:
        self.function = function
        self.arguments = tuple(arguments)
        self.keywords = keywords


class Constant:
    """`lambda *_: body`: what a call gives, whatever it is given."""

    __slots__ = ("body", "keywords")

    def __init__(self, body: Callable[[], Any], *, keywords: bool) -> None:
        self.body = body
        self.keywords = keywords


class Instance:
    """An object of a class of the module: its attributes, modules and parameters among them.

    `begun` says that the constructor of the framework's class has run, before which it holds none.
    """

    __slots__ = ("attributes", "begun", "cls")

    def __init__(self, cls: "ClassValue") -> None:
        self.cls = cls
        self.begun = False
        self.attributes: dict[str, Any] = {}


class ClassValue:
    """A class of the module, its methods ready to run."""

    __slots__ = ("base", "definition", "methods")

    def __init__(self, definition: tree.Class, base: Any, methods: Mapping[str, "Method"]) -> None:
        self.definition = definition
        self.base = base
        self.methods = methods

    @property
    def name(self) -> str:
        """The class's name."""
        return self.definition.name

    @property
    def is_record(self) -> bool:
        """Whether its objects are tuples whose items have names."""
        return isinstance(self.base, External) and self.base.path == "NamedTuple"


class Method:
    """A function, ready to run: `names` are given by position, `accepted` by name."""

    __slots__ = ("accepted", "body", "defaults", "name", "names", "static")

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        accepted: frozenset[str],
        defaults: Names,
        body: Execution,
        *,
        static: bool = False,
    ) -> None:
        self.static = static
        self.name = name
        self.names = names
        self.accepted = accepted
        self.defaults = defaults
        self.body = body


class Bound:
    """A method of an object."""

    __slots__ = ("instance", "method")

    def __init__(self, instance: Any, method: Any) -> None:
        self.instance = instance
        self.method = method


class Super:
    """`super()` in a method of an object."""

    __slots__ = ("instance",)

    def __init__(self, instance: Instance) -> None:
        self.instance = instance


class Framework(Protocol):
    """What answers for everything that the module imports."""

    def call(self, function: Any, arguments: Sequence[Any], keywords: Names) -> Any:
        """The result of calling an `External` or one of the framework's own values."""

    def attribute(self, value: Any, name: str) -> Any:
        """An attribute of an object of the module, or of one of the framework's own values."""

    def assign(self, instance: Instance, name: str, value: Any) -> None:
        """Keep an attribute of an object."""

    def copy(self, value: Any) -> Any:
        """Another object that is made in the same way, down to its parts."""

    def initialise(self, instance: Instance, arguments: Sequence[Any], keywords: Names) -> None:
        """The constructor of the framework's own class that an object's class is derived from."""

    def operate(self, op: str, left: Any, right: Any, *, in_place: bool = False) -> Any:
        """An operator of which one side is a framework's value; NotImplemented where none is."""

    def index(self, value: Any, index: Any) -> Any:
        """A subscript of one of the framework's own values."""

    def iterate(self, value: Any) -> Iterable[Any]:
        """What a loop goes through."""

    def is_instance(self, value: Any, kind: Any) -> bool:
        """Whether a value is of a class, or of one of several."""

    def shorten(
        self, loop: tree.For
    ) -> Callable[[Iterable[Any], Callable[[Any], Any]], Any] | None:
        """A way to run a loop's body for fewer items to the same end, where there is one."""
