"""What the names in a body stand for: those that steps bear, and those that they read."""

import re
from itertools import chain

from archspec.diagnostics.foreign import as_step
from archspec.diagnostics.language import (
    DuplicateName,
    InvalidName,
    InvalidValue,
    UnknownStep,
)
from archspec.diagnostics.wording import suggest
from archspec.expressions import UNKNOWN
from archspec.graph.leaves import Frame, Leaves
from archspec.graph.names import problem_with
from archspec.graph.network import INPUT_NAME, Value
from archspec.graph.values import evaluate, shorten
from archspec.language.model import Body, Step
from archspec.language.source import Data
from archspec.ops import channels_of
from archspec.ops.fields import spell

MAX_WRITTEN = 200
"""The longest name with holes: what it may stand for has at most 64 characters."""
HOLE = re.compile(r"\{([^{}]*)\}")


class Resolver(Leaves):
    """Names the steps of a body, and finds the steps that they read."""

    branching = False
    """Whether any step reads another one than the one before it."""

    def see_channels(self, frame: Frame, step: Step) -> None:
        """Outside blocks, `in_channels` is what arrives at the row."""
        if frame.fixed:
            return
        source = frame.previous
        if step.inputs:
            name = step.inputs[0]
            source = frame.sources[0] if name == INPUT_NAME else frame.outputs.get(name, source)
        arriving = self.flow(source)
        frame.names["in_channels"] = UNKNOWN if arriving is None else channels_of(arriving)

    def own_name(self, step: Step, written: str | None, frame: Frame) -> str:
        """The name of a step in its body: as written, or its number; faults where it has none."""
        if written is None:
            own = str(len(frame.children))
        else:
            filled = self.filled(step, "name", written, frame)
            if filled is None:
                return str(len(frame.children))  # told already
            own = filled
            problem = problem_with(own, in_group=frame.in_group)
            if problem:
                where = step.where("name")
                self.faults.append(InvalidName(where, what="a step", name=own[:64], reason=problem))
        if own in frame.taken:
            where = step.where("name") if written is not None else step.at
            self.faults.append(DuplicateName(where, name=own[:64]))
        frame.taken.add(own)
        return own

    def filled(self, step: Step, key: str, written: str, frame: Frame) -> str | None:
        """A name with its `{expressions}` computed, None where one cannot be."""
        if "{" not in written:
            return written
        where = step.where(key)
        if len(written) > MAX_WRITTEN:
            reason = f"it is longer than {MAX_WRITTEN} characters"
            fault = InvalidName(where, what="a step", name=written[:64], reason=reason)
            self.faults.append(fault)
            return None
        if key == "name":
            self.see_channels(frame, step)
        complete = True

        def fill(hole: re.Match[str]) -> str:
            nonlocal complete
            value = evaluate(hole[1], frame.names, where, self.faults)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if type(value) is int:
                return str(value)
            complete = False
            if value is not None:
                problem = f"a name takes whole numbers, and `{hole[1]}` is {spell(value)}"
                self.faults.append(InvalidValue(where, problem=problem))
            return ""

        text = HOLE.sub(fill, written)
        return text if complete else None

    def sources(self, step: Step, body: Body, frame: Frame) -> tuple[Value, ...] | None:
        """The values that a step reads, None where it names one that is not there."""
        if step.inputs is None:
            return (frame.previous,)
        self.branching = True
        found = [self._find(step, i, body, frame) for i in range(len(step.inputs))]
        return None if None in found else tuple(found)  # type: ignore[arg-type]  # just asked

    def _find(self, step: Step, position: int, body: Body, frame: Frame) -> Value | None:
        assert step.inputs is not None
        name = self.filled(step, "from", step.inputs[position], frame)
        if name is None:
            return None  # told already
        if name == INPUT_NAME:
            return frame.sources[0]
        if name in frame.outputs:
            return frame.outputs[name]
        if body.at not in self.named:
            self.named[body.at] = frozenset([other.name for other in body.steps])
        later = name in self.named[body.at]
        problem = f"there is no step `{shorten(name)}` before this one in its body"
        if name == step.name:
            problem, help_ = f"`{shorten(name)}` cannot read its own output", ""
        elif later:
            problem = f"`{name}` comes later: a step reads those before it, so there are no cycles"
            help_ = f"move `{name}` before this row"
        else:
            help_ = as_step(name) or suggest(name, chain((INPUT_NAME,), frame.outputs))
        where = step.where("from")
        at = where if len(step.inputs) == 1 else (*where, position)
        self.faults.append(UnknownStep(at, problem=problem, help=help_))
        return None

    def control(self, step: Step, key: str, written: Data, frame: Frame) -> Data:
        """A row's `when`, `repeat` or `each` computed; None where it cannot be."""
        self.see_channels(frame, step)
        return evaluate(written, frame.names, step.where(key), self.faults)
