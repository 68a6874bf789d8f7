"""Executes a tree on symbols: constructors and functions run, and a framework's calls are noted.

Numbers, lists and loops are Python's own; what the module imports is the business of a `Framework`,
which answers with symbols for modules and tensors. Every expression is made a Python closure once,
because a class is executed once for each of its objects.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from archspec.targets.python import tree
from archspec.targets.python.evaluation import Evaluator
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
)

MAX_STEPS = 20_000_000
"""How many statements may be executed: more than any network of a check has."""


_CALLABLE = frozenset({Bound, ClassValue, Method, Instance, Partial, Constant})
"""What a machine calls itself."""

_NOTHING: Any = object()  # a block that came to its end without `return`

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


class Machine(Evaluator):
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
                self.assign_to(definition.target)(self.globals, self.evaluate(definition.value))

    def forget(self) -> None:
        """Let go of the program: its functions refer to the machine that runs them."""
        self.globals.clear()
        self.made.clear()

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
            self.begin(instance, *arguments, **keywords)
        if not instance.begun:
            raise MachineError(f"{cls.name} never calls super().__init__()")
        return instance

    def begin(self, instance: Instance, *arguments: Any, **keywords: Any) -> None:
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
        assign = self.assign_to(target)

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
        assign, body = self.assign_to(statement.target), self.block(statement.body)
        iterable = self.expression(statement.iterable)
        shorter = self.framework.shorten(statement)
        if shorter is not None:
            return self._shortened(shorter, iterable, assign, body)

        def run(names: Names) -> Any:
            for item in self.iterate(iterable(names)):
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

            shorter(self.iterate(iterable(names)), once)
            return _NOTHING

        return run

    def _augment(self, statement: tree.Augment) -> Execution:
        read, value = self.expression(statement.target), self.expression(statement.value)
        assign, op = self.assign_to(statement.target), statement.op

        def run(names: Names) -> Any:
            left, right = read(names), value(names)
            if isinstance(left, list) and op == "+":
                left += right
                return _NOTHING
            assign(names, self.operate(op, left, right, in_place=True))
            return _NOTHING

        return run
