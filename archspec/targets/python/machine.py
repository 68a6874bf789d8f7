"""Executes a tree on symbols: constructors and functions run, and a framework's calls are noted.

Numbers, lists and loops are Python's own; what the module imports is the business of a `Framework`,
which answers with symbols for modules and tensors. Every expression is made a Python closure once,
because a class is executed once for each of its objects.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from archspec.expressions import power
from archspec.targets.python import tree
from archspec.targets.python.objects import (
    Bound,
    ClassValue,
    Constant,
    Evaluation,
    Execution,
    External,
    Framework,
    Instance,
    MachineError,
    Method,
    Names,
    Partial,
    Super,
)

MAX_STEPS = 20_000_000
"""How many statements may be executed: more than any network of a check has."""


_CALLABLE = frozenset({Bound, ClassValue, Method, Instance, Partial, Constant})
"""What a machine calls itself."""

_NOTHING: Any = object()  # a block that came to its end without `return`

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": power,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, items: item in items,
    "not in": lambda item, items: item not in items,
    "is": lambda left, right: left is right or (isinstance(left, External) and left == right),
    "is not": lambda left, right: not _COMPARISONS["is"](left, right),
}
_BUILTINS: Mapping[str, Callable[..., Any]] = {
    "range": range,
    "len": len,
    "enumerate": enumerate,
    "zip": zip,
    "min": min,
    "max": max,
    "sum": sum,
    "round": round,
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "tuple": tuple,
    "list": list,
    "reversed": reversed,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.sqrt": math.sqrt,
    "OrderedDict": dict,
}


_PLAIN = (list, tuple, range, enumerate, zip, dict, reversed)
"""What a loop goes through without a framework."""


def same_kinds(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether equal arguments are of equal types: 1, 1.0 and True are equal."""
    kinds = [*map(type, one)]
    if kinds != [*map(type, other)]:
        return False
    if tuple not in kinds:
        return True
    pairs = zip(kinds, one, other, strict=True)
    return all(same_kinds(a, b) for kind, a, b in pairs if kind is tuple)


def call_key(function: Any, arguments: Sequence[Any], keywords: Names) -> tuple[Any, ...]:
    """What tells a call from others, as far as `same_kinds` agrees."""
    return (function, len(arguments), *arguments, *keywords, *keywords.values())


