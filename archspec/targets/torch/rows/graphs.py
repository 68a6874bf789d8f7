"""A body with a forward of its own: its modules, and the data flow between them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from archspec.diagnostics import SpecPath
from archspec.graph.names import problem_with
from archspec.graph.network import INPUT_NAME
from archspec.graph.resolve import CHOICE, NONE, PREVIOUS
from archspec.language.model import Body, Output, Step
from archspec.language.rows import SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.ops.merge import Concat
from archspec.ops.reshape import Flatten
from archspec.targets.python.arithmetic import add_up
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Binary,
    Boolean,
    Call,
    Compare,
    Evaluate,
    Expr,
    If,
    Literal,
    Name,
    call,
    dotted,
)
from archspec.targets.torch.emit import Row, Written, spell_step
from archspec.targets.torch.emit.norm import times
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.facts import has_parameters
from archspec.targets.torch.rows.forward import Apply, Forward
from archspec.targets.torch.rows.modules import Modules
from archspec.targets.torch.rows.single import Piece
from archspec.targets.torch.rows.unit import CannotWrite, Unit, When
from archspec.targets.torch.rows.unrolled import iterations
from archspec.targets.torch.rows.uses import channels_name
from archspec.targets.torch.rows.variables import Item

_MODULE = dotted("nn.Module")
MISSING = -(10**6)
Known: TypeAlias = "int | dict[str, int] | None"
"""What a name stands for: a value, nothing, or the values that a block gives by name."""


def is_unrolled(step: Step) -> bool:
    """Whether a step is repeated without being a group of its own."""
    return step.spread and (step.name is None or "{" in step.name)


class Graph(Forward):
    """Writes a class's modules into its unit, and the statements of its forward."""

    def __init__(self, unit: Unit, modules: Modules) -> None:
        super().__init__(unit)
        self.modules = modules
        self.names: dict[str, Known] = {}
        self.source = 0  # what `input` stands for
        self.depth = 0  # of groups that are none in code
        self.within: set[int] = set()  # the values of what stands in such
        self.bound: dict[SpecPath, Mapping[str, Expr]] = {}  # names of loops, by unrolled step
        self.count = 1
        self.channels: dict[int, Expr] = {}
        self.dropped: set[str] = set()  # names of steps that are not there
        self.attributes: set[str] = set()  # names that unnamed steps were given
        self.written: set[str] = set()  # the attributes that hold modules
        self.parameters: tuple[str, ...] = ("x",)  # of forward

    # --- reading the body --------------------------------------------------------------------

    def read_body(self, body: Body, inputs: Mapping[str, Data]) -> int:
        """Collect the steps of a body with these inputs; the value that leaves it."""
        for i, (name, kind) in enumerate(inputs.items()):
            if kind is not None:
                raise CannotWrite(body.at, f"`{name}` is no single tensor")
            self.names[name] = -i
            if i:
                self.channels[-i] = self.unit.bound[channels_name(name)]
                own = name if usable_argument(name) and name != "x" else f"{name}_"
                self.parameters = (*self.parameters, own)
                self.exprs[-i] = Name(own)
        return self._steps(body.steps, 0)

    def outputs_of(self, outputs: Sequence[Output]) -> list[tuple[str, int]]:
        """What a block gives back: name and value."""
        reader = Step((), None, None, {}, {}, inputs=tuple(output.of for output in outputs))
        values = self._inputs(reader, 0)
        if len(values) != len(outputs):
            raise CannotWrite((), "an output is nothing")
        return [(output.name, value) for output, value in zip(outputs, values, strict=True)]

    def _steps(self, steps: Sequence[Step], previous: int) -> int:
        for step in steps:
            if is_unrolled(step):
                previous = self._unrolled(step, previous)
            else:
                previous = self._step(step, previous)
        return previous

    def _unrolled(self, step: Step, previous: int) -> int:
        """A repeated step without a group of its own: every repetition is a step."""
        if not (found := iterations(self.unit, step)):
            return previous
        for once, bound in found:
            self.bound[once.at] = bound
            with self.modules.standing_for(bound):
                previous = self._step(once, previous)
        return previous

    def _step(self, step: Step, previous: int) -> int:
        when = self.modules.condition(step)
        if when is False or not self.facts.is_there(step):
            self._leave_out(step, previous)
            return previous
        inputs = self._inputs(step, previous)
        if step.branches is not None:
            ends = [self._end(branch, inputs[0]) for branch in step.branches]
            inputs = tuple(end for end in ends if end is not None)
        if len(inputs) == 1 and self._is_one_of(step):
            self.names[step.name or self._number(step)] = inputs[0]
            return inputs[0]
        if self._is_transparent(step) and step.body is not None:
            return self._inside(step.body, inputs[0])
        passes = previous if len(inputs) > 1 else inputs[0]
        if not isinstance(when, bool) and self._otherwise(step, passes) != passes:
            raise CannotWrite(step.at, "it is left out in some objects, for another step")
        previous = self._item(step, "", inputs, when, passes)
        for role in () if step.spread else SUGAR:
            if self.facts.nodes_of(step, role):
                carried = _both(when, self.modules.carried_when(step, role) or True)
                previous = self._item(step, role, (previous,), carried)
        item = self.items[-1]
        self.names[step.name or self._number(step)] = (
            dict(zip(item.outputs, item.values, strict=True)) if item.values else previous
        )
        return previous

    def _end(self, branch: Step | Body, source: int) -> int | None:
        """The value at the end of a branch, None where it stands for nothing."""
        if isinstance(branch, Body):
            return self._steps(branch.steps, source)
        if branch.control is not None and branch.control.beside is not None:
            raise CannotWrite(branch.at, "it is several branches")
        if branch.name is None or self.facts.is_there(branch):
            return self._step(branch, source)
        self._leave_out(branch, source)
        known = self.names[branch.name]
        return None if known is None else self._value(branch, branch.name, source)

    def _leave_out(self, step: Step, previous: int) -> None:
        """Note what the name of a step stands for that is in no object of the class."""
        if step.name is None or "{" in step.name:
            return
        self.names[step.name] = self._otherwise(step, previous)
        if step.control is not None and step.control.otherwise is None:
            self.dropped.add(step.name)

    def _otherwise(self, step: Step, previous: int) -> int | None:
        """What the name of a step stands for where it is left out."""
        written = None if step.control is None else step.control.otherwise
        if written is not None:
            found = self._inputs(step._replace(inputs=(written,), keys=None), previous)
            return found[0] if found else None
        if step.branches is not None or len(step.inputs or ()) > 1:
            return previous  # a merge: nobody reads its name then
        found = self._inputs(step, previous)
        return found[0] if found else None

    def _is_one_of(self, step: Step) -> bool:
        """Whether a merge has come to one of what it brings together: nothing is done then."""
        cls = OPS_BY_NAME.get(step.op or "")
        merges = cls is not None and cls.arity == "several"
        return merges and not self.facts.nodes_of(step)

    def _number(self, step: Step) -> str:
        """What an unnamed step is called in its body: its number."""
        names = {leaf.node.name for leaf in self.facts.nodes_of(step)}
        for kind in ("group", "block", "repeat"):
            names |= {inner.scope.name for inner in self.facts.scopes.get((step.at, kind), ())}
        return names.pop() if len(names) == 1 else ""

    def _inside(self, body: Body, source: int) -> int:
        """The steps of a group that is none in code; it has names and an input of its own."""
        names, before, depth = self.names, self.source, self.depth
        self.names, self.source, self.depth = {}, source, depth + 1
        value = self._steps(body.steps, source)
        self.names, self.source, self.depth = names, before, depth
        return value

    def _is_transparent(self, step: Step) -> bool:
        """Whether a group has no name and nothing whose name it would be part of."""
        if step.body is None or step.name is not None or step.control is not None:
            return False
        inner = self.facts.scopes.get((step.at, "group"), [])
        nodes = (node for i in inner for node in i.scope.nodes())
        return not any(node.named or node.module.tensors for node in nodes)

    def _inputs(self, step: Step, previous: int) -> tuple[int, ...]:
        """The values that a step reads, without what is left out and stands for nothing."""
        if step.inputs is None:
            return (previous,)
        texts = step.inputs
        if step.keys is not None:
            texts = self._in_order(step)
        values = (self._value(step, text, previous) for text in texts)
        return tuple(value for value in values if value is not None)

    def _in_order(self, step: Step) -> tuple[str, ...]:
        """What is given to a block by name, in the order of its inputs."""
        ordered = {
            tuple(self.facts.spec.blocks[name].inputs) for name in self.facts.blocks_of(step)
        }
        given = dict(zip(step.keys or (), step.inputs or (), strict=True))
        if len(ordered) != 1 or not given.keys() >= {*next(iter(ordered))}:
            raise CannotWrite(step.at, "its inputs differ from block to block")
        return tuple(given[name] for name in ordered.pop())

    def _value(self, step: Step, text: str, previous: int) -> int | None:
        """The value behind one text of `from`."""
        text = self._chosen(step, text)
        head, *path = text.split(".")
        if text == NONE:
            return None
        if text == PREVIOUS:
            return previous
        if text == INPUT_NAME:
            return self.source
        known = self.names.get(head, MISSING)
        if known == MISSING or len(path) > 1 or "*" in path:
            raise CannotWrite(step.at, f"`{text}` is no name that can be followed")
        if isinstance(known, dict):
            return known[path[0]] if path else next(iter(known.values()))
        if path:
            raise CannotWrite(step.at, f"`{text}` is no name that can be followed")
        return known

    def _chosen(self, step: Step, text: str) -> str:
        """What a choice comes to, where it is the same in every object of the class."""
        while choice := CHOICE.fullmatch(text.strip()):
            first, condition, second = choice.groups()
            found = {
                bool(self.facts.value_of(condition, names))
                for names in self.facts.environments(self.unit.block)
            }
            if len(found) != 1:
                raise CannotWrite(step.at, "what it reads differs from object to object")
            text = (first if found.pop() else second).strip()
        return text

    def _item(
        self, step: Step, role: str, inputs: tuple[int, ...], when: When, passes: int | None = None
    ) -> int:
        trained_only = self.unit.block == "" and not self.facts.is_evaluated(step)
        through = inputs[0] if passes is None else passes
        item = Item(step, role, inputs, self.count, when, trained_only, through)
        self.items.append(item)
        if self.depth:
            self.within.add(item.value)
        item.outputs = () if role else self._outputs_of(step)
        self.count += max(1, len(item.outputs))
        item.values = tuple(range(item.value, self.count)) if item.outputs else ()
        return item.value

    def _outputs_of(self, step: Step) -> tuple[str, ...]:
        """The names of what a block gives, where that is more than one value."""
        blocks = [self.facts.spec.blocks[name] for name in self.facts.blocks_of(step)]
        found = {tuple(output.name for output in block.outputs) for block in blocks}
        names = found.pop() if found else ()
        if found or (len(names) > 1 and step.spread):
            raise CannotWrite(step.at, "it gives several values, one after the other")
        return names if len(names) > 1 else ()

    def may_be_missing(self, value: int) -> bool:
        """Whether what gives a value is there in some objects of the class only."""
        return any(i.value == value and not isinstance(i.when, bool) for i in self.items)

    # --- writing it --------------------------------------------------------------------------

    def write(self, channels: Expr, outputs: Sequence[int]) -> None:
        """The constructor's modules and forward's statements, all but what it returns."""
        self.channels[0] = channels
        self._join_conditions()
        applied = {}
        for item in self.items:
            with self.modules.standing_for(self.bound.get(item.step.at, {})):
                applied[item.value], self.channels[item.value] = self._prepare(item)
        self.write_forward(self.items, applied, outputs)

    def _join_conditions(self) -> None:
        """A module without parameters under the condition of the merge behind it joins that.

        `if self.use_shortcut: out = self.stochastic_depth(out) + x` in place of two conditions.
        """
        for item, following in zip(self.items, self.items[1:], strict=False):
            same = not isinstance(item.when, bool) and item.when == following.when
            if not (same and self.is_merge(following)) or self.is_merge(item):
                continue
            if [other for other in self.items if item.value in other.inputs] != [following]:
                continue
            leaves = self.leaves_of(item)
            if leaves and not has_parameters(leaves) and following.inputs[0] == item.value:
                item.when = True
                self.joined[item.value] = item.inputs[0]

    def _prepare(self, item: Item) -> tuple[Apply, Expr]:
        """The constructor's part of an item: how it is applied, and the channels it gives on."""
        apply, out = self._merge(item) if self.is_merge(item) else self._module(item)
        if isinstance(item.when, bool):
            return apply, out
        flag = self._flag(item)
        if flag is not None:
            self.flags[item.value] = flag
            if self.is_merge(item):
                out = self.modules.either(item.when, out, self.channels[item.passes])
        return apply, out

    # --- merges ------------------------------------------------------------------------------

    def _merge(self, item: Item) -> tuple[Apply, Expr]:
        leaves = self.leaves_of(item)
        leaf = leaves[0]
        if any(type(other.op) is not type(leaf.op) for other in leaves):
            raise CannotWrite(item.step.at, "it stands for merges of several kinds")
        channels = [self.channels[value] for value in item.inputs]
        attributes = {
            name: self._kept(item, name, written)
            for name, written in self.unit.open_attributes(leaf).items()
        }
        spelling = spell_step(leaf.op, Row(leaf.shapes, channels[0], attributes))
        assert spelling.function is not None
        if isinstance(leaf.op, Concat):
            return spelling.function, add_up(channels)
        shapes = leaf.shapes
        widest = max(range(len(channels)), key=lambda i: channels_of(shapes[i]))
        return spelling.function, channels[widest]

    def _kept(self, item: Item, attribute: str, written: Written) -> Written:
        """What forward needs of the constructor's arguments, kept as an attribute."""
        if not isinstance(written, Expr):
            raise CannotWrite(item.step.at, f"{attribute} is a list")
        base = attribute
        if isinstance(written, Name) and problem_with(written.id) is None:
            base = written.id
        taken = {other.step.name for other in self.items} | self.attributes
        name = next(name for name in _numbered(base, len(taken) + 2) if name not in taken)
        self.attributes.add(name)
        self.unit.assign(f"self.{name}", written)
        return dotted(f"self.{name}")

    # --- modules -----------------------------------------------------------------------------

    def _module(self, item: Item) -> tuple[Apply, Expr]:
        """The call of a module or function, and the channels it gives on."""
        arriving = self.channels[item.inputs[0]]
        self.modules.beside = [self.channels[value] for value in item.inputs[1:]]
        saved = self.unit.save()
        piece = self._piece(item, arriving)
        out = piece.out
        if not isinstance(item.when, bool):
            out = self.modules.either(item.when, piece.out, arriving)
        if item.when is True and self._is_functional(item, piece):
            assert piece.spelling is not None
            assert piece.spelling.function is not None
            return piece.spelling.function, out
        name = self._attribute(item, piece)
        if name in self.written:
            raise CannotWrite(item.step.at, f"two steps are called `{name}`")
        self.written.add(name)
        module = piece.module
        assert module is not None
        if not name.isidentifier():
            return self._numbered_module(item, piece, name), out
        attribute = dotted(f"self.{name}")
        if piece.is_parameter:
            self.unit.add(Assign(attribute, module))
            return lambda parts: times(attribute, parts[0]), out
        bare = piece.spelling.bare if piece.spelling else None
        padding = piece.spelling.padding if piece.spelling else None
        closed = item.when is True and not self._is_open(piece)
        if closed and bare is not None and padding is not None:
            self.unit.add(Assign(attribute, bare))
            return lambda parts: Call(attribute, (padding(parts),)), out
        if not isinstance(item.when, bool):
            self.unit.restore(saved)
            self._conditional(item, name, arriving)
        else:
            self.unit.add(Assign(attribute, module))
        for value, width in zip(item.values[1:], piece.others, strict=True):
            self.channels[value] = width
        return lambda parts: Call(attribute, tuple(parts)), out

    def _is_open(self, piece: Piece) -> bool:
        """Whether padding depends on the constructor's arguments, which forward cannot see."""
        return piece.leaf is not None and "padding" in self.unit.open_attributes(piece.leaf)

    def _piece(self, item: Item, arriving: Expr) -> Piece:
        step = item.step
        if step.spread:
            module, out = self.modules.repeated(step, arriving)
            return Piece(step.name, module, out, step)
        if item.role:
            return self.modules.row(step, item.role, arriving)
        if step.body is not None or self.facts.blocks_of(step):
            return self.modules.pieces(step, arriving)[0]
        return self.modules.row(step, "", arriving)

    def _conditional(self, item: Item, name: str, arriving: Expr) -> None:
        """A module that may be missing: what arrives goes through then."""
        unit, attribute = self.unit, dotted(f"self.{name}")
        assert not isinstance(item.when, bool)
        unit.use(item.when)
        if item.value in self.optional:
            unit.add(Assign(attribute, Literal(None), Binary(_MODULE, "|", Literal(None))))
        else:
            unit.add(Assign(attribute, call("nn.Identity"), _MODULE))
        with unit.inside() as body:
            module = self._piece(item, arriving).module
            assert module is not None
            unit.add(Assign(attribute, module))
        before = unit.statements[-2] if item.role else None
        if isinstance(before, If) and before.test == item.when:
            absent = unit.statements.pop()
            unit.statements[-1:] = [absent, replace(before, body=(*before.body, *body))]
        else:
            unit.add(If(item.when, tuple(body)))

    def _numbered_module(self, item: Item, piece: Piece, name: str) -> Apply:
        """A module, or a parameter, whose name is no identifier."""
        if not isinstance(item.when, bool):
            raise CannotWrite(item.step.at, "a step that `when` may leave out needs a name here")
        assert piece.module is not None
        if piece.is_parameter:
            add = call("self.register_parameter", Literal(name), piece.module)
            parameter = call("getattr", Name("self"), Literal(name))  # torch.fx can follow that
            self.unit.add(Evaluate(add))
            return lambda parts: times(parameter, parts[0])
        self.unit.add(Evaluate(call("self.add_module", Literal(name), piece.module)))
        return lambda parts: Call(call("self.get_submodule", Literal(name)), (parts[0],))

    def _is_functional(self, item: Item, piece: Piece) -> bool:
        if piece.spelling is None or piece.spelling.function is None:
            return False
        if has_parameters(self.leaves_of(item)):
            return False
        module = piece.module
        of_torch = (
            module is not None
            and isinstance(module.function, Attribute)
            and module.function.value == Name("nn")
        )
        flattens = isinstance(self.leaves_of(item)[0].op, Flatten)
        return item.step.name is None or bool(item.role) or not of_torch or flattens

    def _attribute(self, item: Item, piece: Piece) -> str:
        """The name of a module among the class's attributes."""
        if piece.name is not None:
            return piece.name
        leaves = self.leaves_of(item)
        paths = [leaf.node.name for leaf in leaves] or [
            i.scope.name
            for kind in ("group", "block", "repeat")
            for i in self.facts.scopes.get((item.step.at, kind), [])
        ]
        if (not leaves and item.value not in self.within) or has_parameters(leaves):
            return paths[0]
        base = leaves[0].op.op_name if leaves else "block"
        if (item.step.op or "").isidentifier() and not item.role and item.step.op:
            # What stands for several ops has a name of its own, and so has a block.
            base = item.step.op if leaves else item.step.op.lower()
        taken = {other.step.name for other in self.items} | self.attributes
        name = next(name for name in _numbered(base, len(taken) + 2) if name not in taken)
        self.attributes.add(name)
        return name

    # --- conditions --------------------------------------------------------------------------

    def _flag(self, item: Item) -> Expr | None:
        """What tells forward whether a merge is there; None for other items."""
        assert not isinstance(item.when, bool)
        if item.value in self.optional:
            attribute = dotted(f"self.{item.step.name}")
            return Compare((attribute, Literal(None)), ("is not",))
        if not self.is_merge(item):
            return None
        op = self.leaves_of(item)[0].op.op_name
        base = item.step.name or ("shortcut" if 0 in item.inputs else op)
        names = _numbered(f"use_{base}", 99)
        name = next(name for name in names if name not in self.attributes)
        self.attributes.add(name)
        self.unit.use(item.when)
        self.unit.assign(f"self.{name}", item.when)
        return dotted(f"self.{name}")


def _both(one: When, other: When) -> When:
    """Both conditions, neither being False."""
    if one is True or other is True:
        return other if one is True else one
    assert isinstance(one, Expr)
    assert isinstance(other, Expr)
    return Boolean("and", (one, other))


def _numbered(base: str, most: int) -> Iterator[str]:
    """A name, and the same with numbers behind it."""
    return (base if i == 1 else f"{base}{i}" for i in range(1, most + 1))
