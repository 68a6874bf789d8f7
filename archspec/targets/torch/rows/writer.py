"""The body of one class: its constructor and `forward`, from the steps of a body."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

from archspec.language.model import Block, Body, Step
from archspec.language.source import Data
from archspec.targets.python.arithmetic import Unknown, free_names, value_of
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Assign,
    Binary,
    Call,
    Evaluate,
    Expr,
    If,
    Literal,
    Name,
    Node,
    Return,
    Statement,
    Subscript,
    Tuple,
    dotted,
    names_in,
    rebuild,
)
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.annotations import (
    OPTIONAL,
    fitted,
    is_optional_op,
)
from archspec.targets.torch.rows.coalesce import coalesced, without_unread
from archspec.targets.torch.rows.drafts import SUPER, TENSOR, Draft
from archspec.targets.torch.rows.facts import Facts
from archspec.targets.torch.rows.folding import folded
from archspec.targets.torch.rows.graphs import Graph
from archspec.targets.torch.rows.heads import Heads
from archspec.targets.torch.rows.modules import Modules, is_chain
from archspec.targets.torch.rows.together import together
from archspec.targets.torch.rows.unit import (
    LONGEST,
    CannotWrite,
    TooLong,
    Unit,
)


class Writer(ABC):
    """Writes one class at a time.

    `names` are those of the classes of blocks, `taken` all others that the module has.
    """

    def __init__(self, facts: Facts, taken: frozenset[str], names: Mapping[str, str]) -> None:
        self.facts = facts
        self.taken = taken
        self.names = names
        self.heads = Heads(facts, names)

    @abstractmethod
    def class_of(self, block: str) -> Draft:
        """The class of a block."""

    @abstractmethod
    def group(self, outer: Unit, step: Step) -> tuple[Draft, Mapping[str, Expr]]:
        """The class of a group whose paths meet, and what stands for its arguments around it."""

    def unit(self, block: str) -> Unit:
        """A place where the names of ops and blocks are known."""
        unit = Unit(self.facts, block, self.heads.spell)
        unit.values.update(self.facts.references)
        functions = {member.name for member in self.facts.members}  # which no class calls
        unit.class_names = frozenset(self.names.values()) | (self.taken - functions)
        unit.taken |= {"in_channels"} if block else set()
        return unit

    def define(self, unit: Unit, written: Mapping[str, Data]) -> None:
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

    def write(
        self, unit: Unit, body: Body, name: str, channels: Expr, block: Block | None = None
    ) -> Draft:
        """The class of a body, which may be that of a block."""
        modules = Modules(unit, self.class_of, self.group)
        steps = [step for step in body.steps if self.facts.is_there(step)]
        in_a_row = is_chain(steps) and not modules.needs_class(body)
        if in_a_row and self._needs_sequential(steps) and not self.facts.spec_outputs(unit):
            if block is not None and (len(block.inputs) > 1 or block.outputs):
                raise CannotWrite(body.at, "its steps have numbers, and it is no chain")
            return self._sequential(unit, modules, steps, name, channels)
        graph = Graph(unit, modules)
        end = graph.read_body(body, block)
        outputs = self._outputs(unit, graph, end, block)
        graph.write(channels, [value for _, value, _ in outputs])
        widths = tuple(graph.channels[value] for _, value, _ in outputs)
        draft = Draft(name, dotted("nn.Module"), widths, inputs=graph.parameters)
        self._return(graph, outputs, draft, block)
        return self._finish(unit, draft)

    def _sequential(
        self, unit: Unit, modules: Modules, steps: Sequence[Step], name: str, channels: Expr
    ) -> Draft:
        module, out = modules.sequence(steps, channels, SUPER)
        unit.add(Evaluate(module))
        return self._finish(unit, Draft(name, dotted("nn.Sequential"), (out,)))

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
        draft.forward = together([*draft.forward, If(dotted("self.training"), (everything,))])
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
            Assign(Name(name), table, unit.kinds.get(name))
            for name, table in unit.tables.items()
            if name in read
        ]
        statements = coalesced([self._with_locals(kept, line) for line in unit.statements])
        body = folded(statements, partial(self._length_of, unit), unit.fresh)
        draft.init = [*tables, *own, *body]
        draft.fewest = unit.fewest
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
