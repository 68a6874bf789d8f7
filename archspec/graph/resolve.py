"""What the names in a body stand for: those that steps bear, and those that they read."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.foreign import as_step
from archspec.diagnostics.language import (
    AmbiguousInput,
    DuplicateName,
    InvalidName,
    InvalidValue,
    NothingArrives,
    UnknownStep,
    WrongType,
)
from archspec.diagnostics.wording import describe, suggest
from archspec.graph.arriving import seen
from archspec.graph.frame import NOTHING, Frame, Given, Source
from archspec.graph.leaves import Leaves
from archspec.graph.names import problem_with
from archspec.graph.network import INPUT_NAME, Value
from archspec.graph.values import evaluate, shorten
from archspec.graph.words import words_in
from archspec.language.model import Body, Step
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME
from archspec.ops.fields import spell

MAX_WRITTEN = 200
"""The longest name with holes: what it may stand for has at most 64 characters."""
HOLE = re.compile(r"\{([^{}]*)\}")
CHOICE = re.compile(r"(.+?)\s+if\s+(.+?)\s+else\s+(.+)", re.DOTALL)
NONE = "none"
"""What `else` says of a step that is not there at all."""
PREVIOUS = "previous"
"""The step before: in a repeated step the place before it."""
ALL = "*"
END = "end the body with a row that says with `from` what it reads"
TWICE = "a row that is there several times gives each its own name by a hole: `{name}_{{i}}`"
ELSE = "give that row an `else`: the name of a step, or `none`"


class Resolver:
    """Names the steps of a body, and finds the steps that they read."""

    def __init__(self, leaves: Leaves, faults: list[Diagnostic]) -> None:
        self.leaves = leaves
        self.faults = faults
        self.steps: dict[SpecPath, frozenset[str | None]] = {}  # by body, where one is missed
        self.branching = False
        """Whether any step reads another one than the one before it."""

    # --- names that steps bear ---------------------------------------------------------------

    def own_name(self, step: Step, written: str | None, frame: Frame) -> str:
        """The name of a step in its body: as written, or its number; faults where it has none."""
        if written is None:
            own = frame.number
        else:
            filled = self.filled(step, "name", written, frame)
            if filled is None:
                return frame.number  # told already
            own = filled
            problem = problem_with(
                own, in_group=frame.in_group, makes_module=_makes_module(step, written)
            )
            if problem:
                where = step.where("name")
                self.faults.append(InvalidName(where, what="a step", name=own[:64], reason=problem))
        if own in frame.taken:
            where = step.where("name") if written is not None else step.at
            again = "i" in frame.names and written is not None and "{" not in written
            help_ = TWICE.format(name=own[:64]) if again else None
            self.faults.append(DuplicateName(where, name=own[:64], help=help_))
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

    # --- what a row's own expressions see ----------------------------------------------------

    def see_channels(self, frame: Frame, step: Step) -> None:
        """Outside blocks, `in_channels` and the sizes are those of what arrives at the row."""
        if frame.fixed:
            return
        source: Source = frame.previous
        if step.inputs:
            name = step.inputs[0]
            known = frame.lookup.outputs
            if name == INPUT_NAME:
                source = frame.lookup.sources[0]
            elif name in known:
                source = frame.lookup.value_of(name)
            elif name != PREVIOUS and not name.isidentifier():
                source = self._first(step, frame) or source
            if source is None and len(step.inputs) > 1:
                source = self._first(step, frame)
        arriving = None if source is None else self.leaves.flow(source)
        frame.names.update(seen(arriving))

    def _first(self, step: Step, frame: Frame) -> Source:
        """The first value that a step reads which is there; nothing is told."""
        quiet, there = Resolver(self.leaves, []), list[Value]()
        for text in step.inputs or ():
            read = quiet.sources(step._replace(inputs=(text,), keys=None), None, frame)
            there = [value for value in read or () if value is not None]
            if there:
                break
        return there[0] if there else None

    def control(self, step: Step, key: str, written: Data, frame: Frame) -> Data:
        """A row's `when`, `repeat`, `each` or `beside` computed; None where it cannot be."""
        self.see_channels(frame, step)
        return evaluate(written, frame.names, step.where(key), self.faults)

    # --- names that steps read ---------------------------------------------------------------

    def sources(self, step: Step, body: Body | None, frame: Frame) -> tuple[Source, ...] | None:
        """The values that a step reads, None where it names one that is not there."""
        if step.inputs is None:
            self.ask_about(frame, step)
            return (frame.previous,)
        self.branching = True
        found: list[Source] = []
        complete = True
        for position, written in enumerate(step.inputs):
            read = self.read(step, written, _place(step, "from", position), body, frame)
            if read is None:
                complete = False
            else:
                found += read
        return tuple(found) if complete else None

    def keys(self, step: Step, body: Body, frame: Frame) -> tuple[str, ...]:
        """The block's input that each of the values is for which a step reads by name."""
        assert step.inputs is not None
        assert step.keys is not None
        named = []
        for position, (key, written) in enumerate(zip(step.keys, step.inputs, strict=True)):
            where = _place(step, "from", position)
            named += [key] * len(self.read(step, written, where, body, frame) or ())
        return tuple(named)

    def stands_for(
        self, step: Step, body: Body, frame: Frame, inputs: tuple[Source, ...] | None
    ) -> "Source | Given":
        """What the name of a step that is left out stands for."""
        written = step.control.otherwise if step.control is not None else None
        if written is not None:
            read = self.read(step, written, step.where("else"), body, frame)
            if read is None or len(read) == 1:
                return frame.previous if read is None else read[0]
            problem = f"`else` names one step, and `{shorten(written)}` are {len(read)}"
            self.faults.append(InvalidValue(step.where("else"), problem=problem))
            return frame.previous
        if inputs is not None and len(inputs) > 1:
            problem = f"is left out, and would read {len(inputs)} steps: none of them stands for it"
            return Given(None, problem=problem, help=ELSE)
        if inputs is None:
            return Given(None, problem="is left out, and so is what it would read", help=ELSE)
        return inputs[0] if inputs else None

    def ask_about(self, frame: Frame, step: Step | None, at: SpecPath = ()) -> None:
        """Tell of a row, or of the end of a body, that reads what is not clear."""
        if frame.doubt is None:
            return
        reader = "this row" if step is not None else "the end of this body"
        readings = f"the step before it, or what {frame.doubt} would have read"
        where = step.at if step is not None else at
        fault = AmbiguousInput(where, reader=reader, left_out=frame.doubt, readings=readings)
        fault.help = fault.help if step is not None else END
        self.faults.append(fault)
        frame.doubt = None

    def read(
        self, step: Step, written: str, where: SpecPath, body: Body | None, frame: Frame
    ) -> tuple[Source, ...] | None:
        """The values behind one text of `from`, None where there are none; several behind `.*`."""
        key = "else" if where == step.where("else") else "from"
        name = self.named(step, key, written, where, frame)
        if name is None:
            return None  # told already
        head, *path = name.split(".") if "." in name else (name,)
        everything = path[-1:] == [ALL]
        try:
            found = None if name == NONE else self._find(step, head, where, body, frame)
            gone = head in frame.lookup.gone
            for depth, part in enumerate(path[:-1] if everything else path):
                found = _part(found, head, path[:depth], part, where, gone=gone)
            return _all(found, name, where) if everything else (_alone(found, name, where),)
        except _Missing as missing:
            self.faults.append(missing.fault)
            return None

    def named(
        self, step: Step, key: str, written: str, where: SpecPath, frame: Frame
    ) -> str | None:
        """The name, or path, that a text of `from` comes to, with its choices made."""
        chosen = self._chosen(written, where, frame)
        return None if chosen is None else self.filled(step, key, chosen, frame)

    def _chosen(self, written: str, where: SpecPath, frame: Frame) -> str | None:
        """What a choice comes to: `a if deep else input`."""

        def holds(condition: str) -> bool | None:
            value = evaluate(condition, frame.names, where, self.faults)
            if isinstance(value, int | float):
                return bool(value)
            if value is not None:
                what, found = f"`{shorten(condition)}`", describe(value)
                fault = WrongType(where, what=what, wanted="true or false", found=found)
                self.faults.append(fault)
            return None

        return chosen(written, holds)

    def _find(
        self, step: Step, name: str, where: SpecPath, body: Body | None, frame: Frame
    ) -> "Source | Given":
        """What a name stands for; raises `_Missing` where that is nothing."""
        known = frame.lookup
        if name == INPUT_NAME and not known.inputs:
            return known.sources[0]
        if name == PREVIOUS:
            return frame.previous
        if name in known.outputs:
            return known.outputs[name]
        problem = f"there is no step `{shorten(name)}` before this one in its body"
        if name == step.name:
            problem, help_ = f"`{shorten(name)}` cannot read its own output", ""
        elif body is not None and name in self._steps_of(body):
            problem = f"`{name}` comes later: a step reads those before it, so there are no cycles"
            help_ = f"move `{name}` before this row"
        elif name == INPUT_NAME:
            inputs = ", ".join(f"`{own}`" for own in known.inputs)
            problem, help_ = "the inputs of this block have names", f"they are {inputs}"
        elif "," in name:
            help_ = f"several steps are a list: `from: [{shorten(name.strip('[] '))}]`"
        else:
            help_ = as_step(name) or suggest(name, self._names_in(known))
        raise _Missing(UnknownStep(where, problem=problem, help=help_))

    def _steps_of(self, body: Body) -> frozenset[str | None]:
        if body.at not in self.steps:
            self.steps[body.at] = frozenset([step.name for step in body.steps])
        return self.steps[body.at]

    def _names_in(self, frame: Frame) -> Iterator[str]:
        if not frame.inputs:
            yield INPUT_NAME
        yield from frame.outputs


