"""The plain form: a class for each part of a network, every step named, every number written out.

It is what is written where no form that a person would choose comes out right. Nothing is shared
but parts that are equal, nothing is overwritten, nothing has arguments.
"""

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archspec.graph.names import problem_with
from archspec.graph.network import INPUT, Network, Node, Scope, Value
from archspec.ops import channels_of
from archspec.targets.python.tree import (
    Argument,
    Assign,
    Attribute,
    Binary,
    Call,
    Class,
    Conditional,
    Evaluate,
    Expr,
    Field,
    Function,
    If,
    Keyword,
    Literal,
    Name,
    Parameter,
    Return,
    Statement,
    Subscript,
    Tuple,
    call,
    dotted,
    literal,
)
from archspec.targets.python.tree import Dict as Mapped
from archspec.targets.torch.emit import Row, Spelling, spell_step
from archspec.targets.torch.emit.norm import times
from archspec.targets.torch.length import require
from archspec.targets.torch.names import TAKEN, class_name, sentence
from archspec.targets.torch.rows.together import together

TENSOR = dotted("torch.Tensor")


@dataclass
class Part:
    """A scope that becomes a module: what it reads from outside, and what is read of it there."""

    reads: list[Value]
    gives: list[Value]
    module: Call
    cls: Class | None = None


@dataclass
class Body:
    """A class while it is written."""

    names: dict[Value, Expr] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)  # the last one behind a variable's name
    init: list[Statement] = field(default_factory=list)
    begins: list[Statement] = field(default_factory=list)
    forward: list[tuple[bool, Statement]] = field(default_factory=list)  # whether in training only


