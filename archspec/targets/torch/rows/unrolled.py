"""A repeated row as so many rows: beside other paths every repetition is a step of its own."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from archspec.expressions import Value
from archspec.graph.resolve import HOLE, holds_everywhere
from archspec.graph.values import as_rows
from archspec.language.model import Step
from archspec.language.rows import SUGAR
from archspec.targets.python.tree import Expr
from archspec.targets.torch.rows.facts import KINDS, Facts
from archspec.targets.torch.rows.unit import CannotWrite, Unit

MOST = 200
"""A row that is repeated more often is not written down so many times."""


class Iteration(NamedTuple):
    """One repetition: the step alone, and what the names of the loop stand for in it."""

    step: Step
    bound: Mapping[str, Expr]


def beside_each_other(unit: Unit, step: Step) -> list[Iteration]:
    """The branches that a row stands for, each of which reads what it says."""
    assert step.control is not None
    beside = step.control.beside
    is_table = isinstance(beside, list | dict)
    if not is_table and not all(
        isinstance(unit.facts.value_of(beside, names), int | float)
        for names in unit.facts.environments(unit.block)
    ):
        is_table = True
    control = step.control._replace(beside=None, **{"each" if is_table else "repeat": beside})
    return iterations(unit, step._replace(control=control), everywhere=True)


def iterations(unit: Unit, step: Step, *, everywhere: bool | None = None) -> list[Iteration]:
    """The repetitions of a row that is repeated equally often in every object of the class.

    Each is a step at a place of its own, so that what its nodes have in common is known of it.
    """
    facts = unit.facts
    kept: list[tuple[Step, dict[str, Value]]] = []
    turns = _turns(unit, step)
    if everywhere is None:
        everywhere = holds_everywhere(step, turns[0] if turns else ())
    for number, names in enumerate(turns):
        if not _holds(unit, step, names):
            continue
        grouped = step.name is None or "{" not in step.name
        name = None if step.name is None or grouped else _filled(unit, step.name, names)
        read = step.inputs and tuple(_filled(unit, text, names) for text in step.inputs)
        once = step._replace(at=(*step.at, f"#{number}"), name=name, control=None, inputs=read)
        if kept and not everywhere:
            once = once._replace(inputs=None, keys=None)
        kept.append((once, names))
    _divide(facts, step, [once for once, _ in kept])
    return [
        Iteration(once, {key: unit.known(value) for key, value in names.items()})
        for once, names in kept
    ]


def _turns(unit: Unit, step: Step) -> list[dict[str, Value]]:
    """The names of the loop in each of its turns."""
    found = [
        list(_turns_in(unit.facts, step, names)) for names in unit.facts.environments(unit.block)
    ]
    if not found or any(other != found[0] for other in found) or len(found[0]) > MOST:
        raise CannotWrite(step.at, "it is not repeated equally often everywhere")
    return found[0]


def _turns_in(facts: Facts, step: Step, names: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    control = step.control
    assert control is not None
    rows: Any = [{}] if control.each is None else as_rows(facts.value_of(control.each, names))
    position = 0
    for index, row in enumerate(rows or ()):
        times = 1
        if control.repeat is not None:
            times = facts.value_of(control.repeat, {**names, **row})
            if not isinstance(times, int | float):
                raise CannotWrite(step.at, "how often it is repeated is not known")
        for i in range(int(times)):
            yield {**row, "i": index if control.repeat is None else i, "j": position}
            position += 1


def _holds(unit: Unit, step: Step, names: Mapping[str, Value]) -> bool:
    """Whether `when` keeps a repetition, in every object of the class or in none."""
    assert step.control is not None
    written = step.control.when
    if not isinstance(written, str):
        return written is None or bool(written)
    facts = unit.facts
    found = {
        facts.value_of(written, {**environment, **names})
        for environment in facts.environments(unit.block)
    }
    if len({bool(value) for value in found}) != 1 or None in found:
        raise CannotWrite(step.at, "whether a repetition is there is not known")
    return bool(found.pop())


def _filled(unit: Unit, name: str, names: Mapping[str, Value]) -> str:
    """A name with its holes filled, the same in every object of the class."""
    facts = unit.facts

    def fill(hole: re.Match[str]) -> str:
        found = {facts.value_of(hole[1], {**e, **names}) for e in facts.environments(unit.block)}
        value = found.pop()
        if found or not isinstance(value, int | float):
            raise CannotWrite((), "a name differs from object to object")
        return str(int(value))

    return HOLE.sub(fill, name)


def _divide(facts: Facts, step: Step, steps: list[Step]) -> None:
    """Give each repetition the nodes and scopes that are its own."""
    for role in ("", *SUGAR):
        leaves = _by_object(facts.leaves.get((step.at, role), ()))
        for number, once in enumerate(_each(step, steps, leaves)):
            facts.leaves[once.at, role] = [found[number] for found in leaves]
    in_body = step.name is None or "{" in step.name
    for kind in KINDS if in_body else ("group", "block"):
        scopes = _by_object(facts.scopes.get((step.at, kind), ()))
        for number, once in enumerate(_each(step, steps, scopes)):
            facts.scopes[once.at, kind] = [found[number] for found in scopes]


def _by_object(found: Iterable[Any]) -> list[list[Any]]:
    """Nodes or scopes by the object that they are part of, in their order."""
    divided: dict[Any, list[Any]] = {}
    for item in found:
        divided.setdefault((id(item.network), item.owner.path), []).append(item)
    return list(divided.values())


def _each(step: Step, steps: Sequence[Step], divided: Sequence[Sequence[Any]]) -> Sequence[Step]:
    """The repetitions, where each has one of what there is; none where there is nothing."""
    if any(len(found) != len(steps) for found in divided):
        raise CannotWrite(step.at, "its repetitions are of several kinds")
    return steps if divided else ()