def _place(step: Step, key: str, position: int) -> SpecPath:
    """Where one of the texts behind `from` stands."""
    where = step.where(key)
    assert step.inputs is not None
    if step.keys is not None:
        return (*where, step.keys[position])
    return where if len(step.inputs) == 1 else (*where, position)


def chosen(text: str, holds: Callable[[str], bool | None]) -> str | None:
    """What a choice comes to, `a if deep else (b if wide else input)`; a text without one stays.

    None where `holds` cannot tell whether a condition does.
    """
    while choice := CHOICE.fullmatch(text.strip()):
        first, condition, second = choice.groups()
        there = holds(condition)
        if there is None:
            return None
        text = (first if there else second).strip()
        if text.startswith("(") and text.endswith(")"):
            text = text[1:-1].strip()
    return text


def arms(text: str) -> tuple[list[str], list[str]]:
    """The conditions of a choice, and all that it may come to."""
    conditions: list[str] = []
    ends: list[str] = []
    pending = [text]
    while pending:
        text = pending.pop().strip()
        if text.startswith("(") and text.endswith(")"):
            text = text[1:-1].strip()
        if choice := CHOICE.fullmatch(text):
            conditions.append(choice[2])
            pending += [choice[3], choice[1]]
        else:
            ends.append(text)
    return conditions, ends