class Plain:
    """Writes networks, one after the other; equal parts are one class among all of them."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)
        self.classes: dict[tuple[object, ...], Class] = {}
        self.lines = 0

    @property
    def definitions(self) -> list[Class]:
        """The classes, each before those that use it."""
        return list(self.classes.values())

    def write(self, network: Network, name: str, docstring: str = "") -> Class:
        """The class of a network, called `name`."""
        self.taken.add(name)
        return _Writer(self, network).written(name, docstring)

    def keep(self, cls: Class) -> Class:
        """The class, or the one that is equal but for its name."""
        key = (cls.base, cls.fields, cls.methods)
        if key in self.classes:
            return self.classes[key]
        self.classes[key] = cls
        return cls

    def count(self, lines: int) -> None:
        """Count what is written; raises `TooLong`."""
        self.lines += lines
        require(self.lines)

    def fresh(self, name: str) -> str:
        """The name of a class that no other has."""
        base = class_name(name)
        names = (base if i == 1 else f"{base}{i}" for i in range(1, len(self.taken) + 2))
        return next(name for name in names if name not in self.taken)


class _Writer:
    def __init__(self, plain: Plain, network: Network) -> None:
        self.plain = plain
        self.network = network
        self.parts: dict[int, Part] = {}  # by the identity of their scopes
        self.readers: dict[Value, list[int]] = {}
        for node in network.nodes:
            for value in node.inputs:
                self.readers.setdefault(value, []).append(node.index)

    # --- the network -------------------------------------------------------------------------

    def written(self, name: str, docstring: str) -> Class:
        """The network's own class."""
        body = self._open(["x"], [Value(INPUT)])
        self._children(self.network.root, body)
        statements = _guarded(body.forward)
        outputs = self.network.outputs or {"output": self.network.output}  # it has no steps
        values = {key: body.names[value] for key, value in outputs.items()}
        kept = [key for key in outputs if key not in self.network.training_only]
        returns: Expr = TENSOR
        fields: Class | None = None
        if len(outputs) == 1:
            statements.append(Return(next(iter(values.values()))))
        else:
            fields = self._outputs_class(name, kept)
            statements, returns = self._return_several(statements, fields, values, kept)
        methods = self._methods(body, ["x"], statements, returns)
        if fields is not None:
            self.plain.classes["outputs", name] = fields
        cls = Class(name, dotted("nn.Module"), sentence(docstring), methods=methods)
        self.plain.classes["network", name] = cls
        return cls

    def _outputs_class(self, name: str, kept: Sequence[str]) -> Class:
        fields = []
        for key in self.network.outputs:
            optional = key not in kept and len(kept) > 1
            annotation = dotted("torch.Tensor")
            fields.append(
                Field(key, Binary(annotation, "|", Literal(None)) if optional else annotation)
            )
        training = "" if len(kept) == len(self.network.outputs) else " in training"
        return Class(
            f"{name}Outputs",
            Name("NamedTuple"),
            f"What {name} gives back{training}.",
            tuple(fields),
        )

    def _return_several(
        self,
        statements: list[Statement],
        fields: Class,
        values: Mapping[str, Expr],
        kept: Sequence[str],
    ) -> tuple[list[Statement], Expr]:
        everything = Return(Call(Name(fields.name), tuple(values.values())))
        if len(kept) == len(values):
            return [*statements, everything], Name(fields.name)
        statements = together([*statements, If(dotted("self.training"), (everything,))])
        if len(kept) == 1:
            statements.append(Return(values[kept[0]]))
            return statements, Binary(TENSOR, "|", Name(fields.name))
        some = [v if key in kept else Literal(None) for key, v in values.items()]
        statements.append(Return(Call(Name(fields.name), tuple(some))))
        return statements, Name(fields.name)

    def _methods(
        self, body: Body, reads: Sequence[str], statements: Sequence[Statement], returns: Expr
    ) -> tuple[Function, ...]:
        made = [*body.init, *body.begins]
        begin = Evaluate(Call(_super_init()))
        init = Function("__init__", (Parameter("self"),), Literal(None), (begin, *made))
        parameters = (Parameter("self"), *(Parameter(name, TENSOR) for name in reads))
        forward = Function("forward", parameters, returns, tuple(statements))
        return (init, forward) if made else (forward,)

    # --- parts -------------------------------------------------------------------------------

    def _open(self, names: Sequence[str], values: Sequence[Value]) -> Body:
        body = Body(taken={*names, "self"})
        body.names = dict(zip(values, map(Name, names), strict=True))
        return body

    def _children(self, scope: Scope, body: Body, prefix: str = "") -> None:
        """Every step of a scope; a scope without tensors is no module, and its steps stand here."""
        for child in scope.children:
            name = f"{prefix}{child.name}"
            if isinstance(child, Node):
                self._node(child, name, body)
            elif any(node.module.tensors for node in child.nodes()):
                self._part(child, name, body)
            else:
                self._children(child, body, f"{name}_")

    def _node(self, node: Node, name: str, body: Body) -> None:
        spelling = self._spelling(node)
        has_tensors = bool(node.module.tensors)
        runs = self.network.is_run(node)
        if not runs and not has_tensors:
            return
        self.plain.count(1)
        made = spelling.module
        parameter = made is not None and made.function == dotted("nn.Parameter")
        is_module = has_tensors or spelling.function is None
        module: Expr | None = None
        if is_module:
            assert made is not None
            module = _attribute(name, body, made, is_parameter=parameter)
            body.begins += self._begins(node, name)
        if not runs:
            return
        read = [body.names[value] for value in node.inputs]
        if module is not None:
            value = times(module, read[0]) if parameter else Call(module, (read[0],))
        else:
            assert spelling.function is not None
            value = spelling.function(read)
        if value in read:
            body.names[node.output] = value  # it passes on what arrives
            return
        variable = _variable(name, node.op_name, body)
        statement = Assign(Name(variable), value, TENSOR if is_module else None)
        body.forward.append((not self.network.is_evaluated(node), statement))
        body.names[node.output] = Name(variable)

    def _part(self, scope: Scope, name: str, body: Body) -> None:
        part = self._module(scope)
        self.plain.count(1)
        module = _attribute(name, body, part.module)
        if not part.gives:
            return
        nodes = self.network.nodes
        training_only = not any(self.network.is_evaluated(nodes[g.node]) for g in part.gives)
        reads = [body.names[read] for read in part.reads]
        if not training_only:  # what is not there in evaluation is not read there
            there = [body.names[read] for read in part.reads if self._is_evaluated(read)]
            reads = [
                read if read in there else Conditional(dotted("self.training"), read, there[0])
                for read in reads
            ]
        value = Call(module, tuple(reads))
        variables = [_variable(name, "part", body) for _ in part.gives]
        for given, variable in zip(part.gives, variables, strict=True):
            body.names[given] = Name(variable)
        if len(variables) == 1:
            statements = [Assign(Name(variables[0]), value, TENSOR)]
        else:
            several = Name(_variable(f"{name}_parts", "parts", body))  # which can be said to be
            targets = Tuple(tuple(map(Name, variables)))
            statements = [
                Assign(several, value, _tensors(len(variables))),
                Assign(targets, several),
            ]
        body.forward += [(training_only, statement) for statement in statements]

    def _module(self, scope: Scope) -> Part:
        """The module of a scope, written once: what is no chain is asked for it twice."""
        if id(scope) not in self.parts:
            self.parts[id(scope)] = self._written_module(scope)
        return self.parts[id(scope)]

    def _written_module(self, scope: Scope) -> Part:
        """An `nn.Sequential` of a chain, else a class of its own."""
        before = self.plain.lines
        inside = {node.index for node in scope.nodes()}
        reads = self._reads(scope, inside)
        gives = self._gives(inside)
        chain = self._chain(scope, reads, gives)
        if chain is not None:
            return Part(reads, gives, chain)
        names = ["x"] if len(reads) == 1 else [f"x{i}" for i in range(1, len(reads) + 1)]
        body = self._open(names, reads)
        self._children(scope, body)
        returns: Expr = TENSOR
        if len(gives) == 1:
            body.forward.append((False, Return(body.names[gives[0]])))
        elif gives:
            body.forward += self._return_parts(gives, body)
            returns = _tensors(len(gives))
        statements = _guarded(body.forward)
        methods = self._methods(body, names, statements, returns)
        if not gives:
            methods = methods[:1]
        name = scope.block.name if scope.block is not None else scope.name
        cls = Class(self.plain.fresh(name), dotted("nn.Module"), methods=methods)
        kept = self.plain.keep(cls)
        if kept is not cls:
            self.plain.lines = before  # it is written already
        cls = kept
        self.plain.taken.add(cls.name)
        return Part(reads, gives, Call(Name(cls.name)), cls)

    def _is_evaluated(self, value: Value) -> bool:
        """Whether a value is there in evaluation."""
        nodes = self.network.nodes
        return value.node == INPUT or self.network.is_evaluated(nodes[value.node])

    def _return_parts(self, gives: Sequence[Value], body: Body) -> Iterator[tuple[bool, Statement]]:
        """What a part gives back; for what is there in training alone, something in evaluation."""
        values = tuple(body.names[value] for value in gives)
        there = [body.names[value] for value in gives if self._is_evaluated(value)]
        if 0 < len(there) < len(gives):
            yield True, Return(Tuple(values))
            values = tuple(value if value in there else there[0] for value in values)
        yield False, Return(Tuple(values))

    def _reads(self, scope: Scope, inside: set[int]) -> list[Value]:
        """The values from outside that the running steps of a scope read, in order."""
        found: dict[Value, None] = {}
        for node in scope.nodes():
            if self.network.is_run(node):
                found.update((value, None) for value in node.inputs if value.node not in inside)
        return list(found)

    def _gives(self, inside: set[int]) -> list[Value]:
        """The values of a scope that are read outside, or leave the network."""
        nodes = self.network.nodes
        leaving = set(self.network.outputs.values())
        given = [
            node.output
            for node in map(nodes.__getitem__, sorted(inside))
            if self.network.is_run(node)
        ]
        return [
            value
            for value in given
            if value in leaving
            or any(
                r not in inside and self.network.is_run(nodes[r])
                for r in self.readers.get(value, ())
            )
        ]

    # --- chains ------------------------------------------------------------------------------

    def _chain(self, scope: Scope, reads: Sequence[Value], gives: Sequence[Value]) -> Call | None:
        """An `nn.Sequential` where every step reads the one before it, and only that; else None."""
        if len(reads) != 1 or len(gives) != 1:
            return None
        modules: dict[str, Call] = {}
        previous = reads[0]
        for child in scope.children:
            if isinstance(child, Scope) and not any(child.nodes()):
                continue
            found = self._link(child, previous)
            if found is None:
                return None
            modules[child.name], previous = found
        if previous != gives[0]:
            return None
        self.plain.count(len(modules))
        if list(modules) == [str(i) for i in range(len(modules))]:
            return Call(dotted("nn.Sequential"), tuple(modules.values()), spread=len(modules) > 1)
        pairs = tuple((Literal(name), module) for name, module in modules.items())
        return call("nn.Sequential", call("OrderedDict", Mapped(pairs, spread=True)))

    def _link(self, child: "Node | Scope", previous: Value) -> tuple[Call, Value] | None:
        """One module of a chain, and the value that leaves it."""
        if isinstance(child, Node):
            module = self._spelling(child).module
            if module is None or module.function == dotted("nn.Parameter") or child.module.init:
                return None
            runs = child.inputs == (previous,) and self.network.is_run(child)
            return (module, child.output) if runs else None
        inside = {node.index for node in child.nodes()}
        reads, gives = self._reads(child, inside), self._gives(inside)
        runs = all(map(self.network.is_run, child.nodes()))
        if reads != [previous] or len(gives) != 1 or not runs:
            return None
        return self._module(child).module, gives[0]

    # --- steps -------------------------------------------------------------------------------

    def _spelling(self, node: Node) -> Spelling:
        assert node.op is not None
        shapes = self.network.arriving(node)
        assert shapes is not None
        return spell_step(node.op, Row(shapes, Literal(channels_of(shapes[0]))))

    def _begins(self, node: Node, name: str) -> Iterator[Statement]:
        """How the parameters of a step begin."""
        for parameter, scheme in (node.module.init or {}).items():
            alone = any(tensor.name == "" for tensor in node.module.tensors or ())
            path = name if alone else f"{name}.{parameter}"
            options = dict(scheme.options)
            first: list[Argument] = [Call(dotted("self.get_parameter"), (Literal(path),))]
            if scheme.name == "constant":
                first.append(literal(options.pop("value")))
            keywords = [Keyword(key, literal(value)) for key, value in options.items()]
            yield Evaluate(Call(dotted(f"nn.init.{scheme.name}_"), (*first, *keywords)))


