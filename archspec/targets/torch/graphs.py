"""A body with a forward of its own: its modules, and the data flow between them."""

from collections.abc import Sequence

from archspec.graph.names import problem_with
from archspec.language.model import Body, Step
from archspec.language.rows import SUGAR
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.ops.merge import Add
from archspec.ops.shape import kind_of
from archspec.targets.torch.facts import Leaf, has_parameters
from archspec.targets.torch.fold import add_up
from archspec.targets.torch.forward import Apply, Forward, Item
from archspec.targets.torch.layout import Bracketed, flat
from archspec.targets.torch.modules import Modules, Piece
from archspec.targets.torch.text import spell
from archspec.targets.torch.unit import CannotWrite, Unit, When

_SIGNS = {"add": "+", "mul": "*"}


def is_chain(steps: Sequence[Step]) -> bool:
    """Whether every step reads just the one before it."""
    return all(
        step.inputs is None
        and step.branches is None
        and not (step.op in OPS_BY_NAME and OPS_BY_NAME[step.op or ""].arity == "several")
        for step in steps
    )


class Graph(Forward):
    """Writes a class's modules into its unit, and the lines of its forward."""

    def __init__(self, unit: Unit, modules: Modules) -> None:
        super().__init__(unit)
        self.modules = modules
        self.names: dict[str, int] = {}
        self.count = 1
        self.channels: dict[int, str] = {}
        self.dropped: set[str] = set()  # names of steps that are not there
        self.attributes: set[str] = set()  # names that unnamed steps were given
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
        _refuse_repetition(step)
        when = self.modules.condition(step)
        if when is False or not self.facts.is_there(step):
            if step.name is not None:
                self.names[step.name] = inputs[0]
                if not step.spread:  # what is repeated no time is there, and passes on what arrives
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
        nodes = (node for i in inner for node in i.scope.nodes())
        return not any(node.named or node.module.tensors for node in nodes)

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

    def write(self, channels: str, outputs: Sequence[int]) -> None:
        """The constructor's modules and forward's statements, all but what it returns."""
        self.channels[0] = channels
        self._join_conditions()
        applied = {}
        for item in self.items:
            applied[item.value], self.channels[item.value] = self._prepare(item)
        self.write_forward(self.items, applied, outputs)

    def _join_conditions(self) -> None:
        """A module without parameters under the condition of the merge behind it joins that.

        `if self.use_shortcut: out = self.stochastic_depth(out) + x` in place of two conditions.
        """
        for item, following in zip(self.items, self.items[1:], strict=False):
            alone = [other for other in self.items if item.value in other.inputs] == [following]
            same = isinstance(item.when, str) and item.when == following.when
            if not (same and alone and self.is_merge(following)) or self.is_merge(item):
                continue
            leaves = self.facts.nodes_of(item.step, item.role)
            if leaves and not has_parameters(leaves) and following.inputs[0] == item.value:
                item.when = True
                self.joined[item.value] = item.inputs[0]

    # --- merges ------------------------------------------------------------------------------

    def _merge(self, item: Item) -> tuple[Apply, str]:
        op = item.step.op or ""
        leaf = self.facts.nodes_of(item.step)[0]
        if op == "concat":
            dim = "-1" if kind_of(leaf.output) == "channels_last" else "1"
            out = add_up(self.channels[value] for value in item.inputs)
            return lambda parts: Bracketed(
                "torch.cat", (Bracketed("", tuple(parts), "[]"), f"dim={dim}")
            ), out
        shapes = [self.facts.shape(leaf.network, source) for source in leaf.node.inputs]
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
        taken = {other.step.name for other in self.items} | self.attributes
        name = next(name for name in names if name not in taken)
        self.attributes.add(name)
        self.unit.write(f"self.{name} = ", text)
        return f"+ self.{name} *"

    # --- modules -----------------------------------------------------------------------------

    def _prepare(self, item: Item) -> tuple[Apply, str]:
        """The constructor's part of an item: how it is applied, and the channels it gives on."""
        if self.is_merge(item):
            apply, out = self._merge(item)
        else:
            apply, out = self._module(item)
        if isinstance(item.when, str):
            flag = self._flag(item)
            if flag is not None:
                self.flags[item.value] = flag
                if not self.is_merge(item):
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
        self.modules.require_modules([piece])
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
        taken = {other.step.name for other in self.items} | self.attributes
        name = next(name for name in names if name not in taken)
        self.attributes.add(name)
        return name

    # --- conditions --------------------------------------------------------------------------

    def _flag(self, item: Item) -> str | None:
        """The attribute that tells forward whether a merge is there; None for other items."""
        if not isinstance(item.when, str):
            return None
        if item.value in self.optional:
            return f"self.{item.step.name} is not None"
        if not self.is_merge(item):
            return None
        base = item.step.name or ("shortcut" if 0 in item.inputs else f"{item.step.op}")
        names = (f"use_{base}" if i == 1 else f"use_{base}{i}" for i in range(1, 99))
        name = next(name for name in names if name not in self.attributes)
        self.attributes.add(name)
        self.unit.use(item.when)
        self.unit.write(f"self.{name} = ", item.when)
        return f"self.{name}"


def _refuse_repetition(step: Step) -> None:
    """What is repeated beside other paths is a group of its own, and that has a plain name."""
    if not step.spread:
        return
    if step.name is None or "{" in step.name:
        problem = "a repeated step beside other paths needs a plain name; it is a group then"
        raise CannotWrite(step.at, problem)
    if step.branches is not None:
        raise CannotWrite(step.at, "a repeated row with branches; make the row a block")
