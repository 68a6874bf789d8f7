"""A network as the body of a class: what its constructor makes, and what forward does with it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from archspec.graph.network import INPUT, Network, Node, Scope
from archspec.targets.torch.emitters import spell_step
from archspec.targets.torch.layout import Bracketed, Expr, flat, lines
from archspec.targets.torch.spelling import Row, Spelling
from archspec.targets.torch.symbols import Bindings

BODY = 8
"""The indentation of a method's statements."""
MAX_NESTED = 60
"""An activation is wrapped around the call before it where the line stays this short."""
MAX_DEPTH = 3
"""Groups stand in each other so deep; those further inside get a variable, `group1`."""


@dataclass
class ClassBody:
    """The lines of a class.

    `base` is `nn.Sequential` where a position or another number has to be the name of a module:
    `self.0` is not Python. `heads` are the heads of all calls, from which
    follows what has to be imported or defined.
    """

    base: str
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    heads: set[str] = field(default_factory=set)


def write_body(network: Network, bindings: Bindings) -> ClassBody:
    """The class of a network."""
    return _Writer(network, bindings).run()


class _Writer:
    def __init__(self, network: Network, bindings: Bindings) -> None:
        self.network = network
        self.spellings = [self._spell(node, bindings) for node in network.nodes]
        self.body = ClassBody("nn.Module")
        self.taken = {child.name for child in network.root.children}
        self.variables = network.vars.keys() | bindings.local_names.keys()
        self.groups = 0  # how many have a variable
        self.expr: Expr = "x"  # what forward has computed and not assigned yet
        self.from_module = False  # whether that is a call of a module, to be wrapped
        for name, text in bindings.local_names.items():
            self.body.init += lines(f"{name} = ", text, BODY)

    def _spell(self, node: Node, bindings: Bindings) -> Spelling:
        shape = self.network.shape_of(node.inputs[0])
        assert node.op is not None
        assert shape is not None
        before = node.inputs[0]
        source = None if before == INPUT else self.network.nodes[before].op
        row = Row(shape, bindings.symbols[node.index], bool(source and source.overwritable))
        return spell_step(node.op, row)

    def run(self) -> ClassBody:
        root = self.network.root
        if any(self._needs_number(child) for child in root.children):
            self._sequential_root(root)
        else:
            for child in root.children:
                self._root_step(child)
            self._assign()
        return self.body

    def _needs_number(self, child: Scope | Node) -> bool:
        """Whether a number names a module: it was given, or stands before names or weights."""
        if not child.name.isdigit():
            return False
        inside = child.walk() if isinstance(child, Scope) else [child]
        return any(item.named for item in inside) or self._has_parameters(child)

    def _has_parameters(self, item: Scope | Node) -> bool:
        nodes: Iterable[Node] = [item] if isinstance(item, Node) else item.nodes()
        for node in nodes:
            shape = self.network.shape_of(node.inputs[0])
            assert node.op is not None
            assert shape is not None
            if node.op.tensors(shape):
                return True
        return False

    # --- modules -----------------------------------------------------------------------------

    def _sequential_root(self, root: Scope) -> None:
        self.body.base = "nn.Sequential"
        steps = self._sequence(root.children, "super().__init__")
        self._init("", steps)
        self.body.forward = [
            f'{" " * BODY}"""What `nn.Sequential` does, with types."""',
            f"{' ' * BODY}for layer in self:",
            f"{' ' * (BODY + 4)}x = layer(x)",
        ]

    def _module(self, item: Scope | Node) -> Bracketed:
        if isinstance(item, Node):
            return self.spellings[item.index].module
        return self._sequence(item.children, "nn.Sequential")

    def _sequence(self, children: Sequence[Scope | Node], head: str) -> Bracketed:
        """Steps in a row: by position where that is their name, else in an OrderedDict."""
        modules = [self._within(self._module(child)) for child in children]
        spread = len(modules) > 1
        if all(child.name == str(i) for i, child in enumerate(children)):
            return Bracketed(head, tuple(modules), spread=spread)
        pairs = (
            Bracketed("", (f'"{child.name}"', module))
            for child, module in zip(children, modules, strict=True)
        )
        listed = Bracketed("", tuple(pairs), "[]", spread=spread)
        return Bracketed(head, (Bracketed("OrderedDict", (listed,)),))

    def _within(self, module: Bracketed) -> Expr:
        """A module as it stands in a group: a variable's name in place of one too deep."""
        if _depth(module) < MAX_DEPTH:
            return module
        names = (f"group{i}" for i in count(self.groups + 1))
        name = next(name for name in names if name not in self.variables)
        self.groups = int(name.removeprefix("group"))
        self._init(f"{name} = ", module)
        return name

    def _init(self, prefix: str, module: Bracketed) -> None:
        self.body.heads.update(_heads(module))
        self.body.init += lines(prefix, module, BODY)

    # --- forward -----------------------------------------------------------------------------

    def _root_step(self, item: Scope | Node) -> None:
        if isinstance(item, Scope):
            if item.named:
                self._attribute(item.name, self._module(item))
            else:
                for child in item.children:  # its name stands before no other
                    self._root_step(child)
            return
        spelling = self.spellings[item.index]
        functional = not item.named or (item.step is None and not self._has_parameters(item))
        if functional and spelling.function is not None:
            self._function(spelling)
        elif functional:
            self._attribute(self._free_name(item), spelling.module)
        elif spelling.padding is not None and spelling.bare is not None:
            self._attribute(item.name, spelling.bare, spelling)
        else:
            self._attribute(item.name, spelling.module)

    def _free_name(self, node: Node) -> str:
        """An attribute for a step that has no name, but has to be a module."""
        assert node.op is not None
        base = node.op.op_name
        names = (base if i == 1 else f"{base}{i}" for i in range(1, len(self.taken) + 2))
        name = next(name for name in names if name not in self.taken)
        self.taken.add(name)
        return name

    def _attribute(self, name: str, module: Bracketed, padded: Spelling | None = None) -> None:
        self._init(f"self.{name} = ", module)
        self._assign()
        argument: Expr = "x"
        if padded is not None and padded.padding is not None:
            argument = padded.padding("x")
        self.expr = Bracketed(f"self.{name}", (argument,))
        self.from_module = True

    def _function(self, spelling: Spelling) -> None:
        assert spelling.function is not None
        if spelling.is_activation and self.from_module:
            wrapped = spelling.function(self.expr)
            text = flat(wrapped)
            if text is not None and len(text) <= MAX_NESTED:
                self.expr, self.from_module = wrapped, False
                return
        self._assign()
        self.expr = spelling.function("x")

    def _assign(self) -> None:
        if self.expr != "x":
            self.body.heads.update(_heads(self.expr))
            self.body.forward += lines("x = ", self.expr, BODY)
        self.expr, self.from_module = "x", False


def _depth(expr: Expr) -> int:
    """How many groups stand in each other in an expression."""
    if isinstance(expr, str):
        return 0
    inside = max(map(_depth, expr.parts), default=0)
    return inside + (expr.head == "nn.Sequential")


def _heads(expr: Expr) -> Iterator[str]:
    """The heads of all calls in an expression."""
    if isinstance(expr, str):
        return
    yield expr.head
    for part in expr.parts:
        yield from _heads(part)