def _tensors(count: int) -> Expr:
    """`tuple[torch.Tensor, torch.Tensor]`, and `tuple[torch.Tensor, ...]` of more."""
    return Subscript(Name("tuple"), (TENSOR,) * 2 if count == 2 else (TENSOR, Literal(...)))


def _super_init() -> Expr:
    """`super().__init__`."""
    return Attribute(Call(Name("super")), "__init__")


def _attribute(name: str, body: Body, module: Call, *, is_parameter: bool = False) -> Expr:
    """Keep a module, or a parameter, under its name; what reads it."""
    if problem_with(name) is None and name.isidentifier():
        body.init.append(Assign(dotted(f"self.{name}"), module))
        return dotted(f"self.{name}")
    if is_parameter:
        body.init.append(Evaluate(call("self.register_parameter", Literal(name), module)))
        return call("getattr", Name("self"), Literal(name))  # torch.fx can follow that
    body.init.append(Evaluate(call("self.add_module", Literal(name), module)))
    return call("self.get_submodule", Literal(name))


def _variable(name: str, op_name: str, body: Body) -> str:
    """A variable of `forward`, called as the step is or as its op."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    base = words if words.isidentifier() else op_name
    if keyword.iskeyword(base) or base in TAKEN or hasattr(builtins, base):
        base = f"{base}_out"
    variable = base
    while variable in body.taken:
        body.numbers[base] = number = body.numbers.get(base, 1) + 1
        variable = f"{base}_{number}"
    body.taken.add(variable)
    return variable


def _guarded(forward: Sequence[tuple[bool, Statement]]) -> list[Statement]:
    """Statements, those that only training needs under a condition."""
    found: list[Statement] = []
    for training_only, statement in forward:
        if not training_only:
            found.append(statement)
        elif found and isinstance(found[-1], If):
            found[-1] = If(found[-1].test, (*found[-1].body, statement))
        else:
            found.append(If(dotted("self.training"), (statement,)))
    return found