class Machine:
    """Runs the classes and functions of a module."""

    def __init__(
        self,
        definitions: Iterable[tree.Definition | tree.Assign],
        framework: Framework,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        imported: Iterable[str] = (),
    ) -> None:
        self.framework = framework
        self.functions = {**_BUILTINS, **(functions or {})}
        builtin = (name for name in self.functions if "." not in name)
        self.imported = frozenset((*imported, *builtin))
        self.steps = 0
        self.depth = 0  # how many constructors are running
        self.made: dict[Any, tuple[Any, Any]] = {}
        self.globals: Names = {}
        for definition in definitions:
            if isinstance(definition, tree.Class):
                self.globals[definition.name] = self._class(definition)
            elif isinstance(definition, tree.Function):
                self.globals[definition.name] = self._method(definition)
            else:
                self._assign_to(definition.target)(self.globals, self.evaluate(definition.value))

    def evaluate(self, expr: tree.Expr, names: Names | None = None) -> Any:
        """The value of an expression."""
        return self.expression(expr)({} if names is None else names)

    def call(self, function: Any, arguments: Sequence[Any], keywords: Names) -> Any:
        """The result of a call, of whatever can be called."""
        kind = type(function)
        if kind is External:
            known = self.functions.get(function.path)
            if known is not None:
                return known(*arguments, **keywords)
            if function.path == "partial":
                return Partial(arguments[0], arguments[1:], keywords)
        elif kind not in _CALLABLE:
            pass
        elif kind is Bound:
            if isinstance(function.method, Method):
                return self._run(function.method, (function.instance, *arguments), keywords)
            return function.method(*arguments, **keywords)
        elif kind is ClassValue:
            return self._construct(function, arguments, keywords)
        elif kind is Method:
            return self._run(function, arguments, keywords)
        elif kind is Instance and "forward" in function.cls.methods:
            return self._run(function.cls.methods["forward"], (function, *arguments), keywords)
        elif kind is Partial:
            given = (*function.arguments, *arguments)
            return self.call(function.function, given, {**function.keywords, **keywords})
        elif kind is Constant and (function.keywords or not keywords):
            return function.body()
        return self.framework.call(function, arguments, keywords)

    # --- classes and functions ---------------------------------------------------------------

    def _class(self, definition: tree.Class) -> ClassValue:
        base = self.evaluate(definition.base)
        methods = {method.name: self._method(method) for method in definition.methods}
        return ClassValue(definition, base, methods)

    def _method(self, definition: tree.Function) -> Method:
        defaults = {
            p.name: self.evaluate(p.default) for p in definition.parameters if p.default is not None
        }
        names = [p.name for p in definition.parameters if not p.keyword_only]
        accepted = frozenset(p.name for p in definition.parameters)
        body = self.block(definition.body)
        return Method(definition.name, names, accepted, defaults, body, static=definition.static)

    def _run(self, method: Method, arguments: Sequence[Any], keywords: Names) -> Any:
        if len(arguments) > len(method.names):
            raise MachineError(f"{method.name} takes fewer arguments than {len(arguments)}")
        names = dict(method.defaults)
        names.update(zip(method.names, arguments, strict=False))
        for name, value in keywords.items() if keywords else ():
            if name not in method.accepted or name in method.names[: len(arguments)]:
                raise MachineError(f"{method.name} does not take {name} by name")
            names[name] = value
        if not names.keys() >= method.accepted:
            raise MachineError(f"{method.name} is not given {min(method.accepted - names.keys())}")
        result = method.body(names)
        return None if result is _NOTHING else result

    def _construct(self, cls: ClassValue, arguments: Sequence[Any], keywords: Names) -> Any:
        """An object; of one that was made with the same arguments before, a copy."""
        try:
            key = call_key(cls, arguments, keywords)
            before = self.made.get(key)
        except TypeError:  # a list among the arguments
            return self._constructed(cls, arguments, keywords)
        if before is None or not same_kinds(before[0], key):
            before = self.made[key] = key, self._constructed(cls, arguments, keywords)
            if self.depth == 0:  # the network itself, of which there are not two
                return before[1]
        return self.framework.copy(before[1])

    def _constructed(self, cls: ClassValue, arguments: Sequence[Any], keywords: Names) -> Any:
        instance = Instance(cls)
        if cls.is_record:
            fields = [field.name for field in cls.definition.fields]
            instance.attributes.update(zip(fields, arguments, strict=False))
            instance.attributes.update(keywords)
            if len(arguments) + len(keywords) != len(fields) or {*instance.attributes} != {*fields}:
                raise MachineError(f"{cls.name} is not given {', '.join(fields)}")
            return instance
        if "__init__" in cls.methods:
            self.depth += 1
            self._run(cls.methods["__init__"], (instance, *arguments), keywords)
            self.depth -= 1
        else:
            self._begin(instance, *arguments, **keywords)
        if not instance.begun:
            raise MachineError(f"{cls.name} never calls super().__init__()")
        return instance

    def _begin(self, instance: Instance, *arguments: Any, **keywords: Any) -> None:
        self.framework.initialise(instance, arguments, keywords)
        instance.begun = True

    # --- statements --------------------------------------------------------------------------

    def block(self, body: Sequence[tree.Statement]) -> Execution:
        """Statements as one closure, which gives what is returned."""
        parts = [self._statement(statement) for statement in body]
        count = len(parts)

        def run(names: Names) -> Any:
            self.steps += count
            if self.steps > MAX_STEPS:
                raise MachineError("this takes too long")
            for part in parts:
                result = part(names)
                if result is not _NOTHING:
                    return result
            return _NOTHING

        return run

    def _statement(self, statement: tree.Statement) -> Execution:
        match statement:
            case tree.Assign(target=target, value=value):
                return self._assignment(target, value)
            case tree.Augment():
                return self._augment(statement)
            case tree.Evaluate(value=value):
                return self._effect(self.expression(value))
            case tree.Return(value=value):
                return self.expression(value)
            case tree.If(test=test, body=body, orelse=orelse):
                return self._if(self.expression(test), self.block(body), self.block(orelse))
            case tree.For():
                return self._for(statement)

    def _assignment(self, target: tree.Expr, value: tree.Expr) -> Execution:
        evaluation = self.expression(value)
        if isinstance(target, tree.Name):
            return self._local(target.id, evaluation)
        assign = self._assign_to(target)

        def run(names: Names) -> Any:
            assign(names, evaluation(names))
            return _NOTHING

        return run

    @staticmethod
    def _local(name: str, evaluation: Evaluation) -> Execution:
        def run(names: Names) -> Any:
            names[name] = evaluation(names)
            return _NOTHING

        return run

    def _effect(self, evaluation: Evaluation) -> Execution:
        def run(names: Names) -> Any:
            evaluation(names)
            return _NOTHING

        return run

    @staticmethod
    def _if(test: Evaluation, body: Execution, orelse: Execution) -> Execution:
        return lambda names: body(names) if test(names) else orelse(names)

    def _for(self, statement: tree.For) -> Execution:
        assign, body = self._assign_to(statement.target), self.block(statement.body)
        iterable = self.expression(statement.iterable)
        shorter = self.framework.shorten(statement)
        if shorter is not None:
            return self._shortened(shorter, iterable, assign, body)

        def run(names: Names) -> Any:
            for item in self._iterate(iterable(names)):
                assign(names, item)
                result = body(names)
                if result is not _NOTHING:
                    return result
            return _NOTHING

        return run

    def _shortened(
        self,
        shorter: Callable[[Iterable[Any], Callable[[Any], Any]], Any],
        iterable: Evaluation,
        assign: Callable[[Names, Any], None],
        body: Execution,
    ) -> Execution:
        """A loop whose body, which returns nothing, the framework runs for some of its items."""

        def run(names: Names) -> Any:
            def once(item: Any) -> None:
                assign(names, item)
                body(names)

            shorter(self._iterate(iterable(names)), once)
            return _NOTHING

        return run

    def _augment(self, statement: tree.Augment) -> Execution:
        read, value = self.expression(statement.target), self.expression(statement.value)
        assign, op = self._assign_to(statement.target), statement.op

        def run(names: Names) -> Any:
            left, right = read(names), value(names)
            if isinstance(left, list) and op == "+":
                left += right
                return _NOTHING
            assign(names, self._operate(op, left, right, in_place=True))
            return _NOTHING

        return run

    def _assign_to(self, target: tree.Expr) -> Callable[[Names, Any], None]:
        match target:
            case tree.Name(id=name):
                return self._keep(name)
            case tree.Attribute(value=owner, name=name):
                found = self.expression(owner)
                assign = self.framework.assign
                return lambda names, value: assign(found(names), name, value)
            case tree.Subscript(value=owner, index=tree.Slice() | tuple()):
                raise MachineError("a slice cannot be assigned to")
            case tree.Subscript(value=owner, index=index):
                items, key = self.expression(owner), self.expression(index)  # type: ignore[arg-type]  # no slice
                return lambda names, value: operator.setitem(items(names), key(names), value)
            case tree.Tuple(items=targets) if targets:
                return self._unpack([self._assign_to(part) for part in targets])
        raise MachineError(f"nothing can be assigned to {target}")

    @staticmethod
    def _keep(name: str) -> Callable[[Names, Any], None]:
        def assign(names: Names, value: Any) -> None:
            names[name] = value

        return assign

    def _unpack(
        self, targets: Sequence[Callable[[Names, Any], None]]
    ) -> Callable[[Names, Any], None]:
        def assign(names: Names, value: Any) -> None:
            values = list(self._iterate(value))
            if len(values) != len(targets):
                raise MachineError(f"{len(values)} values are unpacked into {len(targets)}")
            for target, part in zip(targets, values, strict=True):
                target(names, part)

        return assign

    def _iterate(self, value: Any) -> Iterable[Any]:
        if isinstance(value, _PLAIN):
            return value
        if type(value) is Instance and value.cls.is_record:
            return value.attributes.values()
        return self.framework.iterate(value)

    # --- expressions -------------------------------------------------------------------------

    def expression(self, expr: tree.Expr) -> Evaluation:
        """An expression as a closure of the names."""
        match expr:
            case tree.Name(id=name):
                return self._name(name)
            case tree.Literal(value=value):
                return lambda names: value
            case tree.Attribute(value=owner, name=name):
                return self._attribute(owner, name)
            case tree.Call():
                return self._call(expr)
            case tree.Subscript():
                return self._subscript(expr)
            case tree.Tuple(items=items):
                parts = [self.expression(item) for item in items]
                return lambda names: tuple([part(names) for part in parts])
            case tree.List(items=items):
                parts = [self.expression(item) for item in items]
                return lambda names: [part(names) for part in parts]
            case tree.Dict(items=pairs):
                both = [(self.expression(key), self.expression(value)) for key, value in pairs]
                return lambda names: {key(names): value(names) for key, value in both}
            case _:
                return self._operation(expr)

    def _operation(self, expr: tree.Expr) -> Evaluation:
        match expr:
            case tree.Binary(left=left, op=op, right=right):
                one, other = self.expression(left), self.expression(right)
                return lambda names: self._operate(op, one(names), other(names))
            case tree.Unary(op=op, operand=operand):
                value = self.expression(operand)
                if op == "not":
                    return lambda names: not value(names)
                if op == "-":
                    return lambda names: -value(names)
                return lambda names: +value(names)
            case tree.Compare(operands=operands, ops=ops):
                return self._compare([self.expression(o) for o in operands], ops)
            case tree.Boolean(op=op, values=values):
                return self._boolean(op, [self.expression(value) for value in values])
            case tree.Conditional(test=test, body=body, orelse=orelse):
                when, then, other = map(self.expression, (test, body, orelse))
                return lambda names: then(names) if when(names) else other(names)
            case tree.Lambda(body=body, keywords=keywords):
                made = self.expression(body)
                return lambda names: Constant(lambda: made(names), keywords=keywords)
            case tree.Generator():
                return self._generator(expr)
            case tree.Format(parts=parts):
                texts = [self.expression(part) for part in parts]
                return lambda names: "".join(str(text(names)) for text in texts)
        raise MachineError(f"{expr} cannot be executed")

    def _name(self, name: str) -> Evaluation:
        known = self.globals
        external = External(name) if name in self.imported else None

        def read(names: Names) -> Any:
            if name in names:
                return names[name]
            if name in known:
                return known[name]
            if external is not None:
                return external
            raise MachineError(f"there is no {name}")

        return read

    def _external(self, expr: tree.Expr) -> Evaluation | None:
        """What a path such as `nn.Conv2d` stands for; None where it begins with no import."""
        names: list[str] = []
        while isinstance(expr, tree.Attribute):
            names.append(expr.name)
            expr = expr.value
        if not names or not isinstance(expr, tree.Name) or expr.id not in self.imported:
            return None
        root, known = expr.id, self.globals
        external = External(".".join((root, *reversed(names))))
        return lambda names: None if root in names or root in known else external

    def _attribute(self, owner: tree.Expr, name: str) -> Evaluation:
        value = self.expression(owner)
        attribute = self.framework.attribute

        def read(names: Names) -> Any:
            found = value(names)
            kind = type(found)
            if kind is Instance:
                attributes = found.attributes
                if name in attributes:
                    return attributes[name]
                if name in found.cls.methods:
                    method = found.cls.methods[name]
                    return method if method.static else Bound(found, method)
            elif kind is External:
                return External(f"{found.path}.{name}")
            elif kind in (list, dict) and name in ("append", "extend", "items", "values"):
                return Bound(found, getattr(found, name))
            elif kind is Super and name == "__init__":
                return Bound(found, partial(self._begin, found.instance))
            return attribute(found, name)

        external = self._external(tree.Attribute(owner, name))
        if external is None:
            return read
        return lambda names: external(names) or read(names)

    def _call(self, expr: tree.Call) -> Evaluation:
        match expr:
            case tree.Call(function=tree.Name(id="super"), arguments=()):
                return lambda names: Super(names["self"])
            case tree.Call(function=tree.Name(id="isinstance"), arguments=(value, kind)):
                found, kinds = self.expression(value), self.expression(kind)  # type: ignore[arg-type]  # no keywords
                is_instance = self.framework.is_instance
                return lambda names: is_instance(found(names), kinds(names))
            case tree.Call(
                function=tree.Name(id="getattr"),
                arguments=(owner, tree.Literal(value=str() as name)),
            ):
                return self._attribute(owner, name)  # type: ignore[arg-type]  # no keywords
        named = [isinstance(argument, tree.Keyword) for argument in expr.arguments]
        if named != sorted(named):
            raise MachineError("an argument without a name stands behind one that has one")
        function = self.expression(expr.function)
        arguments = [self._argument(a) for a in expr.arguments if not isinstance(a, tree.Keyword)]
        keywords = [
            (a.name, self.expression(a.value))
            for a in expr.arguments
            if isinstance(a, tree.Keyword)
        ]
        if not any(isinstance(a, tree.Starred) for a in expr.arguments):
            return self._plain_call(function, arguments, keywords)

        def call(names: Names) -> Any:
            called = function(names)
            values: list[Any] = []
            for argument in arguments:
                values += argument(names)
            return self.call(called, values, {name: value(names) for name, value in keywords})

        arguments = [
            self._argument(a) if isinstance(a, tree.Starred) else self._alone(a)
            for a in expr.arguments
            if not isinstance(a, tree.Keyword)
        ]
        return call

    def _plain_call(
        self,
        function: Evaluation,
        arguments: Sequence[Evaluation],
        keywords: Sequence[tuple[str, Evaluation]],
    ) -> Evaluation:
        """A call without `*`."""
        if keywords:
            return lambda names: self.call(
                function(names),
                [argument(names) for argument in arguments],
                {name: value(names) for name, value in keywords},
            )
        if len(arguments) == 1:
            (only,) = arguments
            return lambda names: self.call(function(names), [only(names)], {})
        return lambda names: self.call(function(names), [a(names) for a in arguments], {})

    def _argument(self, argument: tree.Argument) -> Evaluation:
        if isinstance(argument, tree.Starred):
            value = self.expression(argument.value)
            return lambda names: list(self._iterate(value(names)))
        assert not isinstance(argument, tree.Keyword)
        return self.expression(argument)

    def _alone(self, argument: tree.Argument) -> Evaluation:
        value = self._argument(argument)
        return lambda names: [value(names)]

    def _subscript(self, expr: tree.Subscript) -> Evaluation:
        value = self.expression(expr.value)
        indices = expr.index if isinstance(expr.index, tuple) else (expr.index,)
        parts = [self._index(index) for index in indices]
        several = isinstance(expr.index, tuple)

        def read(names: Names) -> Any:
            found = value(names)
            index = tuple([part(names) for part in parts]) if several else parts[0](names)
            if isinstance(found, list | tuple | dict):
                return found[index]  # type: ignore[index]  # Python itself says what fits
            return self.framework.index(found, index)

        return read

    def _index(self, index: "tree.Expr | tree.Slice") -> Evaluation:
        if not isinstance(index, tree.Slice):
            return self.expression(index)
        lower, upper = (
            (lambda names: None) if end is None else self.expression(end)
            for end in (index.lower, index.upper)
        )
        return lambda names: slice(lower(names), upper(names))

    def _operate(self, op: str, left: Any, right: Any, *, in_place: bool = False) -> Any:
        plain = (int, float, list, tuple, str)
        if isinstance(left, plain) and isinstance(right, plain):
            return _ARITHMETIC[op](left, right)
        result = self.framework.operate(op, left, right, in_place=in_place)
        if result is NotImplemented:
            raise MachineError(f"{op} between {type(left).__name__} and {type(right).__name__}")
        return result

    @staticmethod
    def _compare(operands: Sequence[Evaluation], ops: Sequence[str]) -> Evaluation:
        def compare(names: Names) -> bool:
            left = operands[0](names)
            for op, operand in zip(ops, operands[1:], strict=True):
                right = operand(names)
                if not _COMPARISONS[op](left, right):
                    return False
                left = right
            return True

        return compare

    @staticmethod
    def _boolean(op: str, values: Sequence[Evaluation]) -> Evaluation:
        ends_on = op == "or"

        def read(names: Names) -> Any:
            found: Any = None
            for value in values:
                found = value(names)
                if bool(found) is ends_on:
                    return found
            return found

        return read

    def _generator(self, expr: tree.Generator) -> Evaluation:
        assign, element = self._assign_to(expr.target), self.expression(expr.element)
        iterable = self.expression(expr.iterable)

        def run(names: Names) -> list[Any]:
            inner = dict(names)  # its variable is its own
            values = []
            for item in self._iterate(iterable(names)):
                assign(inner, item)
                values.append(element(inner))
            return values

        return run
