"""The modules of a list that are called one after the other, in a loop."""

from collections.abc import Sequence

from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Call,
    For,
    Literal,
    Name,
    Statement,
    Subscript,
    names_in,
    walk,
)
from archspec.targets.torch.names import usable_argument


def looped(forward: Sequence[Statement]) -> list[Statement]:
    """`for block in self.blocks: x = block(x)` for `x = self.blocks[0](x)` and so on."""
    found = list(forward)
    for place, statement in enumerate(found):
        first = _called(statement)
        if first is None:
            continue
        variable, owner, _ = first
        calls = [_called(after) for after in found[place:]]
        times = 0
        while times < len(calls) and calls[times] == (variable, owner, times):
            times += 1
        parts = sum(isinstance(n, Subscript) and n.value == owner for n in walk(*found))
        name = _one_of(owner, found)
        if times > 1 and parts == times and name is not None:
            body = Assign(variable, Call(Name(name), (variable,)))
            return looped(
                [*found[:place], For(Name(name), owner, (body,)), *found[place + times :]]
            )
    return found


def _called(statement: Statement) -> tuple[Name, Attribute, int] | None:
    """The variable, the list and the place, of a statement that calls one of a list's modules."""
    match statement:
        case Assign(
            target=Name() as variable,
            value=Call(
                function=Subscript(value=Attribute() as owner, index=Literal(value=int(place))),
                arguments=(Name() as read,),
            ),
            annotation=None,
        ) if read == variable:
            return variable, owner, place
    return None


def _one_of(owner: Attribute, forward: Sequence[Statement]) -> str | None:
    """What one module of a list is called: `tree` of `trees`."""
    taken = names_in(*forward)
    names = (owner.name.removesuffix("s"), "block", "module")
    return next((n for n in names if len(n) > 1 and usable_argument(n) and n not in taken), None)
