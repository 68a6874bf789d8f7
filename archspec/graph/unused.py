"""What is declared and never used: variables, arguments, blocks, defaults and columns.

It is judged by the text, over all members of a family: one may need what another does not.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import Unused
from archspec.graph.words import words_in
from archspec.language.model import Block, Body, Spec, Step
from archspec.language.rows import SUGAR
from archspec.ops import OPS_BY_NAME, Op


def unused(spec: Spec) -> Iterator[Diagnostic]:
    """A warning for each."""
    spec = spec.family or spec
    every = [step for body in _bodies(spec) for step in body.every_step()]
    if spec.vars or spec.blocks:
        read = _read(spec.body)
        yield from _of_tables(spec, every)
        yield from _variables(spec, read)
        yield from _blocks(spec, every, read)
    if spec.defaults:
        yield from _defaults(spec, every)
    if spec.init:
        named = _ops_in(spec, every)
        for name in spec.init:
            if name in OPS_BY_NAME and name not in named and not _rows_of(name, every):
                yield Unused(("init", name), on_key=True, what="init of", name=name, of="")
    yield from _columns(every)


def _bodies(spec: Spec) -> list[Body]:
    return [spec.body, *(block.body for block in spec.blocks.values())]


def _read(*bodies: Body) -> frozenset[str]:
    """The words of what steps say: not of keys, nor of names but for the holes in them."""
    return frozenset().union(*(_read_by(step) for body in bodies for step in body.every_step()))


def _read_by(step: Step) -> frozenset[str]:
    """The same of one step, without those in it."""
    filled = [name for name in (step.name, *(step.inputs or ())) if name and _computes(name)]
    claims = [claim.value for claim in step.claims]
    values = [*step.attributes.values(), *step.sugar.values(), *(step.init or {}).values()]
    return words_in(step.op, values, step.control, filled, claims)


def _computes(name: str) -> bool:
    """Whether a name has holes, or is a choice."""
    return "{" in name or " if " in name


def _variables(spec: Spec, own: frozenset[str]) -> Iterator[Diagnostic]:
    """Blocks do not see them; claims do."""
    variants = spec.variants.values()
    defaults = [list(values.values()) for values in spec.defaults.values()]
    read = own | words_in(spec.input, defaults, spec.init)
    read |= words_in([variant.input for variant in variants])
    read |= words_in([claim.value for claim in spec.claims])
    read |= words_in([claim.value for variant in variants for claim in variant.claims])
    given = {
        name: [written, *(v.vars[name] for v in variants if name in v.vars)]
        for name, written in spec.vars.items()
    }
    for name in _not_in(read, given):
        yield Unused(("vars", name), on_key=True, what="variable", name=name, of="")


def _not_in(read: frozenset[str], written: Mapping[str, object]) -> Iterator[str]:
    """The names of which no word tells, nor what another name stands for."""
    own = {name: words_in(value) for name, value in written.items()}
    count = Counter(word for words in own.values() for word in words)
    for name, words in own.items():
        if name not in read and count[name] == (name in words):
            yield name


def _blocks(spec: Spec, every: Sequence[Step], own: frozenset[str]) -> Iterator[Diagnostic]:
    given = [list(variant.vars.values()) for variant in spec.variants.values()]
    named = own | words_in(list(spec.vars.values()), given)
    reached = set(named & spec.blocks.keys())
    pending = list(reached)
    while pending:
        block = spec.blocks[pending.pop()]
        written = [*block.vars.values(), *block.args.values()]
        found = ((_read(block.body) | words_in(written)) & spec.blocks.keys()) - reached
        reached |= found
        pending += found
    # Those that stand for each other behind a computed `op` all take what is handed to it.
    known = {*OPS_BY_NAME, *spec.blocks}
    computed = [step for step in every if step.op is not None and step.op not in known]
    handed = {key for step in computed for key in (*step.attributes, *step.sugar)}
    for name, block in spec.blocks.items():
        if name not in reached:
            yield Unused(block.at, on_key=True, what="block", name=name, of="")
        else:
            yield from _of_block(block, handed)
            yield from _inputs(block)


def _inputs(block: Block) -> Iterator[Diagnostic]:
    """The inputs that no row names; the first is what a row without `from` reads."""
    texts = [text for step in block.body.every_step() for text in step.inputs or ()]
    texts += [
        s.control.otherwise for s in block.body.every_step() if s.control and s.control.otherwise
    ]
    named = words_in(texts, [output.of for output in block.outputs])
    for i, name in enumerate(block.inputs):
        if i and name not in named:
            where = (*block.at, "inputs", i if block.inputs_listed else name)
            on_key = not block.inputs_listed
            yield Unused(where, on_key=on_key, what="input", name=name, of=f" of {block.name}")


def _of_block(block: Block, handed: Collection[str]) -> Iterator[Diagnostic]:
    read = _read(block.body) | words_in(list(block.inputs.values()))
    for name in _not_in(read, {**block.args, **block.vars}):
        kind, what = ("args", "argument") if name in block.args else ("vars", "variable")
        if name not in handed or kind == "vars":
            where, of = (*block.at, kind, name), f" of {block.name}"
            yield Unused(where, on_key=True, what=what, name=name, of=of)


def _ops_in(spec: Spec, every: Sequence[Step]) -> frozenset[str]:
    """The words among which every op is that something names beside `op`; others are, too.

    A dropout that a row carries needs no name.
    """
    named = words_in([(s.sugar, s.attributes, s.control, _computed(s)) for s in every])
    named |= words_in(spec.vars, [variant.vars for variant in spec.variants.values()])
    named |= words_in([(block.args, block.vars) for block in spec.blocks.values()])
    named |= words_in([[d.get(role) for role in SUGAR] for d in spec.defaults.values()])
    if any("dropout" in defaults for defaults in spec.defaults.values()):
        named |= {"dropout"}
    return named


def _rows_of(name: str, every: Sequence[Step]) -> list[Step]:
    return [step for step in every if step.op == name]


def _defaults(spec: Spec, every: Sequence[Step]) -> Iterator[Diagnostic]:
    """Those of ops that are not there; of others the values for which each row has its own."""
    named = _ops_in(spec, every)
    for name, defaults in spec.defaults.items():
        rows = _rows_of(name, every)
        if name in named or name not in OPS_BY_NAME:
            continue
        if not rows:
            yield Unused(("defaults", name), on_key=True, what="defaults of", name=name, of="")
        for key in defaults if rows else ():
            if all(_gives(step, key, OPS_BY_NAME[name]) for step in rows):
                where, of = ("defaults", name, key), f" of {name}: every row has its own"
                yield Unused(where, on_key=True, what="default", name=key, of=of)


def _computed(step: Step) -> str | None:
    """The op of a row where that is an expression."""
    return None if step.op in OPS_BY_NAME else step.op


def _gives(step: Step, key: str, cls: type[Op]) -> bool:
    """Whether a row has a value of its own for an attribute, or for what it carries along.

    So it has with one that stands in the attribute's place.
    """
    aliases = cls.aliases
    canonical = aliases.get(key, key)
    given = {aliases.get(own, own) for own, value in step.attributes.items() if value is not None}
    instead = cls.either if given & cls.either else frozenset[str]()
    return key in step.sugar or canonical in given | instead


def _of_tables(spec: Spec, every: Sequence[Step]) -> Iterator[Diagnostic]:
    """Columns of tables that are variables: no row reads them that goes through the table.

    Where a table is named in another way, as an argument or in an expression, any row may.
    """
    for name, written in spec.vars.items():
        sets: list[tuple[SpecPath, Any]] = [(("vars", name), written)]
        sets += [((*v.at, name), v.vars[name]) for v in spec.variants.values() if name in v.vars]
        at, rows = next(((at, rows) for at, rows in sets if _is_table(rows)), ((), []))
        if not rows:
            continue
        through = Body((), tuple(step for step in every if name in _tables_of(step)))
        others = words_in([_beside_tables(step, name) for step in every])
        others |= words_in([value for own, value in spec.vars.items() if own != name])
        read = frozenset().union(*map(_read_by, every if name in others else through.every_step()))
        for column in rows[0]:
            if column not in read:
                where, of = (*at, 0, column), f" of {name}"
                yield Unused(where, on_key=True, what="column", name=column, of=of)


def _is_table(written: object) -> bool:
    rows = written if isinstance(written, list) else []
    return bool(rows) and all(isinstance(row, dict) and "op" not in row for row in rows)


def _tables_of(step: Step) -> tuple[object, ...]:
    return () if step.control is None else (step.control.each, step.control.beside)


def _beside_tables(step: Step, table: str) -> object:
    """What a row says beside that it goes through a table."""
    control = [part for part in step.control or () if part != table]
    own = step._replace(control=None, claims=(), body=None, branches=None)
    return own, control


def _columns(every: Sequence[Step]) -> Iterator[Diagnostic]:
    """Columns of a table that stands in its row; a variable's may be there for other rows."""
    for step, key in ((step, key) for step in every for key in ("each", "beside")):
        rows = None if step.control is None else getattr(step.control, key)
        if step.control is None or not isinstance(rows, list | Mapping) or not rows:
            continue
        columns, *place = (rows,) if isinstance(rows, Mapping) else (rows[0], 0)
        if not isinstance(columns, Mapping):
            continue
        once = step._replace(control=step.control._replace(each=None, beside=None))
        read = _read(Body(step.at, (once,)))
        for column in columns:
            if column not in read:
                where = (*step.where(key), *place, column)
                yield Unused(where, on_key=True, what="column", name=column, of="")
