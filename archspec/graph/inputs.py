"""What arrives at a block: the values that a row reads, by the names that the block gives them."""

from collections.abc import Mapping, Sequence

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.language import InvalidValue, NothingArrives, OneInput, WrongInputs
from archspec.diagnostics.wording import suggest
from archspec.expressions import Value as Worth
from archspec.graph.frame import Source
from archspec.graph.network import Value
from archspec.graph.values import evaluate
from archspec.language.model import OPTIONAL_INPUT, Block, Step

Arriving = dict[str, Source | tuple[Value, ...]]
"""What a block reads under the name of each input: a value, none, or a list of them."""

MAX_LIST = 1000
"""So many values one input or output stands for at most."""


class Inputs:
    """Matches what rows read with the inputs of their blocks. `references` are ops and blocks."""

    def __init__(self, references: Mapping[str, Worth], faults: list[Diagnostic]) -> None:
        self.references = references
        self.faults = faults

    def of(
        self,
        step: Step,
        block: Block,
        name: str,
        inputs: Sequence[Source],
        keys: Sequence[str] | None,
        arguments: Mapping[str, Worth],
    ) -> Arriving | None:
        """The values by the block's names for them; None where they are not those it takes.

        `keys` are the names of inputs that the row gives for its values, if it does.
        """
        where = step.where("from" if step.inputs else "branches" if step.branches else "op")
        before = len(self.faults)
        if not block.inputs:
            if keys is not None:
                problem = f"{block.name} has one input, which has no name"
                help_ = "name the step alone: `from: STEP`"
                self.faults.append(WrongInputs(where, problem=problem, help=help_))
            elif len(inputs) > 1:
                self.faults.append(OneInput(where, op=block.name, count=len(inputs)))
            found: Arriving = {"": inputs[0] if inputs else None}
        else:
            lengths = self._lengths(block, arguments)
            if lengths is None:
                return None
            if keys is not None:
                found = self._by_name(step, block, inputs, keys, lengths)
            else:
                found = self._in_order(step, block, inputs, lengths)
        if len(self.faults) > before:
            return None
        for key, value in found.items():
            if value is None and block.inputs.get(key) != OPTIONAL_INPUT:
                what = f"the input `{key}` of {block.name}" if key else f"`{name}`"
                problem = f"{what} reads what is left out and stands for nothing"
                self.faults.append(NothingArrives(where, problem=problem))
                return None
        return found

    def _lengths(self, block: Block, arguments: Mapping[str, Worth]) -> dict[str, int] | None:
        """How many values each input that is a list has."""
        lengths = {}
        for name in block.inputs:
            if name not in block.lists:
                continue
            where = (*block.at, "inputs", name)
            count = evaluate(
                block.inputs[name], {**self.references, **arguments}, where, self.faults
            )
            if count is None:
                return None
            least = 1 if name == next(iter(block.inputs)) else 0
            if type(count) is not int or not least <= count <= MAX_LIST:
                problem = (
                    f"`{name}` is a list of {least} to {MAX_LIST} values, not of {count!r:.40}"
                )
                self.faults.append(InvalidValue(where, problem=problem))
                return None
            lengths[name] = count
        return lengths

    def _in_order(
        self, step: Step, block: Block, inputs: Sequence[Source], lengths: Mapping[str, int]
    ) -> Arriving:
        """The values of a list behind `from`, in the order in which the block names its inputs."""
        if lengths and OPTIONAL_INPUT not in block.inputs.values():
            inputs = _there(inputs)
        optional = sum(kind == OPTIONAL_INPUT for kind in block.inputs.values())
        needed = len(block.inputs) - optional - len(lengths) + sum(lengths.values())
        spare = len(inputs) - needed
        if not 0 <= spare <= optional:
            count = str(needed) if not optional else f"{needed} to {needed + optional}"
            names = ", ".join(block.inputs)
            plural = "" if count == "1" else "s"
            problem = f"{block.name} takes {count} input{plural} ({names}), {_arrive(len(inputs))}"
            example = ", ".join(name.upper() for name in block.inputs)
            help_ = f"name the steps that it reads, in this order: `from: [{example}]`"
            where = step.where("from" if step.inputs else "op")
            self.faults.append(WrongInputs(where, problem=problem, help=help_))
            return {}
        found: Arriving = {}
        rest = iter(inputs)
        for name, kind in block.inputs.items():
            if name in lengths:
                found[name] = self._listed(
                    step, block, name, [next(rest) for _ in range(lengths[name])]
                )
            elif kind == OPTIONAL_INPUT and spare == 0:
                found[name] = None
            else:
                spare -= kind == OPTIONAL_INPUT
                found[name] = next(rest)
        return found

    def _by_name(
        self,
        step: Step,
        block: Block,
        inputs: Sequence[Source],
        keys: Sequence[str],
        lengths: Mapping[str, int],
    ) -> Arriving:
        """The values of a mapping behind `from`."""
        given: dict[str, list[Source]] = {}
        for key, value in zip(keys, inputs, strict=True):
            given.setdefault(key, []).append(value)
        for key in given:
            if key not in block.inputs:
                where = (*step.where("from"), key)
                help_ = suggest(key, block.inputs) or f"it has {', '.join(block.inputs)}"
                problem = f"{block.name} has no input `{key}`"
                fault = WrongInputs(where, on_key=True, problem=problem, help=help_)
                self.faults.append(fault)
        found: Arriving = {}
        for name, kind in block.inputs.items():
            values = given.get(name, [])
            if name in lengths:
                values = list(_there(values))
            count = lengths.get(name, 1)
            if not values and kind == OPTIONAL_INPUT:
                found[name] = None
            elif len(values) != count:
                where = (*step.where("from"), name) if name in given else step.where("from")
                problem = f"the input `{name}` of {block.name} takes {_so_many(count)}"
                fault = WrongInputs(where, problem=f"{problem}, {_arrive(len(values))}")
                self.faults.append(fault)
            else:
                found[name] = tuple(_there(values)) if name in lengths else values[0]
        return found

    def _listed(
        self, step: Step, block: Block, name: str, values: Sequence[Source]
    ) -> tuple[Value, ...]:
        """The values of a list, all of which are there."""
        there = tuple(value for value in values if value is not None)
        if len(there) < len(values):
            problem = f"the list `{name}` of {block.name} has a step that is left out"
            self.faults.append(NothingArrives(step.where("from"), problem=problem))
        return there


def _there(values: Sequence[Source]) -> tuple[Value, ...]:
    """The values of a list: what is left out and stands for nothing is none of them."""
    return tuple([value for value in values if value is not None])


def values_of(arriving: Arriving) -> tuple[Value, ...]:
    """The values that arrive, in the order of the inputs."""
    found: list[Value] = []
    for value in arriving.values():
        if isinstance(value, Value):
            found.append(value)
        elif value is not None:
            found += value
    return tuple(found)


def names_of(arriving: Arriving) -> tuple[str, ...]:
    """The name of the input that each of the values is for."""
    names: list[str] = []
    for name, value in arriving.items():
        if isinstance(value, Value):
            names.append(name)
        elif value is not None:
            names += [name] * len(value)
    return tuple(names)


def _arrive(count: int) -> str:
    return "and 1 arrives" if count == 1 else f"and {count or 'none'} arrive"


def _so_many(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
