"""A body with a forward of its own: its modules, and the data flow between them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from archspec.graph.names import problem_with
from archspec.language.model import Body, Step
from archspec.language.rows import SUGAR
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.ops.base import ChannelsLast
from archspec.ops.channels import Chunk
from archspec.ops.merge import Add
from archspec.targets.torch.facts import Leaf, has_parameters
from archspec.targets.torch.fold import add_up
from archspec.targets.torch.layout import INDENT, Bracketed, Expr, flat, lines
from archspec.targets.torch.modules import Modules, Piece
from archspec.targets.torch.text import spell
from archspec.targets.torch.unit import BODY, CannotWrite, Unit, When, heads_of

MAX_NESTED = 60
"""A call is wrapped around the one before it where the line stays this short."""
_COUNTED = re.compile(r"_\d+[a-z]?$")
"""What only numbers the steps of a branch: `branch3x3_2a` is a step of `branch3x3`."""
_SIGNS = {"add": "+", "mul": "*"}

Apply = Callable[[Sequence[Expr]], Expr]
"""How forward applies a step to the expressions it reads."""


@dataclass
class Item:
    """One step of the data flow: it reads values and gives one; value 0 is the body's input."""

    step: Step
    role: str
    inputs: tuple[int, ...]
    value: int
    when: When = True
    trained_only: bool = False


@dataclass
class Flow:
    """What forward knows while it is written."""

    body: list[str] = field(default_factory=list)
    exprs: dict[int, Expr] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    in_training: bool = False


def is_chain(steps: Sequence[Step]) -> bool:
    """Whether every step reads just the one before it."""
    return all(
        step.inputs is None
        and step.branches is None
        and not (step.op in OPS_BY_NAME and OPS_BY_NAME[step.op or ""].merges)
        for step in steps
    )


