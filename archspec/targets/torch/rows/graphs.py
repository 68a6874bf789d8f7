"""A body with a forward of its own: its modules, and the data flow between them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from archspec.graph.names import problem_with
from archspec.ops import channels_of
from archspec.ops.merge import Concat
from archspec.ops.reshape import Flatten
from archspec.targets.python.arithmetic import add_up, simplify
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    Compare,
    Conditional,
    Evaluate,
    Expr,
    Generator,
    If,
    List,
    Literal,
    Name,
    Subscript,
    Unary,
    call,
    dotted,
)
from archspec.targets.torch.emit import Row, Written, spell_step
from archspec.targets.torch.emit.norm import times
from archspec.targets.torch.rows.facts import has_parameters
from archspec.targets.torch.rows.forward import Apply
from archspec.targets.torch.rows.gathered import as_list
from archspec.targets.torch.rows.modules import Modules
from archspec.targets.torch.rows.reading import Reading
from archspec.targets.torch.rows.single import PARAMETER, Piece
from archspec.targets.torch.rows.unit import CannotWrite, Unit, When
from archspec.targets.torch.rows.variables import Item

_MODULE = dotted("nn.Module")


class Graph(Reading):
    """Writes a class's modules into its unit, and the statements of its forward."""

    def __init__(self, unit: Unit, modules: Modules) -> None:
        super().__init__(unit, modules)
        self.attributes: set[str] = set()  # names that unnamed steps were given
        self.written: set[str] = set()  # the attributes that hold modules
        self.lists: dict[str, dict[int, Expr]] = {}  # modules by their places in lists
        self.optional_parameters: dict[int, Expr] = {}  # bare ones that may be missing

    def write(self, channels: Expr, outputs: Sequence[int]) -> None:
        """The constructor's modules and forward's statements, all but what it returns."""
        self.channels[0] = channels
        self._join_conditions()
        applied = {}
        for i, item in enumerate(self.items):
            with self.modules.standing_for(self.bound.get(item.step.at, {})):
                applied[item.value], self.channels[item.value] = self._prepare(item)
            following = self.items[i + 1].place if i + 1 < len(self.items) else ""
            if item.place and following != item.place:
                self._write_list(item.place)
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
        if self.is_merge(item):
            apply, out = self._merge(item)
        else:
            apply, out = self._in_a_group(item) if item.inside else self._module(item)
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
            for name, written in self.unit.open_attributes(leaf, channels[0]).items()
        }
        spelling = spell_step(leaf.op, Row(leaf.shapes, channels[0], attributes))
        assert spelling.function is not None
        if isinstance(leaf.op, Concat):
            channels = [self._of_all(value) for value in item.inputs]
            return spelling.function, add_up(channels)
        shapes = max((leaf.shapes for leaf in leaves), key=len)
        if len(shapes) != len(channels):
            raise CannotWrite(item.step.at, "it brings together other steps from object to object")
        widest = max(range(len(channels)), key=lambda i: channels_of(shapes[i]))
        return spelling.function, channels[widest]

    def _of_all(self, value: int) -> Expr:
        """The channels of a value, of all places together where it is of a repeated step."""
        width = self.channels[value]
        if value not in self.gathered:
            return width
        control = self.gathered[value].control
        assert control is not None
        count = self.modules.times(control)
        self.unit.use(count)
        return simplify(Binary(count, "*", width))

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
        arriving = _where(item.when, self.channels[item.inputs[0]])
        self.modules.beside = [self.channels[value] for value in item.inputs[1:]]
        saved = self.unit.save()
        piece = self._piece(item, arriving)
        out = piece.out
        if not isinstance(item.when, bool) and item.value not in self.terms:
            through = arriving if item.passes in item.inputs else self.channels[item.passes]
            out = self.modules.either(item.when, piece.out, through)
        if item.when is True and self._is_functional(item, piece):
            assert piece.spelling is not None
            assert piece.spelling.function is not None
            return piece.spelling.function, out
        name = self._attribute(item, piece)
        if item.place:
            return self._in_the_list(item, piece), out
        self._take_name(item, name)
        module = piece.module
        assert module is not None
        if not name.isidentifier():
            return self._numbered_module(item, piece, name), out
        attribute = dotted(f"self.{name}")
        bare = piece.spelling.bare if piece.spelling else None
        padding = piece.spelling.padding if piece.spelling else None
        closed = item.when is True and not self._is_open(piece, arriving)
        if closed and bare is not None and padding is not None:
            self.unit.add(Assign(attribute, bare))
            return lambda parts: Call(attribute, (padding(parts),)), out
        if not isinstance(item.when, bool):
            self.unit.restore(saved)
            if piece.is_parameter:
                self.optional_parameters[item.value] = attribute
            self._conditional(item, name, arriving)
        else:
            self.unit.add(Assign(attribute, module))
        if piece.is_parameter:
            return lambda parts: times(attribute, parts[0]), out
        for value, width in zip(item.values[1:], piece.others, strict=True):
            self.channels[value] = width
        return lambda parts: Call(attribute, self._arguments(item, parts)), out

    def _in_a_group(self, item: Item) -> tuple[Apply, Expr]:
        """The call of a module that a group holds, past the group itself."""
        outer, *inner = item.inside
        if outer in self.groups:
            step, source = self.groups.pop(outer)
            self._take_name(item, outer)
            module, _ = self.modules.group(step, self.channels[source])
            self.unit.add(Assign(dotted(f"self.{outer}"), module))
        saved = self.unit.save()
        piece = self._piece(item, self.channels[item.inputs[0]])
        self.unit.restore(saved)
        found = {leaf.node.name for leaf in self.leaves_of(item)}
        found = found or {i.scope.name for i in self.facts.scopes_at(item.step)}
        if piece.module is None or item.when is not True or len(found) != 1 or item.values:
            raise CannotWrite(item.step.at, "it is no module that can be called past its group")
        path = Literal(".".join([*inner, found.pop()]))
        called = call(f"self.{outer}.get_submodule", path)
        return lambda parts: Call(called, (parts[0],)), piece.out

    def _take_name(self, item: Item, name: str) -> None:
        """Let no other module have the name of one."""
        if name in self.written:
            raise CannotWrite(item.step.at, f"two steps are called `{name}`")
        self.written.add(name)

    def _in_the_list(self, item: Item, piece: Piece) -> Apply:
        """A module at its place in a list."""
        number = self._number(item.step)
        if item.role:
            names = {leaf.node.name for leaf in self.leaves_of(item)}
            number = names.pop() if len(names) == 1 else ""
        is_numbered = number.isdigit() and item.when is True
        if piece.module is None or piece.is_parameter or not is_numbered:
            raise CannotWrite(item.step.at, "it is no module that a list can hold")
        self.lists.setdefault(item.place, {})[int(number)] = piece.module
        for value, width in zip(item.values[1:], piece.others, strict=True):
            self.channels[value] = width
        module = Subscript(dotted(f"self.{item.place}"), Literal(int(number)))
        return lambda parts: Call(module, self._arguments(item, parts))

    def _write_list(self, name: str) -> None:
        """The list of modules of a repeated step, once all are known."""
        modules = self.lists.pop(name, {})
        if not modules:
            return
        if name in self.written or list(modules) != list(range(len(modules))):
            raise CannotWrite((), f"`{name}` is no list of modules alone")
        self.written.add(name)
        made = tuple(modules.values())
        held: Expr = List(made)
        if len(made) > 1 and all(module == made[0] for module in made):
            held = Generator(made[0], Name("_"), call("range", Literal(len(made))))
        self.unit.add(Assign(dotted(f"self.{name}"), call("nn.ModuleList", held)))

    def _arguments(self, item: Item, parts: Sequence[Expr]) -> tuple[Expr, ...]:
        """What a module is called with: for an input that is a list, a list."""
        blocks = [self.facts.spec.blocks[name] for name in self.facts.blocks_of(item.step)]
        if item.role or not blocks or not blocks[0].inputs or item.step.spread:
            return tuple(parts)
        found: dict[str, list[Expr]] = {}
        for name, part in zip(self.facts.given_to(item.step), parts, strict=True):
            found.setdefault(name, []).append(part)
        lists = blocks[0].lists
        return tuple(List(tuple(f)) if n in lists else f[0] for n, f in found.items())

    def _is_open(self, piece: Piece, channels: Expr) -> bool:
        """Whether padding depends on the constructor's arguments, which forward cannot see."""
        if piece.leaf is None:
            return False
        return "padding" in self.unit.open_attributes(piece.leaf, channels)

    def _piece(self, item: Item, arriving: Expr) -> Piece:
        step = item.step
        if step.spread:
            module, out = self.modules.repeated(step, arriving)
            listed = as_list(module) if item.value in self.gathered else module
            return Piece(step.name, listed, out, step)
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
        elif item.value in self.optional_parameters:
            unit.add(Assign(attribute, Literal(None), Binary(PARAMETER, "|", Literal(None))))
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
        for value, width in zip(item.values[1:], piece.others, strict=True):
            self.channels[value] = width
        module = call("self.get_submodule", Literal(name))
        return lambda parts: Call(module, self._arguments(item, parts))

    def _is_functional(self, item: Item, piece: Piece) -> bool:
        if piece.spelling is None or piece.spelling.function is None or item.place in self.held:
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
        """What tells forward whether a merge or a parameter is there; None for other items."""
        assert not isinstance(item.when, bool)
        if item.value in self.optional_parameters:
            return Compare((self.optional_parameters[item.value], Literal(None)), ("is not",))
        if item.value in self.optional:
            attribute = dotted(f"self.{item.step.name}")
            return Compare((attribute, Literal(None)), ("is not",))
        if not self.is_merge(item) and item.passes in item.inputs:
            return None  # it is an `nn.Identity`
        ops = [leaf.op.op_name for leaf in self.leaves_of(item)[:1]] or ["step"]
        base = item.step.name or ("shortcut" if 0 in item.inputs else ops[0])
        names = _numbered(f"use_{base}", 99)
        name = next(name for name in names if name not in self.attributes)
        self.attributes.add(name)
        self.unit.use(item.when)
        self.unit.assign(f"self.{name}", item.when)
        return dotted(f"self.{name}")


def _where(when: When, channels: Expr) -> Expr:
    """What a width comes to where a condition holds that it may depend on."""
    match channels:
        case Conditional(test=test, body=body, orelse=orelse) if isinstance(when, Expr):
            if test == when:
                return body
            return orelse if test == simplify(Unary("not", when)) else channels
    return channels


def _numbered(base: str, most: int) -> Iterator[str]:
    """A name, and the same with numbers behind it."""
    return (base if i == 1 else f"{base}{i}" for i in range(1, most + 1))
