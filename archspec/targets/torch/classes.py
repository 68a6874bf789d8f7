"""The classes of a module: one for each block that is used, and one for the network."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archspec.expressions import Reference, Value
from archspec.graph.declared import references
from archspec.language.model import Block, Body, Step
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.targets.torch.arguments import bound_variables, names_in
from archspec.targets.torch.emitters import spell_step
from archspec.targets.torch.facts import Facts, evaluate_python
from archspec.targets.torch.fold import free_names
from archspec.targets.torch.graphs import Graph, is_chain
from archspec.targets.torch.init import init_lines
from archspec.targets.torch.layout import Bracketed, Keyword, lines
from archspec.targets.torch.modules import Modules
from archspec.targets.torch.names import class_name, usable_argument
from archspec.targets.torch.spelling import Row, Symbols
from archspec.targets.torch.text import spell
from archspec.targets.torch.unit import (
    BODY,
    LONGEST,
    OPTIONAL,
    Argument,
    CannotWrite,
    TooLong,
    Unit,
    annotation_of,
    heads_of,
    holds_whole_numbers,
)


@dataclass
class ClassText:
    """A class: its name and base, its constructor's arguments, and the lines of its methods.

    `out` are the channels it gives on in terms of its arguments, None where they cannot be said.
    `heads` are the heads of all calls, from which follows what has to be imported or defined.
    """

    name: str
    base: str
    out: str | None
    docstring: str = ""
    arguments: tuple[Argument, ...] = ()
    takes_channels: bool = False
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    heads: set[str] = field(default_factory=set)
    outputs: tuple[tuple[str, bool], ...] = ()
    returns: str = "torch.Tensor"
    title: str = ""
    block: str = ""


class Classes:
    """Writes every class that a family of networks needs, blocks before those that use them."""

    def __init__(self, facts: Facts, taken: frozenset[str]) -> None:
        self.facts = facts
        self.taken = taken
        self.blocks: dict[str, ClassText] = {}
        self.names = _block_names(facts, taken)
        self.as_values = _blocks_as_values(facts)

    def class_of(self, block: str) -> ClassText:
        """The class of a block; written at its first use."""
        if block not in self.blocks:
            written = self.block(self.facts.spec.blocks[block])
            self.blocks[block] = written
        return self.blocks[block]

    # --- blocks ------------------------------------------------------------------------------

    def block(self, block: Block) -> ClassText:
        """The class of a block."""
        unit = self._unit(block.name)
        keywords: dict[str, str] = {}
        for name in block.args:
            values = self.facts.arguments_of(block.name, name)
            keywords[name] = name if usable_argument(name) else f"{name}_"
            unit.texts[name] = keywords[name]
            if values and holds_whole_numbers(values):
                unit.whole.add(keywords[name])
        unit.texts["in_channels"] = "in_channels"
        unit.whole.add("in_channels")
        unit.taken |= {"in_channels", *keywords.values()}
        self._define(unit, block.vars)
        text = self._write(unit, block.body, self.names[block.name], "in_channels")
        keep_all = block.name in self.as_values
        text.block = block.name
        text.takes_channels = keep_all or "in_channels" in unit.used
        text.arguments = tuple(self._block_arguments(block, unit, keywords, keep_all=keep_all))
        text.title = self._block_title(block, text)
        text.docstring = block.description or text.title
        return text

    def _block_arguments(
        self, block: Block, unit: Unit, keywords: Mapping[str, str], *, keep_all: bool
    ) -> list[Argument]:
        required, optional = [], []
        for name, default in block.args.items():
            if keywords[name] not in unit.used and not keep_all:
                continue
            values = self.facts.arguments_of(block.name, name)
            annotation = annotation_of(values)
            text = None if default is None else self._default(unit, default)
            if text is None or free_names(text) - unit.class_names or self._is_absent(text):
                required.append(Argument(keywords[name], annotation, key=name))
            else:
                optional.append(Argument(keywords[name], annotation, text, key=name))
        return [*required, *optional]

    def _is_absent(self, text: str) -> bool:
        """Whether a block is named that no network has: it has no class."""
        absent = {name for block, name in self.names.items() if block not in self.facts.units}
        return bool(free_names(text) & absent)

    def _default(self, unit: Unit, default: Data) -> str:
        if isinstance(default, list):
            items = [self._default(unit, item) for item in default]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        return unit.text(default) if isinstance(default, str) else spell(default)

    def _block_title(self, block: Block, text: ClassText) -> str:
        """What a block does with the channels."""
        if text.out is None or len(text.out) > 40 or not text.takes_channels:
            return block.name
        if text.out == "in_channels":
            return f"{block.name}: as many channels leave as arrive"
        return f"{block.name}: in_channels → {text.out} channels"

    # --- the network -------------------------------------------------------------------------

    def network(self, name: str) -> ClassText:
        """The class of the network, or of all networks of a family."""
        bound = bound_variables(self.facts)
        while True:
            try:
                return self._network(name, bound)
            except TooLong as error:
                free = error.names & set(self.facts.spec.vars)
                if not free - bound:
                    raise CannotWrite(
                        ("vars",), "an expression is too long to be written"
                    ) from None
                bound |= free
                self.blocks.clear()

    def _network(self, name: str, bound: frozenset[str]) -> ClassText:
        facts = self.facts
        unit = self._unit("")
        varying = facts.varying()
        if len(facts.members) == 1 and facts.spec.variant is not None:
            bound |= frozenset(facts.spec.variant.vars)  # they are what makes it this network
        written = {n: facts.written_of(n) for n in facts.spec.vars}
        values = facts.members[0].network.vars
        derived: dict[str, Data] = {}
        for variable, value in values.items():
            if variable in bound and variable not in varying:
                unit.values[variable] = value
                continue
            own = variable if usable_argument(variable) else f"{variable}_"
            unit.texts[variable] = own
            if facts.is_optional_op(variable):
                unit.optional.add(own)
            if holds_whole_numbers(m.network.vars[variable] for m in facts.members):
                unit.whole.add(own)
            text = written[variable]
            is_derived = isinstance(text, str) and names_in(text) & set(unit.texts) - {variable}
            if is_derived and facts.is_computed(variable):
                derived[variable] = text
                unit.texts.pop(variable)
            else:
                unit.taken.add(own)
        self._define(unit, derived)
        shapes = {channels_of(member.network.input_shape or (0,)) for member in facts.members}
        if len(shapes) > 1:
            raise CannotWrite(("variants",), "variants that read different numbers of channels")
        text = self._write(unit, facts.spec.body, name, str(shapes.pop()))
        text.init += init_lines(facts, self.names, _Kinds())
        text.arguments = tuple(self._network_arguments(unit, derived, varying))
        return text

    def _network_arguments(
        self, unit: Unit, derived: Mapping[str, Data], varying: frozenset[str]
    ) -> list[Argument]:
        required, optional = [], []
        for name in self.facts.spec.vars:
            own = unit.texts.get(name, name)
            if own not in unit.used or name in derived or name in unit.tables:
                continue
            values = [member.network.vars[name] for member in self.facts.members]
            annotation = annotation_of(list({repr(v): v for v in values}.values()))
            if own in unit.optional:
                annotation = OPTIONAL
            default = self.facts.default_of(name)
            if default is None or (name in varying and isinstance(default, list)):
                required.append(Argument(own, annotation, key=name))
            else:
                text = self.value_text(unit, default, optional=own in unit.optional)
                optional.append(Argument(own, annotation, text, key=name))
        return [*required, *optional]

    def value_text(self, unit: Unit, value: Value, *, optional: bool = False) -> str:
        """A variable's value as Python; no op at all is None."""
        if value is False and optional:
            return "None"
        if isinstance(value, Reference):
            return unit.spell_name(value)
        if isinstance(value, str):
            return unit.text(value)
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple):
            items = [self.value_text(unit, item) for item in value]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        return spell(value)

    def plain_unit(self) -> Unit:
        """A place where only ops and blocks have names."""
        return self._unit("")

    # --- both --------------------------------------------------------------------------------

    def _unit(self, block: str) -> Unit:
        unit = Unit(self.facts, block)
        unit.values.update(references(self.facts.spec))
        unit.renamed = _Heads(self.names)
        unit.class_names = frozenset(self.names.values()) | self.taken
        unit.taken |= {"in_channels"} if block else set()
        return unit

    def _define(self, unit: Unit, written: Mapping[str, Data]) -> None:
        """Variables of the class's own: what is known is written where it is used."""
        for name, value in written.items():
            if not isinstance(value, str):
                unit.values[name] = value
                continue
            text = unit.text(value)
            if not free_names(text) - unit.class_names:
                unit.texts[name] = text
                continue
            if not unit.block and len(f"{name} = {text}") > LONGEST:
                raise TooLong(free_names(text))
            own = (
                name if usable_argument(name) and name not in unit.taken else unit.fresh(f"{name}_")
            )
            unit.taken.add(own)
            unit.locals[own] = text
            unit.texts[name] = own
            if unit.is_whole(text):
                unit.whole.add(own)

    def _write(self, unit: Unit, body: Body, name: str, channels: str) -> ClassText:
        modules = Modules(unit, self.class_of)
        steps = [step for step in body.steps if self.facts.is_there(step)]
        if is_chain(steps) and self._needs_sequential(steps) and not self.facts.spec_outputs(unit):
            return self._sequential(unit, modules, steps, name, channels)
        graph = Graph(unit, modules)
        end = graph.read_body(body)
        outputs = self._outputs(unit, graph, end)
        graph.write(channels, [value for _, value, _ in outputs])
        text = ClassText(name, "nn.Module", graph.channels[outputs[0][1]])
        text.forward = graph.body
        self._return(unit, graph, outputs, text)
        return self._finish(unit, text)

    def _sequential(
        self, unit: Unit, modules: Modules, steps: Sequence[Step], name: str, channels: str
    ) -> ClassText:
        module, out = modules.sequence(steps, channels, "super().__init__")
        unit.write("", module)
        text = ClassText(name, "nn.Sequential", out)
        return self._finish(unit, text)

    def _finish(self, unit: Unit, text: ClassText) -> ClassText:
        if text.out is not None:
            # A loop's running variable means nothing outside.
            out = unit.expanded(text.out)
            known = {*unit.texts.values(), "in_channels"} | unit.class_names
            text.out = self._plainer(unit, out) if free_names(out) <= known else None
        for line in unit.lines:
            for name in unit.locals:
                if re.search(rf"\b{name}\b", line):
                    unit.use(name)
        definitions: list[str] = []
        for name, table in unit.tables.items():
            if any(re.search(rf"\b{name}\b", line) for line in unit.lines):
                definitions += lines(f"{name} = ", table, BODY)
        for name, value in unit.locals.items():
            if name in unit.used:
                definitions += lines(f"{name} = ", value, BODY)
        text.init = [*definitions, *unit.lines]
        text.heads = unit.heads
        return text

    def _plainer(self, unit: Unit, out: str) -> str:
        """`width` for `2 * (width // 2)`, where that is the same wherever the block is used."""
        names = free_names(out)
        if not unit.block or len(names) != 1 or out in names:
            return out
        (name,) = names
        written = {text: known for known, text in unit.texts.items()}.get(name, name)
        for environment in self.facts.environments(unit.block):
            value = environment.get(written)
            if value is None or evaluate_python(out, {name: value}) != value:
                return out
        return name

    def _needs_sequential(self, steps: Sequence[Step]) -> bool:
        """Whether a number, or a computed name, names a module that has parameters."""
        for step in steps:
            named = step.name is not None
            if named and (step.name or "").isidentifier():
                continue
            if named:
                return True
            if step.spread or self.facts.blocks_of(step) or step.body is not None:
                if self.facts.holds_names(step):
                    return True
            elif self.facts.holds_tensors(step):
                return True
        return False

    def _outputs(self, unit: Unit, graph: Graph, end: int) -> list[tuple[str, int, bool]]:
        """The values that forward gives back: name, value, whether in training only."""
        if unit.block or not self.facts.spec.outputs:
            return [("", end, False)]
        found = []
        for output in self.facts.spec.outputs:
            if output.of not in graph.names or output.of in graph.dropped:
                continue
            value = graph.names[output.of]
            if output.optional:
                graph.optional.add(value)
            found.append((output.name, value, output.training_only))
        return found

    def _return(
        self,
        unit: Unit,
        graph: Graph,
        outputs: list[tuple[str, int, bool]],
        text: ClassText,
    ) -> None:
        """The last lines of forward."""
        body = graph.body
        if len(outputs) == 1:
            expr = graph.returned(outputs[0][1])
            unit.heads.update(heads_of(expr))
            body += lines("return ", expr, BODY)
            return
        named = f"{text.name}Outputs"
        text.outputs = tuple((name, value in graph.optional) for name, value, _ in outputs)
        kept = [(name, value) for name, value, training in outputs if not training]
        everything = Bracketed(named, tuple(graph.returned(value) for _, value, _ in outputs))
        if len(kept) == len(outputs):
            body += lines("return ", everything, BODY)
            text.returns = named
            return
        body.append(f"{' ' * BODY}if self.training:")
        body += lines("return ", everything, BODY + 4)
        if len(kept) > 1:
            raise CannotWrite(("outputs",), "more than one output that evaluation gives")
        body += lines("return ", graph.returned(kept[0][1]), BODY)
        text.returns = f"torch.Tensor | {named}"


