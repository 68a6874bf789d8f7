"""The classes of a module: one for each block that is used, and one for the network."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from archspec.expressions import Reference, Value, Word
from archspec.graph.arriving import SIZES
from archspec.language.model import Block, Step
from archspec.language.source import Data
from archspec.ops import channels_of
from archspec.targets.python.arithmetic import free_names
from archspec.targets.python.tree import (
    Call,
    Expr,
    Literal,
    Name,
    Subscript,
    Tuple,
    names_in,
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
from archspec.targets.torch.rows.drafts import INTEGER, SUPER, Draft
from archspec.targets.torch.rows.facts import Facts
from archspec.targets.torch.rows.init import init_statements
from archspec.targets.torch.rows.records import Record, record_name, record_of
from archspec.targets.torch.rows.stages import share_stages
from archspec.targets.torch.rows.unit import (
    Argument,
    CannotWrite,
    TooLong,
    Unit,
    holds_whole_numbers,
)
from archspec.targets.torch.rows.uses import channels_name
from archspec.targets.torch.rows.writer import Writer

_NONE: Mapping[str, Value] = MappingProxyType({})


class Classes(Writer):
    """Writes every class that a family of networks needs, blocks before those that use them."""

    def __init__(self, facts: Facts, taken: frozenset[str]) -> None:
        super().__init__(facts, taken, _block_names(facts, taken))
        self.blocks: dict[str, Draft] = {}
        self.open: set[str] = set()  # the blocks that are being written
        self.as_values = _blocks_as_values(facts)
        self.groups: dict[str, Draft] = {}
        self.records: dict[str, Record] = {}

    def class_of(self, block: str) -> Draft:
        """The class of a block; written at its first use."""
        if block in self.open:
            where = self.facts.spec.blocks[block].at
            raise CannotWrite(where, f"`{block}` stands in itself")
        if block not in self.blocks:
            self.open.add(block)
            self.blocks[block] = self.block(self.facts.spec.blocks[block])
            self.open.discard(block)
        return self.blocks[block]

    # --- blocks ------------------------------------------------------------------------------

    def block(self, block: Block) -> Draft:
        """The class of a block."""
        unit = self.unit(block.name)
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
        for name in SIZES:
            unit.bound[name] = Name(name)
            unit.whole.add(name)
        unit.taken |= {*SIZES}
        inputs = dict.fromkeys(self.facts.inputs_of(block.name)[1:] if block.inputs else ())
        others = {
            channels_name(name): Subscript(Name("Sequence"), INTEGER)
            if name in block.lists
            else INTEGER
            for name in inputs
        }
        for name in others:
            unit.bound[name] = Name(name)
            unit.whole.add(name)
        unit.taken |= {"in_channels", *others, *own.values()}
        if set(others) & {*own.values(), *block.vars}:
            raise CannotWrite(block.at, "an argument is called like the channels of an input")
        self.define(unit, block.vars)
        name = self.names[block.name]
        draft = self.write(unit, block.body, name, Name("in_channels"), block)
        keep_all = block.name in self.as_values
        draft.block = block.name
        draft.takes_channels = keep_all or "in_channels" in draft.read
        draft.also = {n: kind for n, kind in others.items() if keep_all or n in draft.read}
        read = frozenset({*draft.read, *own.values()}) if keep_all else draft.read
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
            computed = isinstance(expr, Call)  # `partial(…)`: no default is a call
            if (
                expr is None
                or computed
                or free_names(expr) - unit.class_names
                or self._is_absent(expr)
            ):
                required.append(Argument(own[name], annotation, key=name))
            else:
                optional.append(Argument(own[name], annotation, expr, key=name))
        sizes = [Argument(name, INTEGER, key=name) for name in SIZES if name in read]
        return [*sizes, *required, *optional]

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
        named = free_names(expr)
        return bool(named) and any(
            n in named and block not in self.facts.units for block, n in self.names.items()
        )

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
            self.groups[key] = Draft(name, SUPER, (None,))  # the name is taken from now on
            unit = self.unit(outer.block)
            unit.values.update(outer.values)
            for own, argument in names.items():
                unit.bound[own] = Name(argument)
                if outer.is_whole(given[own]):
                    unit.whole.add(argument)
                if outer.may_be_missing(given[own]):
                    unit.optional.add(argument)
            seen = (own for own, expr in outer.of_spec.items() if given.get(own) == expr)
            unit.of_spec = {own: unit.bound[own] for own in seen}
            unit.bound["in_channels"] = Name("in_channels")
            unit.whole.add("in_channels")
            unit.taken |= {"in_channels", *names.values()}
            draft = self.write(unit, step.body, name, Name("in_channels"))
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
        if not values:  # a loop's own
            return INTEGER if outer.is_whole(outer.bound[name]) else Name("float")
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
        unit = self.unit("")
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
        self.define(unit, derived)
        unit.of_spec = {name: expr for name, expr in unit.bound.items() if name in facts.spec.vars}
        self._records(unit, varying)
        widths = {channels_of(member.network.input_shape or (0,)) for member in facts.members}
        channels: Expr = Literal(next(iter(widths)))
        if len(widths) > 1:
            channels = Name("in_channels")
            unit.taken.add("in_channels")
            unit.whole.add("in_channels")
        draft = self.write(unit, facts.spec.body, name, channels)
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
        known += [Argument(n, INTEGER) for n, v in unit.locals.items() if unit.is_whole(v)]
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
        return self.unit("")


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
