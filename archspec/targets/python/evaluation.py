"""Expressions as closures: what a machine evaluates, made ready once.

Numbers, lists and texts are Python's own; what the module imports is the business of a `Framework`,
which answers with symbols for modules and tensors.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from archspec.targets.python import tree
from archspec.targets.python.arithmetic import ARITHMETIC, COMPARISONS
from archspec.targets.python.objects import (
    Bound,
    Constant,
    Evaluation,
    External,
    Framework,
    Instance,
    MachineError,
    Names,
    Super,
)

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    **COMPARISONS,
    "is": lambda left, right: left is right or (isinstance(left, External) and left == right),
    "is not": lambda left, right: not _COMPARISONS["is"](left, right),
}
_PLAIN = (list, tuple, range, enumerate, zip, dict, reversed)
"""What a loop goes through without a framework."""


class Evaluator(ABC):
    """Makes closures of expressions, and of what values are assigned to."""

    framework: Framework
    imported: frozenset[str]
    globals: Names

    @abstractmethod
    def call(self, function: Any, arguments: Sequence[Any], keywords: Names) -> Any:
        """The result of a call, of whatever can be called."""

    @abstractmethod
    def begin(self, instance: Instance, *arguments: Any, **keywords: Any) -> None:
        """`super().__init__(…)` of a class that is derived from one of the framework's."""

    def evaluate(self, expr: tree.Expr, names: Names | None = None) -> Any:
        """The value of an expression."""
        return self.expression(expr)({} if names is None else names)

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
                return lambda names: self.operate(op, one(names), other(names))
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
                return Bound(found, partial(self.begin, found.instance))
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
            return lambda names: list(self.iterate(value(names)))
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

    def operate(self, op: str, left: Any, right: Any, *, in_place: bool = False) -> Any:
        """`left op right`."""
        plain = (int, float, list, tuple, str)
        if isinstance(left, plain) and isinstance(right, plain):
            return ARITHMETIC[op](left, right)
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
        assign, element = self.assign_to(expr.target), self.expression(expr.element)
        iterable = self.expression(expr.iterable)

        def run(names: Names) -> list[Any]:
            inner = dict(names)  # its variable is its own
            values = []
            for item in self.iterate(iterable(names)):
                assign(inner, item)
                values.append(element(inner))
            return values

        return run

    # --- what is assigned to -----------------------------------------------------------------

    def assign_to(self, target: tree.Expr) -> Callable[[Names, Any], None]:
        """A closure that keeps a value where it is assigned to."""
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
                return self._unpack([self.assign_to(part) for part in targets])
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
            values = list(self.iterate(value))
            if len(values) != len(targets):
                raise MachineError(f"{len(values)} values are unpacked into {len(targets)}")
            for target, part in zip(targets, values, strict=True):
                target(names, part)

        return assign

    def iterate(self, value: Any) -> Iterable[Any]:
        """What a loop goes through."""
        if isinstance(value, _PLAIN):
            return value
        if type(value) is Instance and value.cls.is_record:
            return value.attributes.values()
        return self.framework.iterate(value)