class Graph:
    """Writes a class's modules into its unit, and the lines of its forward."""

    def __init__(self, unit: Unit, modules: Modules) -> None:
        self.unit = unit
        self.modules = modules
        self.facts = unit.facts
        self.items: list[Item] = []
        self.names: dict[str, int] = {}
        self.count = 1
        self.channels: dict[int, str] = {}
        self.flow = Flow()
        self.optional: set[int] = set()
        self.dropped: set[str] = set()  # names of steps that are not there
        self.flags: dict[int, str] = {}
        self.joined: dict[int, int] = {}  # values under the condition of what reads them
        self.outputs: set[int] = set()
        self.written: set[str] = set()  # the attributes that hold modules

    def read_body(self, body: Body) -> int:
        """Collect the steps; the value that leaves the body."""
        return self._steps(body.steps, 0)

    def _steps(self, steps: Sequence[Step], previous: int) -> int:
        for step in steps:
            previous = self._step(step, previous)
        return previous

    def _step(self, step: Step, previous: int) -> int:
        inputs = self._inputs(step, previous)
        if step.spread and (step.name is None or "{" in step.name):
            problem = "a repeated step beside other paths needs a plain name; it is a group then"
            raise CannotWrite(step.at, problem)
        when = self.modules.condition(step)
        if when is False or not self.facts.is_there(step):
            if step.name is not None:
                self.names[step.name] = inputs[0]
                self.dropped.add(step.name)
            return inputs[0]
        if step.branches is not None:
            inputs = tuple(
                self._steps(branch.steps, inputs[0])
                if isinstance(branch, Body)
                else self._step(branch, inputs[0])
                for branch in step.branches
            )
        if self._is_transparent(step) and step.body is not None:
            return self._steps(step.body.steps, inputs[0])
        previous = self._item(step, "", inputs, when)
        for role in SUGAR:
            if self.facts.nodes_of(step, role):
                if isinstance(when, str):
                    problem = (
                        "a step that `when` may leave out carries no norm, activation, dropout"
                    )
                    raise CannotWrite(step.at, f"{problem}; give them rows of their own")
                carried = self.modules.carried_when(step, role) or True
                previous = self._item(step, role, (previous,), carried)
        if step.name is not None:
            self.names[step.name] = previous
        return previous

    def _is_transparent(self, step: Step) -> bool:
        """Whether a group has no name and nothing whose name it would be part of."""
        if step.body is None or step.name is not None or step.control is not None:
            return False
        inner = self.facts.scopes.get((step.at, "group"), [])
        nodes = [(i, node) for i in inner for node in i.scope.nodes()]
        return not any(
            node.named or (node.op and node.op.tensors(self.facts.shape(i.network, node.inputs[0])))
            for i, node in nodes
        )

    def _inputs(self, step: Step, previous: int) -> tuple[int, ...]:
        if step.inputs is None:
            return (previous,)
        found = []
        for name in step.inputs:
            if name == "input":
                found.append(0)
            elif name in self.names:
                found.append(self.names[name])
            else:
                problem = f"`{name}` is no name that can be followed in generated code"
                raise CannotWrite(step.at, problem)
        return tuple(found)

    def _item(self, step: Step, role: str, inputs: tuple[int, ...], when: When) -> int:
        trained_only = self.unit.block == "" and not self.facts.is_evaluated(step)
        item = Item(step, role, inputs, self.count, when, trained_only)
        self.items.append(item)
        self.count += 1
        return item.value

    # --- forward -----------------------------------------------------------------------------

    def write(self, channels: str, outputs: Sequence[int]) -> None:
        """The constructor's modules and forward's statements, all but what it returns."""
        self.channels[0] = channels
        self.outputs = set(outputs)
        self._join_conditions()
        applied = {}
        for item in self.items:
            applied[item.value], self.channels[item.value] = self._prepare(item)
        ordered = _heads_early(self.items)
        flow = self.flow
        flow.exprs[0] = "x"
        for item in ordered:
            for value in item.inputs:
                flow.left[value] = flow.left.get(value, 0) + 1
        for value in outputs:
            flow.left[value] = flow.left.get(value, 0) + 1
        for item, following in zip_longest(ordered, ordered[1:]):
            if not self._write_parts(item):
                self._write_item(item, following, applied[item.value])

    def _write_parts(self, item: Item) -> bool:
        """`left, right = x.chunk(2, dim=1)` where rows take all the parts of one value."""
        if item.value in self.flow.exprs:
            return True  # written with the first part
        leaves = self.facts.nodes_of(item.step, item.role)
        op = leaves[0].op if leaves else None
        if not isinstance(op, Chunk) or item.when is not True:
            return False
        others = [other for other in self.items if other.inputs == item.inputs]
        parts = {found.index: other for other in others if (found := self._chunk(other, op))}
        if len(parts) != op.chunks:
            return False
        argument = flat(self.flow.exprs[item.inputs[0]]) or "x"
        self.flow.left[item.inputs[0]] -= op.chunks
        names = []
        for index in range(op.chunks):
            part = parts[index]
            names.append(_snake(part.step.name or "part"))
            self.flow.exprs[part.value] = names[-1]
        self._line(f"{', '.join(names)} = ", f"{argument}.chunk({op.chunks}, dim=1)", item)
        return True

    def _chunk(self, item: Item, op: Chunk) -> Chunk | None:
        """The op of an item that takes a part of as many as `op` does."""
        leaves = self.facts.nodes_of(item.step, item.role)
        other = leaves[0].op if leaves else None
        same = isinstance(other, Chunk) and other.chunks == op.chunks and item.when is True
        named = item.step.name is not None and item.step.name.isidentifier()
        return other if same and named and isinstance(other, Chunk) else None

    def _join_conditions(self) -> None:
        """A module without parameters under the condition of the merge behind it joins that.

        `if self.use_shortcut: out = self.stochastic_depth(out) + x` in place of two conditions.
        """
        for item, following in zip(self.items, self.items[1:], strict=False):
            alone = [other for other in self.items if item.value in other.inputs] == [following]
            same = isinstance(item.when, str) and item.when == following.when
            if not (same and alone and self._is_merge(following)) or self._is_merge(item):
                continue
            leaves = self.facts.nodes_of(item.step, item.role)
            if leaves and not has_parameters(leaves) and following.inputs[0] == item.value:
                item.when = True
                self.joined[item.value] = item.inputs[0]

    def returned(self, value: int) -> Expr:
        """The expression for a value at the end of forward."""
        return self.flow.exprs[value]

    def _write_item(self, item: Item, following: Item | None, apply: Apply) -> None:
        flow = self.flow
        expr = apply([flow.exprs[value] for value in item.inputs])
        for value in item.inputs:
            flow.left[value] -= 1
        flag = self.flags.get(item.value)
        if item.value in self.joined:
            flow.exprs[item.value] = expr
            return
        if flag is None and self._adds_in_place(item):
            first, second = (flow.exprs[value] for value in item.inputs)
            self._line(f"{first} += ", second, item)
            flow.exprs[item.value] = first
            return
        if flag is None and self._stays_open(item, following, expr):
            flow.exprs[item.value] = expr
            return
        if flag is not None:
            self._write_condition(item, flag, expr)
            return
        if expr == flow.exprs.get(item.inputs[0]) and flow.left[item.inputs[0]] == 0:
            flow.exprs[item.value] = expr  # it passes on what arrives
            return
        self._assign(item, expr)

    def _adds_in_place(self, item: Item) -> bool:
        """Whether a sum may take the place of its first term: nothing else needs that."""
        leaves = self.facts.nodes_of(item.step)
        if item.role or item.step.op != "add" or len(item.inputs) != 2:
            return False
        first = item.inputs[0]
        made = next((other for other in self.items if other.value == first), None)
        if made is None or self.flow.left[first] or made.trained_only != item.trained_only:
            return False
        before = self.facts.nodes_of(made.step, made.role)
        named = self.flow.exprs[first]
        if not isinstance(named, str) or not named.isidentifier():
            return False
        left, second = self.flow.left, item.inputs[1]
        waiting = (
            flat(expr) or ""
            for value, expr in self.flow.exprs.items()
            if value != first and (left.get(value, 0) or value == second)
        )
        return (
            not _stands_in(named, " ".join(waiting))  # what waits needs the first term as it is
            and isinstance(made.when, bool)
            and bool(before)
            and all(leaf.op.overwritable for leaf in before)
            and all(isinstance(leaf.op, Add) and leaf.op.alpha == 1 for leaf in leaves)
            and not any("alpha" in leaf.node.written for leaf in leaves)
            and all(leaf.output == last.output for leaf, last in zip(before, leaves, strict=False))
        )

    def _assign(self, item: Item, expr: Expr) -> None:
        name = self._variable(item)
        self._line(f"{name} = ", expr, item)
        self.flow.exprs[item.value] = name

    def _line(self, prefix: str, expr: Expr, item: Item | None = None, extra: int = 0) -> None:
        self.unit.heads.update(heads_of(expr))
        indent = BODY + extra
        body = self.flow.body
        if item is not None and item.trained_only:
            if not (body and body[-1].startswith(" " * (BODY + INDENT)) and self.flow.in_training):
                body.append(f"{' ' * BODY}if self.training:")
            indent += INDENT
            self.flow.in_training = True
        else:
            self.flow.in_training = False
        body.extend(lines(prefix, expr, indent))

    def _passing(self, item: Item, first: int, text: str) -> str:
        """The variable of a value that may go through unchanged.

        What it is computed from is read under the condition, so that is not overwritten before.
        """
        before = self.flow.exprs[first]
        if isinstance(before, str) and before.isidentifier() and self.flow.left[first] == 0:
            return before
        taken = {flat(e) or "" for v, e in self.flow.exprs.items() if self.flow.left.get(v, 0) > 0}
        waiting = " ".join([*taken, text])
        base = _snake(item.step.name or item.step.op or "out")
        names = ("out", base, *(f"out{i}" for i in range(2, len(self.items) + 3)))
        return next(name for name in names if not _stands_in(name, waiting))

    def _stays_open(self, item: Item, following: Item | None, expr: Expr) -> bool:
        """Whether a value may wait for its only reader instead of getting a variable."""
        if self.flow.left.get(item.value, 0) != 1:
            return False
        if item.value in self.outputs:
            return following is None and item.value not in self.flags  # it is returned
        text = flat(expr)
        reader = next(other for other in self.items if item.value in other.inputs)
        apart = reader.trained_only != item.trained_only or isinstance(reader.when, str)
        if text is None or len(text) > MAX_NESTED or apart:
            return False
        if reader is following and self._wraps(reader, expr):
            return len(text) <= MAX_NESTED - 10
        return self._waits_for(reader, item, text, last=reader is following)

    def _waits_for(self, merge: Item, item: Item, text: str, *, last: bool) -> bool:
        """Whether a call may stand in a merge: what it reads stays what it is until then."""
        if not self._is_merge(merge) or len(text) > self._room(merge):
            return False
        read = [self.flow.exprs[value] for value in item.inputs]
        plain = all(isinstance(name, str) and name.isidentifier() for name in read)
        lasting = all(self.flow.left.get(value, 0) for value in item.inputs)
        return plain and (lasting or last)

    @staticmethod
    def _room(merge: Item) -> int:
        """How long a term may be; a list of branches can be broken over lines, a sum cannot."""
        return MAX_NESTED if merge.step.op == "concat" else MAX_NESTED // 2

    def _wraps(self, item: Item, expr: Expr) -> bool:
        """Whether an item is written around what it reads: an activation, or a norm of a call."""
        leaves = self.facts.nodes_of(item.step, item.role)
        if leaves and leaves[0].op.role == "norm":
            return isinstance(expr, Bracketed) and all(isinstance(i, str) for i in expr.items)
        return bool(leaves) and leaves[0].op.role == "activation"

    def _variable(self, item: Item) -> str:
        """The variable that takes a value: that of an input which nobody needs any more."""
        flow = self.flow
        if item.trained_only and item.step.name is not None and item.step.name.isidentifier():
            return _snake(item.step.name)
        taken = {flat(e) for v, e in flow.exprs.items() if flow.left.get(v, 0) > 0}
        waiting = " ".join(text for text in taken if text)
        joined = self._joins_branches(item)
        for value in () if joined else item.inputs:
            name = flow.exprs[value]
            dies = isinstance(name, str) and name.isidentifier() and flow.left[value] == 0
            if dies and not _stands_in(str(name), waiting):
                return str(name)
        branch = None if joined else self._branch_name(item)
        for name in ("x",) if branch else ("x", "out"):
            if not _stands_in(name, waiting):
                return name
        base = branch or item.step.name or item.step.op or "branch"
        base = _snake(base) if base.isidentifier() else "branch"
        numbered = (base if i == 1 else f"{base}{i}" for i in range(1, len(self.items) + 2))
        return next(name for name in numbered if not _stands_in(name, waiting))

    def _joins_branches(self, item: Item) -> bool:
        """Whether a value is a `concat` that is no branch of another one."""
        readers = [other for other in self.items if item.value in other.inputs]
        nested = any(self._is_merge(other) and other.step.op == "concat" for other in readers)
        return self._is_merge(item) and item.step.op == "concat" and not nested

    def _branch_name(self, item: Item) -> str | None:
        """What the steps up to a `concat` have in common in their names, None elsewhere."""
        names: list[str] = []
        current, forked = item, False
        while not self._is_merge(current):
            if current.step.name is not None and not forked:
                names.append(_COUNTED.sub("", current.step.name))
            readers = [other for other in self.items if current.value in other.inputs]
            if not readers:
                return None
            forked = forked or len(readers) > 1
            current = readers[0]
        branches = [value for value in current.inputs if value]
        if current.step.op != "concat" or not names or len(branches) < 2:
            return None
        prefix = _common_start(names).rstrip("_")
        return prefix if len(prefix) > 2 else names[-1]

    # --- merges ------------------------------------------------------------------------------

    def _is_merge(self, item: Item) -> bool:
        return (
            item.role == ""
            and bool(item.step.op in OPS_BY_NAME)
            and (OPS_BY_NAME[item.step.op or ""].merges)
        )

    def _merge(self, item: Item) -> tuple[Apply, str]:
        op = item.step.op or ""
        leaf = self.facts.nodes_of(item.step)[0]
        if op == "concat":
            dim = "-1" if isinstance(leaf.output, ChannelsLast) else "1"
            out = add_up(self.channels[value] for value in item.inputs)
            return lambda parts: Bracketed(
                "torch.cat", (Bracketed("", tuple(parts), "[]"), f"dim={dim}")
            ), out
        shapes = [self.facts.shape(leaf.network, index) for index in leaf.node.inputs]
        widest = max(range(len(shapes)), key=lambda i: channels_of(shapes[i]))
        out = self.channels[item.inputs[widest]]
        sign = self._plus(item, leaf, leaf.op) if isinstance(leaf.op, Add) else _SIGNS[op]
        return lambda parts: f" {sign} ".join(flat(part) or "" for part in parts), out

    def _plus(self, item: Item, leaf: Leaf, op: Add) -> str:
        """`+`, or `+ 0.17 *`; a factor that is no constant is kept as an attribute."""
        text = self.unit.symbols(leaf, self.channels[item.inputs[0]]).attributes.get("alpha")
        if not isinstance(text, str):
            sign = "-" if op.alpha < 0 else "+"
            return sign if abs(op.alpha) == 1 else f"{sign} {spell(abs(op.alpha))} *"
        base = text if text.isidentifier() and not problem_with(text) else "alpha"
        names = (base if i == 1 else f"{base}{i}" for i in range(1, len(self.items) + 99))
        taken = {other.step.name for other in self.items} | self.flow.attributes
        name = next(name for name in names if name not in taken)
        self.flow.attributes.add(name)
        self.unit.write(f"self.{name} = ", text)
        return f"+ self.{name} *"

    # --- modules -----------------------------------------------------------------------------

    def _prepare(self, item: Item) -> tuple[Apply, str]:
        """The constructor's part of an item: how it is applied, and the channels it gives on."""
        if self._is_merge(item):
            apply, out = self._merge(item)
        else:
            apply, out = self._module(item)
        if isinstance(item.when, str):
            flag = self._flag(item)
            if flag is not None:
                self.flags[item.value] = flag
                if not self._is_merge(item):
                    return apply, out
                out = self.modules.either(item.when, out, self.channels[item.inputs[0]])
        return apply, out

    def _module(self, item: Item) -> tuple[Apply, str]:
        """The call of a module or function, and the channels it gives on."""
        arriving = self.channels[item.inputs[0]]
        saved = self.unit.save()
        piece = self._piece(item, arriving)
        out = piece.out
        if isinstance(item.when, str):
            out = self.modules.either(item.when, piece.out, arriving)
        if item.when is True and self._is_functional(item, piece):
            assert piece.spelling is not None
            function = piece.spelling.function
            assert function is not None
            return lambda parts: function(parts[0]), out
        name = self._attribute(item, piece)
        if name in self.written:
            problem = f"two steps are called `{name}`, of which `when` keeps one"
            raise CannotWrite(item.step.at, f"{problem}; write one with `op: A if … else B`")
        self.written.add(name)
        if not name.isidentifier():
            return self._numbered(item, piece, name), out
        if piece.module.head == "nn.Parameter":
            self.unit.write(f"self.{name} = ", piece.module)
            return lambda parts: f"self.{name} * {flat(parts[0])}", out
        bare = piece.spelling.bare if piece.spelling else None
        padding = piece.spelling.padding if piece.spelling else None
        if item.when is True and bare is not None and padding is not None:
            self.unit.write(f"self.{name} = ", bare)
            return lambda parts: Bracketed(f"self.{name}", (padding(parts[0]),)), out
        if isinstance(item.when, str):
            self.unit.restore(saved)
            self._conditional(item, name, arriving)
        else:
            self.unit.write(f"self.{name} = ", piece.module)
        return lambda parts: Bracketed(f"self.{name}", (parts[0],)), out

    def _piece(self, item: Item, arriving: str) -> Piece:
        step = item.step
        if step.spread:
            module, out = self.modules.repeated(step, arriving)
            return Piece(step.name, module, out, step)
        if item.role:
            return self.modules.row(step, item.role, arriving)
        if step.body is not None or self.facts.blocks_of(step):
            return self.modules.pieces(step, arriving)[0]
        return self.modules.row(step, "", arriving)

    def _conditional(self, item: Item, name: str, arriving: str) -> None:
        """A module that may be missing: what arrives goes through then."""
        unit = self.unit
        assert isinstance(item.when, str)
        unit.use(item.when)
        if item.value in self.optional:
            unit.write(f"self.{name}: nn.Module | None = ", "None")
        else:
            unit.write(f"self.{name}: nn.Module = ", Bracketed("nn.Identity", ()))
        unit.write(f"if {item.when}:", "")
        with unit.indented():
            unit.write(f"self.{name} = ", self._piece(item, arriving).module)

    def _numbered(self, item: Item, piece: Piece, name: str) -> Apply:
        """A module whose name is no identifier."""
        if isinstance(item.when, str):
            raise CannotWrite(item.step.at, "a step that `when` may leave out needs a name here")
        self.unit.write("", Bracketed("self.add_module", (f'"{name}"', piece.module)))
        return lambda parts: Bracketed(f'self.get_submodule("{name}")', (parts[0],))

    def _is_functional(self, item: Item, piece: Piece) -> bool:
        if piece.spelling is None or piece.spelling.function is None:
            return False
        leaves = self.facts.nodes_of(item.step, item.role)
        if has_parameters(leaves):
            return False
        rearranges = not piece.module.head.startswith("nn.")  # nobody makes a module of that
        return item.step.name is None or bool(item.role) or rearranges

    def _attribute(self, item: Item, piece: Piece) -> str:
        """The name of a module among the class's attributes."""
        if piece.name is not None:
            return piece.name
        leaves = self.facts.nodes_of(item.step, item.role)
        paths = [leaf.node.name for leaf in leaves] or [
            i.scope.name
            for kind in ("group", "block", "repeat")
            for i in self.facts.scopes.get((item.step.at, kind), [])
        ]
        weighted = not leaves or has_parameters(leaves)
        if weighted:
            return paths[0]
        base = leaves[0].op.op_name
        if (item.step.op or "").isidentifier() and not item.role and item.step.op:
            base = item.step.op  # what stands for several ops has a name of its own
        names = (base if i == 1 else f"{base}{i}" for i in range(1, len(self.items) + 2))
        taken = {other.step.name for other in self.items} | self.flow.attributes
        name = next(name for name in names if name not in taken)
        self.flow.attributes.add(name)
        return name

    # --- conditions --------------------------------------------------------------------------

    def _flag(self, item: Item) -> str | None:
        """The attribute that tells forward whether a merge is there; None for other items."""
        if not isinstance(item.when, str):
            return None
        if item.value in self.optional:
            return f"self.{item.step.name} is not None"
        if not self._is_merge(item):
            return None
        base = item.step.name or ("shortcut" if 0 in item.inputs else f"{item.step.op}")
        names = (f"use_{base}" if i == 1 else f"use_{base}{i}" for i in range(1, 99))
        name = next(name for name in names if name not in self.flow.attributes)
        self.flow.attributes.add(name)
        self.unit.use(item.when)
        self.unit.write(f"self.{name} = ", item.when)
        return f"self.{name}"

    def _write_condition(self, item: Item, flag: str, expr: Expr) -> None:
        """A value that is computed only under a condition."""
        if item.value in self.optional:
            name = _snake(item.step.name or "aux")
            self._line(f"{name} = ", f"{flat(expr)} if {flag} else None", item)
            self.flow.exprs[item.value] = name
            return
        first = self.joined.get(item.inputs[0], item.inputs[0])
        before = self.flow.exprs[first]
        name = self._passing(item, first, flat(expr) or "")
        if before != name:
            self._line(f"{name} = ", before, item)
        self._line(f"if {flag}:", "", item)
        self._line(f"{name} = ", expr, item, extra=INDENT)
        self.flow.exprs[item.value] = name


def _heads_early(items: Sequence[Item]) -> list[Item]:
    """The steps in forward's order: heads that only training needs stand where their input is."""
    ordered = [item for item in items if not item.trained_only]
    for item in items:
        if item.trained_only:
            places = [i for i, other in enumerate(ordered) if other.value in item.inputs]
            ordered.insert(max(places, default=-1) + 1, item)
    return ordered


def _common_start(names: Sequence[str]) -> str:
    """The characters that all names begin with."""
    columns = enumerate(zip(*names, strict=False))
    return names[0][
        : next((i for i, column in columns if len(set(column)) > 1), len(min(names, key=len)))
    ]


def _snake(name: str) -> str:
    """`AuxLogits` as a variable: `aux_logits`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _stands_in(name: str, text: str) -> bool:
    """Whether a variable is part of a text."""
    return bool(re.search(rf"(?<![\w.]){name}\b", text))
