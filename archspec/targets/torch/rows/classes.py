"""The classes of a module: one for each block that is used, and one for the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from archspec.expressions import Reference, Value, Word
from archspec.graph.declared import references
from archspec.language.model import Block, Body, Step
from archspec.language.source import Data
from archspec.ops import channels_of
from archspec.targets.python.arithmetic import Unknown, free_names, value_of
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    Class,
    Evaluate,
    Expr,
    Field,
    Function,
    If,
    Literal,
    Name,
    Node,
    Parameter,
    Return,
    Statement,
    Subscript,
    Tuple,
    dotted,
    names_in,
    rebuild,
)
from archspec.targets.torch.helpers import HELPERS
from archspec.targets.torch.names import class_name, usable_argument
from archspec.targets.torch.rows.annotations import (
    OPTIONAL,
    annotation_of,
    fitted,
    is_optional_op,
)
from archspec.targets.torch.rows.arguments import bound_variables
from archspec.targets.torch.rows.arguments import names_in as names_in_written
from archspec.targets.torch.rows.coalesce import coalesced, without_unread
from archspec.targets.torch.rows.facts import Facts
from archspec.targets.torch.rows.folding import folded
from archspec.targets.torch.rows.graphs import Graph
from archspec.targets.torch.rows.heads import Heads
from archspec.targets.torch.rows.init import init_statements
from archspec.targets.torch.rows.modules import Modules, channels_name, is_chain
from archspec.targets.torch.rows.records import Record, record_name, record_of
from archspec.targets.torch.rows.stages import share_stages
from archspec.targets.torch.rows.together import together
from archspec.targets.torch.rows.unit import (
    LONGEST,
    Argument,
    CannotWrite,
    TooLong,
    Unit,
    holds_whole_numbers,
)

TENSOR = dotted("torch.Tensor")
_SUPER = Attribute(Call(Name("super")), "__init__")
_INTEGER = Name("int")
_NONE: Mapping[str, Value] = MappingProxyType({})


@dataclass
class Draft:
    """A class before it is one: its constructor's arguments, and the statements of its methods.

    `outs` are the channels of what it gives on in terms of its arguments, None where they cannot be
    said; `inputs` the names of what its forward takes, `also` those of the channels that it takes
    beside the first; `outputs` the names of what it gives back, and whether that may be None;
    `records` the classes of the rows that it is given in tables, `methods` what its constructor
    calls.
    """

    name: str
    base: Expr
    outs: tuple[Expr | None, ...]
    docstring: str = ""
    arguments: tuple[Argument, ...] = ()
    takes_channels: bool = False
    init: list[Statement] = field(default_factory=list)
    forward: list[Statement] = field(default_factory=list)
    outputs: tuple[tuple[str, bool], ...] = ()
    returns: Expr = TENSOR
    title: str = ""
    block: str = ""
    records: tuple[Record, ...] = ()
    methods: tuple[Function, ...] = ()
    inputs: tuple[str, ...] = ("x",)
    also: tuple[str, ...] = ()

    @property
    def out(self) -> Expr | None:
        """The channels of the first value that it gives."""
        return self.outs[0]

    @property
    def read(self) -> frozenset[str]:
        """The names that the constructor reads: what is not among them is no argument."""
        return names_in(*self.init)

    def classes(self) -> list[Class]:
        """The class, after those of the rows it is given and of what it gives back."""
        methods = []
        arguments = self.all_arguments()
        if self.init or arguments:
            plain = self.base == dotted("nn.Module")
            begin = [Evaluate(Call(_SUPER))] if plain else []
            parameters = (Parameter("self"), *parameters_of(arguments))
            body = (*begin, *self.init)
            methods.append(Function("__init__", parameters, Literal(None), body))
        methods += self.methods
        if self.forward:
            parameters = (Parameter("self"), *(Parameter(name, TENSOR) for name in self.inputs))
            methods.append(Function("forward", parameters, self.returns, tuple(self.forward)))
        own = Class(self.name, self.base, self.docstring, methods=tuple(methods))
        before = [record.definition for record in self.records]
        return [*before, *([self._outputs_class()] if self.outputs else []), own]

    def all_arguments(self) -> list[Argument]:
        """The arguments of its constructor, the channels that arrive among them."""
        first = [Argument("in_channels", _INTEGER)] if self.takes_channels else []
        return [*first, *(Argument(name, _INTEGER) for name in self.also), *self.arguments]

    def _outputs_class(self) -> Class:
        fields = tuple(
            Field(name, Binary(TENSOR, "|", Literal(None)) if optional else TENSOR)
            for name, optional in self.outputs
        )
        in_training = " in training" if self.returns != Name(f"{self.name}Outputs") else ""
        docstring = f"What {self.name} gives back{in_training}."
        return Class(f"{self.name}Outputs", Name("NamedTuple"), docstring, fields)


def parameters_of(arguments: Sequence[Argument]) -> tuple[Parameter, ...]:
    """Arguments as parameters; truth values are passed by name only."""
    found = [Parameter(a.name, a.annotation, a.default, a.is_flag) for a in arguments]
    return tuple(sorted(found, key=lambda parameter: parameter.keyword_only))


class Classes:
    """Writes every class that a family of networks needs, blocks before those that use them."""

    def __init__(self, facts: Facts, taken: frozenset[str]) -> None:
        self.facts = facts
        self.taken = taken
        self.blocks: dict[str, Draft] = {}
        self.names = _block_names(facts, taken)
        self.as_values = _blocks_as_values(facts)
        self.heads = Heads(facts, self.names)
        self.groups: dict[str, Draft] = {}
        self.records: dict[str, Record] = {}

    def class_of(self, block: str) -> Draft:
        """The class of a block; written at its first use."""
        if block not in self.blocks:
            written = self.block(self.facts.spec.blocks[block])
            self.blocks[block] = written
        return self.blocks[block]

    # --- blocks ------------------------------------------------------------------------------

    def block(self, block: Block) -> Draft:
        """The class of a block."""
        unit = self._unit(block.name)
        own: dict[str, str] = {}
        for name in block.args:
            values = self.facts.arguments_of(block.name, name)
            own[name] = name if usable_argument(name) else f"{name}_"
            unit.bound[name] = Name(own[name])
            if values and holds_whole_numbers(values):
                unit.whole.add(own[name])
            if is_optional_op(self._values_of(unit, block, name)):
                unit.optional.add(own[name])
        unit.bound["in_channels"] = Name("in_channels")
        unit.whole.add("in_channels")
        others = [channels_name(name) for name in [*block.inputs][1:]]
        for name in others:
            unit.bound[name] = Name(name)
            unit.whole.add(name)
        unit.taken |= {"in_channels", *others, *own.values()}
        if set(others) & {*own.values(), *block.vars}:
            raise CannotWrite(block.at, "an argument is called like the channels of an input")
        self._define(unit, block.vars)
        name = self.names[block.name]
        draft = self._write(unit, block.body, name, Name("in_channels"), block)
        keep_all = block.name in self.as_values
        draft.block = block.name
        draft.takes_channels = keep_all or "in_channels" in draft.read
        draft.also = tuple(name for name in others if keep_all or name in draft.read)
        read = frozenset(own.values()) if keep_all else draft.read
        draft.arguments = tuple(self._block_arguments(block, unit, own, read))
        draft.title = block.name
        draft.docstring = block.description or ""
        return draft

    def _block_arguments(
        self, block: Block, unit: Unit, own: Mapping[str, str], read: frozenset[str]
    ) -> list[Argument]:
        required, optional = [], []
        for name, default in block.args.items():
            if own[name] not in read:
                continue
            values = self._values_of(unit, block, name)
            annotation = annotation_of(values, self.heads.spell)
            expr = None if default is None else fitted(self._default(unit, default), annotation)
            if expr is None or free_names(expr) - unit.class_names or self._is_absent(expr):
                required.append(Argument(own[name], annotation, key=name))
            else:
                optional.append(Argument(own[name], annotation, expr, key=name))
        return [*required, *optional]

    def _values_of(self, unit: Unit, block: Block, name: str) -> list[Value]:
        """What an argument is in any network, and what it may be, though no use leaves it so."""
        values, default = self.facts.arguments_of(block.name, name), block.args[name]
        if isinstance(default, str) and isinstance(unit.values.get(default), Reference | Word):
            values.append(unit.values[default])
        if isinstance(default, dict) and "op" in default:
            worth = self.facts.value_of(default, self.facts.environments(block.name)[0])
            values += [worth] if isinstance(worth, Reference) else []
        if default is False:
            values.append(default)
        return values

    def _is_absent(self, expr: Expr) -> bool:
        """Whether a block is named that no network has: it has no class."""
        absent = {name for block, name in self.names.items() if block not in self.facts.units}
        return bool(free_names(expr) & absent)

    def _default(self, unit: Unit, default: Data) -> Expr:
        if isinstance(default, list):
            return Tuple(tuple(self._default(unit, item) for item in default))
        if isinstance(default, dict) and "op" in default:
            return unit.configured(default)
        return unit.expr(default) if isinstance(default, str) else unit.known(default)

    # --- groups ------------------------------------------------------------------------------

    def group(self, outer: Unit, step: Step) -> tuple[Draft, Mapping[str, Expr]]:
        """The class of a group whose paths meet, and what stands for its arguments around it.

        It sees the names of what is around it, and those that it reads are its arguments.
        """
        assert step.body is not None
        given = {name: expr for name, expr in outer.bound.items() if name != "in_channels"}
        names = {name: name if usable_argument(name) else f"{name}_" for name in given}
        key = f"{step.at}"
        if key not in self.groups:
            name = self._group_name(step)
            self.groups[key] = Draft(name, _SUPER, (None,))  # the name is taken from now on
            unit = self._unit(outer.block)
            unit.values.update(outer.values)
            for own, argument in names.items():
                unit.bound[own] = Name(argument)
                if outer.is_whole(given[own]):
                    unit.whole.add(argument)
                if outer.may_be_missing(given[own]):
                    unit.optional.add(argument)
            unit.bound["in_channels"] = Name("in_channels")
            unit.whole.add("in_channels")
            unit.taken |= {"in_channels", *names.values()}
            draft = self._write(unit, step.body, name, Name("in_channels"))
            draft.takes_channels = "in_channels" in draft.read
            draft.arguments = tuple(
                Argument(names[own], self._kind(outer, own), key=own)
                for own in names
                if names[own] in draft.read
            )
            self.blocks[key] = draft
            self.groups[key] = draft
        return self.groups[key], given

    def _group_name(self, step: Step) -> str:
        """The name of a group's class: the group's own, as a class is called."""
        words = "".join(part.capitalize() for part in (step.name or "group").split("_"))
        taken = self.taken | set(self.names.values()) | {d.name for d in self.groups.values()}
        base = class_name(words, frozenset(HELPERS))
        numbered = (base if i == 1 else f"{base}{i}" for i in range(1, len(taken) + 2))
        return next(name for name in numbered if name not in taken)

    def _kind(self, outer: Unit, name: str) -> Expr:
        """The annotation of a name that a group sees."""
        values = [e[name] for e in self.facts.environments(outer.block) if name in e]
        return annotation_of(_distinct(values), self.heads.spell)

    # --- the network -------------------------------------------------------------------------

    def network(self, name: str, closed: frozenset[str] = frozenset()) -> Draft:
        """The class of the network, or of all networks of a family.

        The variables in `closed` are no arguments, whatever they do.
        """
        bound = bound_variables(self.facts) | closed
        while True:
            try:
                return self._network(name, bound)
            except TooLong as error:
                free = error.names & set(self.facts.spec.vars)
                if not free - bound:
                    raise CannotWrite(("vars",), "an expression is too long") from None
                bound |= free
                self.blocks.clear()
                self.groups.clear()

    def _network(self, name: str, bound: frozenset[str]) -> Draft:
        facts = self.facts
        unit = self._unit("")
        varying = facts.varying
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
            unit.bound[variable] = Name(own)
            if facts.is_optional_op(variable):
                unit.optional.add(own)
            if holds_whole_numbers(m.network.vars[variable] for m in facts.members):
                unit.whole.add(own)
            text = written[variable]
            is_derived = isinstance(text, str) and names_in_written(text) & set(unit.bound) - {
                variable
            }
            if is_derived and facts.is_computed(variable):
                derived[variable] = text
                unit.bound.pop(variable)
            else:
                unit.taken.add(own)
        self._define(unit, derived)
        self._records(unit, varying)
        widths = {channels_of(member.network.input_shape or (0,)) for member in facts.members}
        channels: Expr = Literal(next(iter(widths)))
        if len(widths) > 1:
            channels = Name("in_channels")
            unit.taken.add("in_channels")
            unit.whole.add("in_channels")
        draft = self._write(unit, facts.spec.body, name, channels)
        draft.takes_channels = len(widths) > 1
        draft.init += init_statements(facts, self.names, self.heads.class_of)
        draft.arguments = tuple(self._network_arguments(unit, derived, varying, draft.read))
        self._share_stages(draft, unit)
        used = {argument.key for argument in draft.arguments}
        draft.records = tuple(record for key, record in self.records.items() if key in used)
        return draft

    def _share_stages(self, draft: Draft, unit: Unit) -> None:
        """Let one method make the stages that are alike."""
        known = [*draft.all_arguments()]
        known += [Argument(n, _INTEGER) for n, v in unit.locals.items() if unit.is_whole(v)]
        shared = share_stages(draft.init, known, partial(self._arguments_of, draft))
        if shared is not None:
            draft.init, draft.methods = shared.init, (shared.method,)

    def _arguments_of(self, network: Draft, head: Expr) -> list[Argument] | None:
        """The arguments of the blocks that an expression may stand for, if they are the same."""
        given = {argument.name: argument.annotation for argument in network.arguments}
        names = names_in(head) | names_in(*(given[n] for n in names_in(head) if n in given))
        blocks = [draft for draft in self.blocks.values() if draft.name in names]
        found = [draft.all_arguments() for draft in blocks]
        same = all(other == found[0] for other in found[1:])
        return found[0] if found and same else None

    def _network_arguments(
        self,
        unit: Unit,
        derived: Mapping[str, Data],
        varying: frozenset[str],
        read: frozenset[str],
    ) -> list[Argument]:
        required, optional = [], []
        for name in self.facts.spec.vars:
            bound = unit.bound.get(name)
            if not isinstance(bound, Name) or name in derived or bound.id not in read:
                continue
            own = bound.id
            values = [member.network.vars[name] for member in self.facts.members]
            annotation = annotation_of(_distinct(values), self.heads.spell)
            if own in unit.optional:
                annotation = self._optional(values)
            if own in unit.records:
                annotation = unit.records[own].annotation
            default = self.facts.default_of(name)
            if default is None or (name in varying and isinstance(default, list)):
                required.append(Argument(own, annotation, key=name))
            else:
                value = fitted(self.value(unit, default), annotation)
                optional.append(Argument(own, annotation, value, key=name))
        return [*required, *optional]

    def _optional(self, values: Sequence[Value]) -> Expr:
        """The annotation of an op that may be missing: of any, unless a block asks for some."""
        blocks = [draft for draft in self.blocks.values() if draft.block]
        if any(argument.may_be_missing for draft in blocks for argument in draft.arguments):
            return annotation_of(_distinct(values), self.heads.spell)
        return OPTIONAL

    def _records(self, unit: Unit, varying: frozenset[str]) -> None:
        """Classes for the rows of the tables in which the members of a family differ."""
        self.records.clear()
        for name in (n for n in self.facts.spec.vars if n in varying):
            bound = unit.bound.get(name)
            values = [member.network.vars[name] for member in self.facts.members]
            taken = self.taken | set(self.names.values()) | {r.name for r in self.records.values()}
            record = record_of(class_name(record_name(name), taken), values, self.heads.spell)
            if record is not None and isinstance(bound, Name) and record.name not in taken:
                self.records[name] = unit.records[bound.id] = record

    def value(self, unit: Unit, value: Value) -> Expr:
        """A variable's value."""
        if isinstance(value, str) and not isinstance(value, Reference | Word):
            return unit.expr(value)
        return unit.known(value)

    def plain_unit(self) -> Unit:
        """A place where only ops and blocks have names."""
        return self._unit("")

    # --- both --------------------------------------------------------------------------------

    def _unit(self, block: str) -> Unit:
        unit = Unit(self.facts, block, self.heads.spell)
        unit.values.update(references(self.facts.spec))
        unit.class_names = frozenset(self.names.values()) | self.taken
        unit.taken |= {"in_channels"} if block else set()
        return unit

    def _define(self, unit: Unit, written: Mapping[str, Data]) -> None:
        """Variables of the class's own: what is known is written where it is used."""
        for name, value in written.items():
            is_op = isinstance(value, dict) and "op" in value
            if not isinstance(value, str) and not is_op:
                unit.values[name] = value
                continue
            expr = unit.configured(value) if is_op else unit.expr(value)
            if not free_names(expr) - unit.class_names:
                unit.bound[name] = expr
                continue
            if not unit.block and len(f"{name} = {flat(expr)}") > LONGEST:
                raise TooLong(free_names(expr))
            own = (
                name if usable_argument(name) and name not in unit.taken else unit.fresh(f"{name}_")
            )
            unit.taken.add(own)
            if is_optional_op([e[name] for e in self.facts.environments(unit.block) if name in e]):
                expr = fitted(expr, OPTIONAL)
                unit.optional.add(own)
            unit.locals[own] = expr
            unit.bound[name] = Name(own)
            if unit.is_whole(expr):
                unit.whole.add(own)

    def _write(
        self, unit: Unit, body: Body, name: str, channels: Expr, block: Block | None = None
    ) -> Draft:
        modules = Modules(unit, self.class_of, self.group)
        steps = [step for step in body.steps if self.facts.is_there(step)]
        in_a_row = is_chain(steps) and not modules.needs_class(body)
        several = block is not None and (len(block.inputs) > 1 or len(block.outputs) > 1)
        if in_a_row and self._needs_sequential(steps) and not self.facts.spec_outputs(unit):
            if several or (block is not None and block.outputs):
                raise CannotWrite(body.at, "its steps have numbers, and it is no chain")
            return self._sequential(unit, modules, steps, name, channels)
        graph = Graph(unit, modules)
        end = graph.read_body(body, {} if block is None else block.inputs)
        outputs = self._outputs(unit, graph, end, block)
        graph.write(channels, [value for _, value, _ in outputs])
        widths = tuple(graph.channels[value] for _, value, _ in outputs)
        draft = Draft(name, dotted("nn.Module"), widths, inputs=graph.parameters)
        self._return(graph, outputs, draft, block)
        return self._finish(unit, draft)

    def _sequential(
        self, unit: Unit, modules: Modules, steps: Sequence[Step], name: str, channels: Expr
    ) -> Draft:
        module, out = modules.sequence(steps, channels, _SUPER)
        unit.add(Evaluate(module))
        return self._finish(unit, Draft(name, dotted("nn.Sequential"), (out,)))

    def _finish(self, unit: Unit, draft: Draft) -> Draft:
        unit.statements = together(without_unread(unit.statements))
        draft.outs = tuple(self._said_outside(unit, out) for out in draft.outs)
        read = set(names_in(*unit.statements))
        kept: dict[str, Expr] = {}
        for name, value in reversed(unit.locals.items()):
            if name in read:
                read |= names_in(value)
                kept[name] = value
        own: list[Statement] = [Assign(Name(name), value) for name, value in reversed(kept.items())]
        tables: list[Statement] = [
            Assign(Name(name), table) for name, table in unit.tables.items() if name in read
        ]
        statements = coalesced([self._with_locals(kept, line) for line in unit.statements])
        body = folded(statements, partial(self._length_of, unit), unit.fresh)
        draft.init = [*tables, *own, *body]
        return draft

    def _said_outside(self, unit: Unit, out: Expr | None) -> Expr | None:
        """Channels in terms of a class's arguments; a loop's variable means nothing outside."""
        if out is None:
            return None
        out = unit.expanded(out)
        known = {"in_channels"} | unit.class_names
        known |= {expr.id for expr in unit.bound.values() if isinstance(expr, Name)}
        return self._plainer(unit, out) if free_names(out) <= known else None

    @staticmethod
    def _with_locals(local: Mapping[str, Expr], statement: Statement) -> Statement:
        """`half` for `in_channels // 2` where that has a name, and what it is made of stays."""
        names = {
            value: Name(name) for name, value in local.items() if isinstance(value, Binary | Call)
        }
        if not names:
            return statement

        def named(node: Node) -> Node | None:
            return names.get(node) if isinstance(node, Binary | Call) else None

        return rebuild(statement, named)  # type: ignore[return-value]  # a statement stays one

    def _length_of(self, unit: Unit, name: str) -> int | None:
        """How long a list is that a class is given, None where that differs, or it is none."""
        written = {expr.id: key for key, expr in unit.bound.items() if isinstance(expr, Name)}
        values = [e.get(written.get(name, "")) for e in self.facts.environments(unit.block)]
        lengths = {len(v) if isinstance(v, list | tuple) else None for v in values}
        return lengths.pop() if len(lengths) == 1 else None

    def _plainer(self, unit: Unit, out: Expr) -> Expr:
        """`width` for `2 * (width // 2)`, where that is the same wherever the block is used."""
        names = free_names(out)
        if not unit.block or len(names) != 1 or isinstance(out, Name):
            return out
        (name,) = names
        written = {e.id: known for known, e in unit.bound.items() if isinstance(e, Name)}
        for environment in self.facts.environments(unit.block):
            value = environment.get(written.get(name, name))
            try:
                if value is None or value_of(out, {name: value}) != value:
                    return out
            except Unknown:
                return out
        return Name(name)

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

    # --- what forward gives back -------------------------------------------------------------

    def _outputs(
        self, unit: Unit, graph: Graph, end: int, block: Block | None
    ) -> list[tuple[str, int, bool]]:
        """The values that forward gives back: name, value, whether in training only."""
        if block is not None and block.outputs:
            return [(name, value, False) for name, value in graph.outputs_of(block.outputs)]
        if unit.block or not self.facts.spec.outputs:
            return [("", end, False)]
        found = []
        for output in self.facts.spec.outputs:
            if output.of.partition(".")[0] not in graph.names or output.of in graph.dropped:
                continue
            ((_, value),) = graph.outputs_of([output])
            if output.optional and graph.may_be_missing(value):
                graph.optional.add(value)
            found.append((output.name, value, output.training_only))
        if not found:
            raise CannotWrite(("outputs",), "no output is left")
        return found

    def _return(
        self,
        graph: Graph,
        outputs: list[tuple[str, int, bool]],
        draft: Draft,
        block: Block | None = None,
    ) -> None:
        """The last statements of forward."""
        at_once = not any(training for _, _, training in outputs)
        values = graph.returned([value for _, value, _ in outputs], all_at_once=at_once)
        draft.forward = graph.statements
        if len(outputs) == 1:
            draft.forward.append(Return(values[0]))
            return
        if block is not None:
            draft.forward.append(Return(Tuple(tuple(values))))
            draft.returns = Subscript(Name("tuple"), (TENSOR,) * len(values))
            return
        named = f"{draft.name}Outputs"
        draft.outputs = tuple((name, value in graph.optional) for name, value, _ in outputs)
        kept = [not training for _, _, training in outputs]
        everything = Return(Call(Name(named), tuple(values)))
        if all(kept):
            draft.forward.append(everything)
            draft.returns = Name(named)
            return
        draft.forward.append(If(dotted("self.training"), (everything,)))
        evaluated = [value for value, stays in zip(values, kept, strict=True) if stays]
        if len(evaluated) == 1:
            draft.forward.append(Return(evaluated[0]))
            draft.returns = Binary(TENSOR, "|", Name(named))
            return
        some = (v if stays else Literal(None) for v, stays in zip(values, kept, strict=True))
        draft.forward.append(Return(Call(Name(named), tuple(some))))
        draft.returns = Name(named)
        draft.outputs = tuple(
            (name, optional or not stays)
            for (name, optional), stays in zip(draft.outputs, kept, strict=True)
        )


def _distinct(values: Sequence[Value]) -> list[Value]:
    return list({repr(value): value for value in values}.values())


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
                found.update(facts.block_name(i.scope) for i in scopes)
    return frozenset(found)
