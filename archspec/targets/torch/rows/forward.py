"""Forward: the statements that apply a class's modules to each other's outputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TypeAlias

from archspec.graph.inherited import Inherited
from archspec.language.model import Step
from archspec.ops.channels import Chunk
from archspec.ops.merge import Add
from archspec.ops.reshape import Flatten
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Augment,
    Binary,
    Call,
    Conditional,
    Expr,
    If,
    Keyword,
    List,
    Literal,
    Name,
    Statement,
    Subscript,
    Tuple,
    call,
    dotted,
    names_in,
    path_of,
    rebuild,
    walk,
)
from archspec.targets.torch.length import require
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.facts import is_overwritable
from archspec.targets.torch.rows.gathered import appending
from archspec.targets.torch.rows.unit import CannotWrite, Unit
from archspec.targets.torch.rows.variables import Item, Variables, snake

MAX_NESTED = 60
"""A call is wrapped around the one before it where the line stays this short."""
TENSOR = dotted("torch.Tensor")
Apply: TypeAlias = Callable[[Sequence[Expr]], Expr]
"""How forward applies a step to the expressions it reads."""


class Forward(Variables):
    """Writes the statements; a value is a variable, or an expression that waits for its reader.

    `flags` tell whether a value is there, `joined` are values under the condition of what reads
    them, `optional` those that may be None.
    """

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit)
        self.body: list[tuple[bool, Statement]] = []  # whether in training only
        self.flags: dict[int, Expr] = {}
        self.joined: dict[int, int] = {}
        self.optional: set[int] = set()
        self.terms: set[int] = set()  # those of the optional values that a sum adds
        self.gathered: dict[
            int, Step
        ] = {}  # the values of repeated steps, all places of which are read
        self.told: set[str] = set()  # the variables of which a type checker knows what they are

    def write_forward(
        self, items: Sequence[Item], applied: Mapping[int, Apply], outputs: Sequence[int]
    ) -> None:
        """Forward's statements, all but what it returns."""
        self.follow(_leading_to(outputs, items), outputs)
        ordered = _heads_early(self.items)
        self.exprs[0] = Name(self.first)
        for item in ordered:
            for value in _read_by(item):
                self.left[value] = self.left.get(value, 0) + 1
        for value in outputs:
            self.left[value] = self.left.get(value, 0) + 1
        for item, following in zip_longest(ordered, ordered[1:]):
            require(len(self.unit.statements) + len(self.body))
            if self._write_parts(item) or self._write_terms(item) or self._write_gathered(item):
                continue
            self._write_item(item, following, self._of_gathered(item, applied[item.value]))

    @property
    def statements(self) -> list[Statement]:
        """The statements, those that only training needs under a condition."""
        found: list[Statement] = []
        before = False
        for trained_only, statement in self.body:
            if not trained_only:
                found.append(statement)
            elif before and isinstance(found[-1], If):
                found[-1] = If(found[-1].test, (*found[-1].body, statement))
            else:
                found.append(If(dotted("self.training"), (statement,)))
            before = trained_only
        return found

    def returned(self, values: Sequence[int], *, all_at_once: bool = False) -> list[Expr]:
        """What forward gives back, in expressions that a type checker knows to be tensors.

        Calling a module gives Any: that goes into `x`, which is a tensor, or into a variable that
        is said to be one. Where several are given back, and `all_at_once`, nobody asks.
        """
        exprs = [self.exprs[value] for value in values]
        if all_at_once and len(exprs) > 1:
            return exprs
        for i, written in enumerate(exprs):
            expr = self._with_a_name(written) if len(exprs) == 1 else written
            exprs[i] = expr
            for read in _operands(expr):
                self._annotate(read)
            if gives_any(expr) or any(map(self._is_cut_out, _operands(expr))):
                name = self.first if Name(self.first) not in exprs else "result"
                annotation = None if name == self.first else TENSOR
                alone = len(exprs) == 1 and not self._joins_parts(values[i])
                value = self._with_what_it_reads(expr) if alone else expr
                self.body.append((False, Assign(Name(name), value, annotation)))
                exprs[i] = Name(name)
        return exprs

    def _with_a_name(self, expr: Expr) -> Expr:
        """`out = self.body(out)` and `out + x` for `self.body(out) + x`: one call and no other."""
        calls = [part for part in _terms(expr) if gives_any(part)]
        if not isinstance(expr, Binary) or len(calls) != 1:
            return expr
        (made,) = calls
        path = path_of(made.function) if isinstance(made, Call) else ""
        own = path.removeprefix("self.")
        if own == path:
            return expr  # a parameter, or a module, that has no name
        others = [part for part in _terms(expr) if part is not made]
        read = [part.id for part in walk(made) if isinstance(part, Name) and part.id != "self"]
        taken = names_in(*others) | {"self"}
        names = [
            own if self.first in {*read} - taken else "",
            *read,
            "out",
        ]  # a shortcut has its own
        free = [n for n in names if n.isidentifier() and usable_argument(n) and n not in taken]
        if not free:
            return expr
        self.body.append((False, Assign(Name(free[0]), made)))
        return rebuild(expr, lambda n: Name(free[0]) if n is made else None)  # type: ignore[return-value]  # an expression stays one

    def _is_cut_out(self, name: str) -> bool:
        """Whether a variable is one of several that a call gives: what they are is not said."""
        body = [statement for _, statement in self.body]
        whole = any(isinstance(s, Assign) and s.target == Name(name) for s in body)
        return name != self.first and not whole and any(map(gives_any, _assignments(name, body)))

    def _joins_parts(self, value: int) -> bool:
        """Whether a value and what it is made from both come from blocks or groups."""
        last = self.made.get(value)
        before = None if last is None else self.made.get(last.inputs[0])
        if last is None or before is None:
            return False
        return not self.leaves_of(last) and not self.leaves_of(before)

    def _with_what_it_reads(self, expr: Expr) -> Expr:
        """The last call around the one before it, where nobody else reads that: `f(g(x))`."""
        match expr, self.body[-1:]:
            case (
                Call(function=function, arguments=(Name() as read,)),
                [(False, Assign(target=target, value=value, annotation=None))],
            ) if target == read:
                nested = Call(function, (value,))
                if len(flat(nested)) <= MAX_NESTED:
                    self.body.pop()
                    return nested
        return expr

    def _annotate(self, name: str) -> None:
        """Say that a variable is a tensor where nothing else tells.

        Where it is made first that holds for whatever it becomes later on.
        """
        if name == self.first or name in self.told:
            return
        self.told.add(name)
        made = list(_assignments(name, [statement for _, statement in self.body]))
        for read in {read for value in made for read in _owners(value)}:
            self._annotate(read)
        for i, (trained_only, statement) in enumerate(self.body):
            if isinstance(statement, Assign) and statement.target == Name(name):
                if any(map(gives_any, made)) and not trained_only:
                    self.body[i] = (False, replace(statement, annotation=TENSOR))
                return

    # --- one step ----------------------------------------------------------------------------

    def _write_item(self, item: Item, following: Item | None, apply: Apply) -> None:
        expr = apply([self.exprs[value] for value in item.inputs])
        for value in _read_by(item):
            self.left[value] -= 1
        if len(item.values) > 1:
            self._write_several(item, expr)
            return
        flag = self.flags.get(item.value)
        if item.value in self.joined:
            self.exprs[item.value] = expr
            return
        if flag is None and self._adds_in_place(item) and not self._lasts(item):
            first, second = (self.exprs[value] for value in item.inputs)
            self._add(Augment(first, "+", second), item)
            self.exprs[item.value] = first
            return
        if flag is None and self._stays_open(item, following, expr):
            self.exprs[item.value] = expr
            return
        if flag is not None:
            self._write_condition(item, flag, expr)
            return
        passes_on = expr == self.exprs.get(item.inputs[0]) and self.left[item.inputs[0]] == 0
        if passes_on and (isinstance(expr, Name) or self.left.get(item.value, 0) < 2):
            self.exprs[item.value] = expr
            return
        name = self.variable(item)
        self._add(Assign(Name(name), expr), item)
        self.exprs[item.value] = Name(name)

    def _write_terms(self, item: Item) -> bool:
        """A sum, the last terms of which are added where they are there."""
        if self.terms.isdisjoint(item.inputs):
            return False
        sure = [value for value in item.inputs if value not in self.terms]
        terms = item.inputs[len(sure) :]
        adds = all(isinstance(leaf.op, Add) and leaf.op.alpha == 1 for leaf in self.leaves_of(item))
        if not sure or not adds or item.when is not True or not self.terms.issuperset(terms):
            raise CannotWrite(item.step.at, "a term that may be missing is not the last of a sum")
        expr = self.exprs[sure[0]]
        for value in sure[1:]:
            expr = Binary(expr, "+", self.exprs[value])
        for value in sure:
            self.left[value] -= 1
        name = self.variable(item)
        if expr != Name(name):
            self._add(Assign(Name(name), expr), item)
        for value in terms:
            more = Assign(Name(name), Binary(Name(name), "+", self.exprs[value]))
            self._add(If(self.flags[value], (more,)), item)
            self.left[value] -= 1
        self.exprs[item.value] = Name(name)
        return True

    def _write_gathered(self, item: Item) -> bool:
        """A list of what is brought together, and a loop that makes the rest of it."""
        if item.value not in self.gathered:
            return False
        (reader,) = self._readers(item)
        *before, last = reader.inputs
        if (
            last != item.value
            or before[-1:] != [*item.inputs]
            or not self.exprs.keys() >= {*before}
        ):
            raise CannotWrite(item.step.at, "what it is brought together with comes behind it")
        parts = List(tuple(self.exprs[value] for value in before))
        self.left[item.inputs[0]] -= 1
        name = self._numbered("outputs")
        self._add(Assign(Name(name), parts), item)
        self.exprs[item.value] = Name(name)
        self.named.add(name)
        self._add(appending(name, self._numbered("block"), item.step.name or ""), item)
        return True

    def _of_gathered(self, item: Item, apply: Apply) -> Apply:
        """How a `concat` is applied to a list that a loop has filled."""
        if not item.inputs or item.inputs[-1] not in self.gathered:
            return apply
        filled = self.exprs[item.inputs[-1]]

        def applied(parts: Sequence[Expr]) -> Expr:
            whole = List(tuple(parts))
            return rebuild(apply(parts), lambda node: filled if node == whole else None)  # type: ignore[return-value]  # an expression stays one

        return applied

    def _write_several(self, item: Item, expr: Expr) -> None:
        """`x, prev = self.cell(x, prev)`: a block that gives several values."""
        names: list[str] = []
        base = item.step.name or item.place or item.step.op or "part"
        chains = len(item.inputs) == len(item.values)
        for i, (value, output) in enumerate(zip(item.values, item.outputs, strict=True)):
            taken = {*names, *self._waiting()}
            read = self.exprs[item.inputs[i]] if chains else None
            before = read.id if isinstance(read, Name) else self.first if i == 0 else ""
            own = snake(f"{base}_{output}")
            options = (before, snake(output), own, *(f"{own}{i}" for i in range(2, len(taken) + 3)))
            name = next(n for n in options if n and n not in taken and usable_argument(n))
            name = name if self.left.get(value) else "_"  # nobody reads it
            names.append(name)
            self.exprs[value] = Name(name)
            self.named.add(name)
        targets = Tuple(tuple(map(Name, names)))
        self._add(Assign(targets, expr), item)

    def _write_parts(self, item: Item) -> bool:
        """`left, right = x.chunk(2, dim=1)` where rows take all the parts of one value."""
        if item.value in self.exprs:
            return True  # written with the first part
        leaves = self.leaves_of(item)
        op = leaves[0].op if leaves else None
        if not isinstance(op, Chunk) or item.when is not True:
            return False
        others = [other for other in self.items if other.inputs == item.inputs]
        parts = {found.index: other for other in others if (found := self._chunk(other, op))}
        if len(parts) != op.chunks or len(parts) < 2:
            return False
        argument = self.exprs[item.inputs[0]]
        self.left[item.inputs[0]] -= op.chunks
        if not (self.left[item.inputs[0]] or any(map(self._is_given_back, parts.values()))):
            argument = self._taken_back(argument)
        names = []
        for index in range(op.chunks):
            part = parts[index]
            names.append(snake(part.step.name or "part"))
            self.exprs[part.value] = Name(names[-1])
        dim = Keyword("dim", Literal(1))
        count = Literal(op.chunks)
        cut = (
            Call(Attribute(argument, "chunk"), (count, dim))
            if isinstance(argument, Name | Call)
            else call("torch.chunk", argument, count, dim)
        )
        self._add(Assign(Tuple(tuple(map(Name, names))), cut), item)
        return True

    def _is_given_back(self, item: Item) -> bool:
        """Whether forward gives a value back, or what is made of it at once: its type is asked."""
        return bool({item.value, *(o.value for o in self._readers(item))} & self.outputs)

    def _taken_back(self, argument: Expr) -> Expr:
        """The call that was just given a variable, in place of that: `self.cv1(x).chunk(…)`."""
        match self.body[-1:]:
            case [(False, Assign(target=target, value=Call() as made, annotation=None))]:
                if target == argument and len(flat(made)) < MAX_NESTED // 2:
                    self.body.pop()
                    return made
        return argument

    def _chunk(self, item: Item, op: Chunk) -> Chunk | None:
        """The op of an item that takes a part of as many as `op` does."""
        leaves = self.leaves_of(item)
        other = leaves[0].op if leaves else None
        same = isinstance(other, Chunk) and other.chunks == op.chunks and item.when is True
        closed = leaves and not any(
            isinstance(v, str | Inherited) for v in leaves[0].node.written.values()
        )
        named = item.step.name is not None and item.step.name.isidentifier()
        return other if same and closed and named and isinstance(other, Chunk) else None

    def _write_condition(self, item: Item, flag: Expr, expr: Expr) -> None:
        """A value that is computed only under a condition."""
        if item.value in self.terms:
            self.exprs[item.value] = expr  # it waits for the sum
            return
        if item.value in self.optional:
            name = snake(item.step.name or "aux")
            self._add(Assign(Name(name), Conditional(flag, expr, Literal(None))), item)
            self.exprs[item.value] = Name(name)
            return
        first = self.joined.get(item.passes, item.passes)
        before = self.exprs[first]
        name = self._passing(item, first, expr)
        if before != Name(name):
            self._add(Assign(Name(name), before), item)
        self._add(If(flag, (Assign(Name(name), expr),)), item)
        self.exprs[item.value] = Name(name)

    def _passing(self, item: Item, first: int, expr: Expr) -> str:
        """The variable of a value that may go through unchanged.

        What it is computed from is read under the condition, so that is not overwritten before.
        """
        before = self.exprs[first]
        if isinstance(before, Name) and self.left[first] == 0:
            return before.id
        waiting = self._waiting() | names_in(expr)
        base = snake(item.step.name or item.step.op or "out")
        names = ("out", base, *(f"out{i}" for i in range(2, len(self.items) + 3)))
        return next(name for name in names if name not in waiting)

    def _add(self, statement: Statement, item: Item) -> None:
        self.body.append((item.trained_only, statement))

    # --- what gets no variable ---------------------------------------------------------------

    def _stays_open(self, item: Item, following: Item | None, expr: Expr) -> bool:
        """Whether a value may wait for its only reader instead of getting a variable."""
        if self.left.get(item.value, 0) != 1:
            return False
        if item.value in self.outputs:
            last = following is None and item.value not in self.flags
            return last and not item.trained_only  # it is returned
        if item.value not in self.readers:
            return False  # it is what goes on where a merge is left out
        text = flat(expr)
        reader = self.readers[item.value][0]
        apart = reader.trained_only != item.trained_only or not isinstance(reader.when, bool)
        if len(text) > MAX_NESTED or apart:
            return False
        if reader is following and self._wraps(reader, expr):
            return len(text) <= MAX_NESTED - 10
        return self._waits_for(reader, item, text, last=reader is following)

    def _waits_for(self, merge: Item, item: Item, text: str, *, last: bool) -> bool:
        """Whether a call may stand in a merge: what it reads stays what it is until then."""
        if not self.is_merge(merge) or len(text) > self._room(merge):
            return False
        plain = all(isinstance(self.exprs[value], Name) for value in item.inputs)
        lasting = all(
            self.left.get(value, 0) or names_in(self.exprs[value]) <= self.named
            for value in item.inputs
        )
        return plain and (lasting or last)

    def _room(self, merge: Item) -> int:
        """How long a term may be; a list of branches can be broken over lines, a sum cannot."""
        return MAX_NESTED if self._concatenates(merge) else MAX_NESTED // 2

    def _wraps(self, item: Item, expr: Expr) -> bool:
        """Whether an item is written around what it reads: an activation, or a norm of a call."""
        leaves = self.leaves_of(item)
        if leaves and leaves[0].op.role == "norm":
            return isinstance(expr, Call) and not any(
                isinstance(argument, Call) for argument in expr.arguments
            )
        return bool(leaves) and (
            leaves[0].op.role == "activation" or isinstance(leaves[0].op, Flatten)
        )

    def _adds_in_place(self, item: Item) -> bool:
        """Whether a sum may take the place of its first term: nothing else needs that."""
        leaves = self.leaves_of(item)
        if item.role or len(item.inputs) != 2 or not leaves:
            return False
        if not all(isinstance(leaf.op, Add) and leaf.op.alpha == 1 for leaf in leaves):
            return False
        first = item.inputs[0]
        made = next((other for other in self.items if other.value == first), None)
        if made is None or self.left[first] or made.trained_only != item.trained_only:
            return False
        before = self.leaves_of(made)
        named = self.exprs[first]
        if not isinstance(named, Name):
            return False
        left, second = self.left, item.inputs[1]
        waiting = (
            expr
            for value, expr in self.exprs.items()
            if value != first and (left.get(value, 0) or value == second)
        )
        return (
            named.id not in names_in(*waiting)  # what waits needs the first term as it is
            and isinstance(made.when, bool)
            and bool(before)
            and all(is_overwritable(leaf.op) for leaf in before)
            and not any("alpha" in leaf.node.written for leaf in leaves)
            and all(leaf.output == last.output for leaf, last in zip(before, leaves, strict=False))
            and not self._is_kept(first, item)
        )

    def _is_kept(self, value: int, reader: Item) -> bool:
        """Whether the backward pass of anything else that reads a value needs it as it is."""
        return any(
            value in other.inputs and other is not reader and self._keeps_input(other)
            for other in self.items
        )

    def _keeps_input(self, item: Item) -> bool:
        leaves = self.leaves_of(item)
        return not leaves or any("input" in leaf.op.backward_needs for leaf in leaves)