class _Missing(Exception):
    """A name that stands for nothing; `fault` tells why."""

    def __init__(self, fault: Diagnostic) -> None:
        super().__init__(fault.name)
        self.fault = fault


def _part(
    found: "Source | Given",
    head: str,
    path: Sequence[str],
    part: str,
    where: SpecPath,
    *,
    gone: bool,
) -> "Source | Given":
    """What a path leads to, one part further; raises `_Missing`. `gone` is what is left out."""
    if isinstance(found, Given) and found.is_unknown:
        return found
    parts = found.parts if isinstance(found, Given) else NOTHING
    if part in parts:
        return parts[part]
    whole = shorten(".".join([head, *path]))
    problem = f"there is no `{shorten(part)}` in `{whole}`"
    help_ = suggest(part, parts) or f"it has {', '.join(f'`{name}`' for name in list(parts)[:8])}"
    if gone:
        problem = f"`{shorten(head)}` is left out here, and with it what is inside"
        help_ = "its name alone stands for one value; what is inside is read where it is there"
    elif not parts:
        problem = f"`{whole}` has no parts that could be read"
        help_ = f"write `{whole}`; of a block its `outputs` can be read, of a group its steps"
    raise _Missing(UnknownStep(where, problem=problem, help=help_))


def _all(found: "Source | Given", name: str, where: SpecPath) -> tuple[Source, ...]:
    """All places of a repeated step, or all values of a list; raises `_Missing`."""
    if isinstance(found, Given) and found.is_unknown:
        return (found.value,)
    if isinstance(found, Given) and found.places is not None:
        return found.places
    whole = shorten(name.removesuffix(f".{ALL}"))
    problem = f"`{whole}` is one step: `.*` are the places of a repeated one"
    raise _Missing(UnknownStep(where, problem=problem, help=f"write `{whole}`"))


def _alone(found: "Source | Given", name: str, where: SpecPath) -> Source:
    """What a name reads; raises `_Missing` where it cannot be read alone."""
    if not isinstance(found, Given) or not found.problem:
        return value_of(found)
    problem = f"`{shorten(name)}` {found.problem}"
    raise _Missing(NothingArrives(where, problem=problem, help=found.help))


def speaks_of_places(step: Step, columns: Iterable[str]) -> bool:
    """Whether `from` of a repeated step speaks of what differs from place to place."""
    read: set[str] = set()
    for text in step.inputs or ():
        read |= words_in(HOLE.findall(text), *_conditions(text))
        read |= words_in(text) & {PREVIOUS}
    return not read.isdisjoint({PREVIOUS, "i", "j", *columns})


def holds_everywhere(step: Step, columns: Iterable[str]) -> bool:
    """Whether each place of a repeated step reads what `from` says, not the place before it.

    So it is where `from` speaks of what differs from place to place, or names several steps.
    """
    read = step.inputs or ()
    several = len(read) > 1 or any(text.endswith(f".{ALL}") for text in read)
    return several or speaks_of_places(step, columns)


def _conditions(text: str) -> Iterator[str]:
    while choice := CHOICE.fullmatch(text.strip()):
        text = choice[3]
        yield choice[2]


def value_of(given: "Source | Given") -> Value | None:
    """The value that a name alone reads."""
    return given.value if isinstance(given, Given) else given


def _makes_module(step: Step, written: str) -> bool:
    """Whether a step, or a group of its places, may become a module: merges are functions."""
    op = OPS_BY_NAME.get(step.op or "")
    in_group = step.spread and "{" not in written
    return op is None or op.arity == "one" or in_group