class _Kinds(dict[str, str]):
    """The class that all modules of an op belong to, worked out when asked for."""

    def __missing__(self, op: str) -> str:
        self[op] = _head_of(op)
        return self[op]


class _Heads(dict[str, str]):
    """What ops and blocks are called in Python, worked out when asked for."""

    def get(self, name: str, default: str | None = None) -> str:  # type: ignore[override]
        """The Python name of an op or block."""
        if name in self:
            return self[name]
        if name in OPS_BY_NAME:
            self[name] = _head_of(name)
            return self[name]
        return default or name


def _head_of(name: str) -> str:
    """The class that an op stands for when its name is handed on."""
    op = OPS_BY_NAME[name]
    needed = {key: 4 for key, info in op.model_fields.items() if info.is_required()}
    row = Row((8, 8, 8), Symbols("8", {}), owns_input=False)
    return spell_step(op(**needed), row).module.head


def _block_names(facts: Facts, taken: frozenset[str]) -> dict[str, str]:
    """Class names for the blocks, distinct from everything the module has."""
    names: dict[str, str] = {}
    for block in facts.spec.blocks:
        name = class_name(block, taken)
        while name in names.values():
            name = f"{name}Block"
        names[block] = name
    return names


def _blocks_as_values(facts: Facts) -> frozenset[str]:
    """Blocks that are handed on by name, so that all of them have to take the same arguments."""
    found: set[str] = set()
    for (_, kind), scopes in facts.scopes.items():
        if kind == "block":
            step = scopes[0].scope.step
            if step is not None and step.op not in facts.spec.blocks:
                found.update(i.scope.block.name for i in scopes if i.scope.block)
    return frozenset(found)


__all__ = ["ClassText", "Classes", "Keyword"]
