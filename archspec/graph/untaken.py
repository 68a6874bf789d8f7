"""Names in the text that nothing has: also where no value ever asked for them.

What a choice does not come to is never computed, nor is what a row says that is left out: a typo
there would wait for the day on which somebody sets a variable.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from archspec import expressions
from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import UnknownStep
from archspec.diagnostics.wording import suggest
from archspec.expressions import UNKNOWN, ExpressionError, Value
from archspec.graph.arriving import NAMES
from archspec.graph.declared import references
from archspec.graph.network import INPUT_NAME
from archspec.graph.resolve import HOLE, NONE, PREVIOUS, arms
from archspec.graph.values import expression_fault, reads_misnamed, shorten
from archspec.language.model import Block, Body, Spec, Step
from archspec.language.source import Data

SKIPPED = (" if ", " and ", " or ", "else")
"""Where one of these stands, a part of an expression may never be asked for its value.

What `else` names is only asked for where the row is left out.
"""


MAX_NAMES = 2_000_000
"""So many names are laid out, as each body sees all of the spec: 4,000 blocks beside 500 names.

Bodies behind that are not judged by their text.
"""


def may_skip(text: str) -> bool:
    """Whether a text may have parts that are not computed."""
    return any(word in text for word in SKIPPED)


class Place(NamedTuple):
    """A body of a spec's own or of a block: what its expressions see, and the names of steps."""

    body: Body
    names: Mapping[str, Value]
    steps: frozenset[str]
    block: Block | None = None


def places(spec: Spec) -> Iterator[Place]:
    """The bodies of a spec, each with all that may ever be a name in it."""
    known = {**references(spec), **dict.fromkeys((*NAMES, "i", "j", *_columns(spec)), UNKNOWN)}
    own = dict.fromkeys(spec.vars, UNKNOWN)
    yield Place(spec.body, {**known, **own}, _steps(spec.body))
    for block in islice(spec.blocks.values(), MAX_NAMES // len(known)):
        own = dict.fromkeys((*block.args, *block.vars), UNKNOWN)
        steps = _steps(block.body, block.inputs)
        yield Place(block.body, {**known, **own}, steps, block)


def _columns(spec: Spec) -> Iterator[str]:
    """The keys of all mappings that may be the rows of tables."""
    pending: list[object] = [*spec.vars.values()]
    pending += [list(variant.vars.values()) for variant in spec.variants.values()]
    for body in (spec.body, *(block.body for block in spec.blocks.values())):
        for step in body.every_step():
            pending += [list(step.attributes.values()), step.control and list(step.control)]
    for block in spec.blocks.values():
        pending += [*block.args.values(), *block.vars.values()]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            yield from item
        pending += item if isinstance(item, list) else ()


def _steps(body: Body, inputs: Iterable[str] = ()) -> frozenset[str]:
    """What `from` may name anywhere in a body; names with holes as they are written."""
    named = (step.name for step in body.every_step() if step.name)
    return frozenset({*inputs, INPUT_NAME, PREVIOUS, NONE, *named})


def names(spec: Spec) -> Iterator[Diagnostic]:
    """The faults of parts that no value asks for, in choices and in conditions."""
    for place in places(spec):
        if place.block is not None:
            for kind, written in (("args", place.block.args), ("vars", place.block.vars)):
                for name, value in written.items():
                    where = (*place.block.at, kind, name)
                    yield from in_value(value, where, place.names)
        else:
            for name, value in spec.vars.items():
                yield from in_value(value, ("vars", name), place.names)
        for step in place.body.every_step():
            yield from in_step(step, place)


def in_step(step: Step, place: Place, *, every: bool = False) -> Iterator[Diagnostic]:
    """The faults of one row's text: of `every` expression, or where parts of them are skipped."""
    for key, value in (("op", step.op), *step.attributes.items(), *step.sugar.items()):
        if key in step.attributes or not (isinstance(value, str) and value.isidentifier()):
            yield from in_value(value, step.where(key), place.names, every=every)
    for key in ("when", "repeat", "each", "beside"):
        value = getattr(step.control, key, None)
        yield from in_value(value, step.where(key), place.names, every=every)
    for i, text in enumerate(step.inputs or ()):
        where = step.where("from")
        if step.keys is not None:
            where = (*where, step.keys[i])
        elif len(step.inputs or ()) > 1:
            where = (*where, i)
        yield from _in_from(text, where, place, every=every)
    otherwise = None if step.control is None else step.control.otherwise
    if otherwise is not None:
        yield from _in_from(otherwise, step.where("else"), place, every=True)


def in_value(
    value: Data, where: SpecPath, known: Mapping[str, Value], *, every: bool = False
) -> Iterator[Diagnostic]:
    """The names in the expressions of a written value, at any depth, that nothing has."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from in_value(item, (*where, i), known, every=every)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from in_value(item, (*where, key), known, every=every)
    elif isinstance(value, str) and (every or may_skip(value)):
        with suppress(ExpressionError):  # what is no expression may be something else
            expression = expressions.parse(value)
            missing = sorted(expression.names - known.keys())
            for name in missing if not reads_misnamed(value, known) else ():
                yield _unknown(expression, name, value, where, known)


def _unknown(
    expression: expressions.Expression,
    name: str,
    text: str,
    where: SpecPath,
    known: Mapping[str, Value],
) -> Diagnostic:
    """The fault of a name, as it would be told if somebody asked for its value."""
    nodes = (node for node in ast.walk(expression.tree) if isinstance(node, ast.Name))
    first = min((n for n in nodes if n.id == name), key=lambda node: node.col_offset)
    try:
        expressions.evaluate_tree(first, known)
    except ExpressionError as error:
        found = error
    return expression_fault(found, text, where)


def _in_from(text: str, where: SpecPath, place: Place, *, every: bool) -> Iterator[Diagnostic]:
    """The arms of a choice of steps that name none, and the names of its conditions."""
    if not every and not may_skip(text):
        return
    conditions, taken = arms(text)
    for condition in conditions:
        yield from in_value(condition, where, place.names, every=True)
    holes = any("{" in name for name in place.steps)
    for arm in taken:
        head = arm.partition(".")[0]
        if head in place.steps or HOLE.search(head) or (holes and head[-1:].isdigit()):
            continue
        if head.isdigit():
            continue  # a step without a name
        problem = f"there is no step `{shorten(head)}` before this one in its body"
        help_ = suggest(head, sorted(place.steps - {NONE, PREVIOUS}))
        yield UnknownStep(where, problem=problem, help=help_)