def _assignments(name: str, body: Sequence[Statement]) -> Iterator[Expr]:
    """What a variable is made of, under conditions, too, and among several."""
    for statement in body:
        if isinstance(statement, If):
            yield from _assignments(name, (*statement.body, *statement.orelse))
        elif isinstance(statement, Assign):
            several = statement.target.items if isinstance(statement.target, Tuple) else ()
            if Name(name) in (statement.target, *several):
                yield statement.value


def _owners(expr: Expr) -> list[str]:
    """The variables that a value is, or whose methods, or parts, make it: they tell what it is."""
    match expr:
        case Name(id=name):
            return [name]
        case Call(function=Attribute(value=owner)) | Subscript(value=owner):
            return _owners(owner)
    return []


def _terms(expr: Expr) -> list[Expr]:
    """What arithmetic is done with."""
    return [*_terms(expr.left), *_terms(expr.right)] if isinstance(expr, Binary) else [expr]


def _operands(expr: Expr) -> list[str]:
    """The variables whose type decides that of an expression."""
    match expr:
        case Name(id=name):
            return [name]
        case Call() | Subscript():
            return _owners(expr)
        case Binary(left=left, right=right):
            return [*_operands(left), *_operands(right)]
    return []


def gives_any(expr: Expr) -> bool:
    """Whether a type checker knows nothing of an expression: it calls a module."""
    match expr:
        case Call(function=Attribute(value=Name(id="self")) | Call() | Name(id="getattr")):
            return True
        case Call(function=Attribute(value=owner)) | Subscript(value=owner):
            return gives_any(owner)
        case Binary(left=left, right=right):
            return gives_any(left) or gives_any(right)
        case Conditional(body=body, orelse=orelse):
            return gives_any(body) or gives_any(orelse)
    return False


def _read_by(item: Item) -> tuple[int, ...]:
    """The values that a step reads, what goes on in its place among them."""
    through = not isinstance(item.when, bool) and item.passes not in item.inputs
    return (*item.inputs, item.passes) if through else item.inputs


def _gives(item: Item) -> set[int]:
    """The values of an item, most often one."""
    return {item.value, *item.values}


def _leading_to(outputs: Sequence[int], items: Sequence[Item]) -> list[Item]:
    """The items that an output follows from, in their order; nobody calls another one's module."""
    needed = set(outputs)
    kept = []
    for item in reversed(items):
        if item.value in needed or not needed.isdisjoint(item.values):
            needed.update(_read_by(item))
            kept.append(item)
    return kept[::-1]


def _heads_early(items: Sequence[Item]) -> list[Item]:
    """The steps in forward's order: heads that only training needs stand where their input is."""
    ordered = [item for item in items if not item.trained_only]
    for item in items:
        if item.trained_only:
            places = [i for i, other in enumerate(ordered) if _gives(other) & {*item.inputs}]
            ordered.insert(max(places, default=-1) + 1, item)
    return ordered
