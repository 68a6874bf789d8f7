"""Stages that are alike but for numbers come from one method, as torchvision's `_make_layer`."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archspec.targets.python.printer import INDENT, signature, statements
from archspec.targets.python.tree import (
    Argument as CallArgument,
)
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Call,
    Expr,
    Function,
    Generator,
    Keyword,
    Literal,
    Name,
    Parameter,
    Return,
    Statement,
    dotted,
    names_in,
    rebuild,
    walk,
)
from archspec.targets.torch.rows.alike import SEQUENTIAL, Alike, Different, Signature
from archspec.targets.torch.rows.drafts import flags_last
from archspec.targets.torch.rows.unit import Argument
from archspec.targets.torch.rows.uses import GEOMETRY

FEWEST = 3
"""Two stages are written down."""
_NUMBER = re.compile(r"_?\d+$")


class Shared(NamedTuple):
    """A constructor's statements in which a method makes the stages, and that method."""

    init: list[Statement]
    method: Function


def share_stages(
    init: Sequence[Statement], arguments: Sequence[Argument], arguments_of: Signature
) -> Shared | None:
    """Stages by one method, where that is shorter; None where nothing is alike.

    `arguments` are what the constructor is given, and the variables whose annotation is known.
    """
    stages = [i for i, statement in enumerate(init) if _is_stage(statement)]
    for chosen in (stages, stages[1:], stages[:-1]):
        if len(chosen) >= FEWEST:
            try:
                return _shared(init, chosen, arguments, arguments_of)
            except Different:
                continue
    return None


def _is_stage(statement: Statement) -> bool:
    """Whether a statement keeps a sequence of repeated modules."""
    match statement:
        case Assign(
            target=Attribute(value=Name(id="self")), value=Call(function=function) as made
        ) if function == SEQUENTIAL:
            return any(isinstance(node, Generator) for node in walk(made))
    return False


def _shared(
    init: Sequence[Statement],
    places: Sequence[int],
    arguments: Sequence[Argument],
    arguments_of: Signature,
) -> Shared:
    stages = [statement for i in places if isinstance(statement := init[i], Assign)]
    alike = Alike(arguments_of)
    made = alike.sequence([s.value for s in stages if isinstance(s.value, Call)])
    given = _given(alike, made, arguments)
    bound = {s.target.id for s in init if isinstance(s, Assign) and isinstance(s.target, Name)}
    if names_in(made) & (bound - {argument.name for argument in arguments}):
        raise Different
    holes = alike.named()
    body = rebuild(made, lambda node: holes.get(node) if isinstance(node, Name) else None)
    assert isinstance(body, Call)
    name = _method_name(stages)  # no step is called so: theirs do not begin with `_`
    parameters = flags_last([one.parameter for one in given])
    method = Function(name, parameters, SEQUENTIAL, (Return(body),), static=True)
    after = list(init)
    for turn, (place, stage) in enumerate(zip(places, stages, strict=True)):
        values = tuple(argument for one in given for argument in one.passed(turn))
        after[place] = Assign(stage.target, Call(dotted(f"self.{name}"), values))
    if _length(after) + _length(method.body) + len([*signature(method, INDENT)]) >= _length(init):
        raise Different
    return Shared(after, method)


def _given(alike: Alike, made: Call, arguments: Sequence[Argument]) -> "list[_Given]":
    """The arguments of the method: what the constructor is given itself, and one for each hole."""
    own = {argument.name: argument for argument in arguments}
    common = [own[name] for name in _names(made) if name in own]
    if {argument.name for argument in common} & {name.id for name in alike.named().values()}:
        raise Different
    heads = {node.function for node in walk(made) if isinstance(node, Call)}
    given = [_Given(a, None, int(Name(a.name) not in heads)) for a in common]
    given += [_Given(hole.argument, hole.values, alike.place(hole)) for hole in alike.holes]
    return sorted(given, key=lambda one: one.order)


def _names(made: Call) -> Iterator[str]:
    """The names in an expression, each once, in the order of the text."""
    yield from dict.fromkeys(node.id for node in walk(made) if isinstance(node, Name))


def _length(body: Sequence[Statement]) -> int:
    """How many lines statements of a constructor take."""
    return sum(1 for _ in statements(body, 2 * INDENT))


def _method_name(stages: Sequence[Assign]) -> str:
    """`_make_layer` where the stages are called `layer1`, `layer2` and so on."""
    names = {s.target.name for s in stages if isinstance(s.target, Attribute)}
    bases = {_NUMBER.sub("", name) for name in names}
    base = bases.pop()
    named = not bases and base.isidentifier() and base != "block"  # which a stage has several of
    return f"_make_{base}" if named else "_make_stage"


class _Given(NamedTuple):
    """An argument of the method: the same in each stage (None), or what it is in each.

    `place` is where it stands among those of the class that a stage is made of.
    """

    argument: Argument
    values: Sequence[Expr] | None
    place: int = 0

    @property
    def default(self) -> Expr | None:
        """What most stages give; None where an argument has no default, or no two are the same."""
        if self.values is None or self.argument.default is None:
            return None
        value, count = Counter(self.values).most_common(1)[0]
        return value if isinstance(value, Literal) and count > 1 else None

    @property
    def by_name(self) -> bool:
        """Whether it is given by its name: what a stage is made of, and what differs, are not."""
        named = self.argument.name in GEOMETRY or self.argument.is_flag
        return named or self.default is not None or (self.values is None and self.place > 0)

    @property
    def order(self) -> tuple[bool, bool, bool, int]:
        """Truth values come last, before them what has a default, and then what is named."""
        return self.argument.is_flag, self.default is not None, self.by_name, self.place

    @property
    def parameter(self) -> Parameter:
        """The parameter."""
        argument = self.argument
        return Parameter(argument.name, argument.annotation, self.default, argument.is_flag)

    def passed(self, turn: int) -> Iterator[CallArgument]:
        """What a stage gives for it; nothing where that is the default."""
        name = self.argument.name
        value = Name(name) if self.values is None else self.values[turn]
        if value != self.default:
            yield Keyword(name, value) if self.by_name else value
