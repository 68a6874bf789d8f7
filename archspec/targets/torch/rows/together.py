"""Neighbours under one condition as one `if`, and what they add to a list as one statement."""

from collections.abc import Sequence
from dataclasses import replace

from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Augment,
    Call,
    Conditional,
    Evaluate,
    Expr,
    For,
    If,
    List,
    Name,
    Node,
    Statement,
    names_in,
    rebuild,
)


def together(body: Sequence[Statement]) -> list[Statement]:
    """Statements with neighbours under the same condition in one `if`, in loops as well."""
    found: list[Statement] = []
    for statement in body:
        if isinstance(statement, For | If):
            statement = replace(statement, body=tuple(together(statement.body)))  # noqa: PLW2901 - the same statement
        before = found[-1] if found else None
        if isinstance(before, If) and isinstance(statement, If) and _are_one(before, statement):
            found[-1] = _joined(before, statement)
        else:
            found.append(statement)
    return found


def _are_one(first: If, second: If) -> bool:
    """Whether the second condition is that of the first, and holds if that did."""
    same = first.test == second.test and not first.orelse and not second.orelse
    return same and not names_in(first.test) & _assigned(first.body)


def _assigned(body: Sequence[Statement]) -> frozenset[str]:
    """The variables that statements change."""
    found: set[str] = set()
    for statement in body:
        match statement:
            case Assign(target=target) | Augment(target=target):
                found |= names_in(target)
            case For(target=target, body=inner):
                found |= names_in(target) | _assigned(inner)
            case If(body=inner, orelse=orelse):
                found |= _assigned((*inner, *orelse))
    return frozenset(found)


def _joined(first: If, second: If) -> If:
    """One `if` for two; in the second, what depends on the condition is known."""

    def decided(node: Node) -> Node | None:
        if isinstance(node, Conditional) and node.test == first.test:
            return node.body
        return None

    body = list(first.body)
    for statement in second.body:
        known: Statement = rebuild(statement, decided)  # type: ignore[assignment]  # a statement stays one
        both = _extended(body[-1], known)
        body[-1:] = [body[-1], known] if both is None else [both]
    return replace(first, body=tuple(body))


def _extended(first: Statement, second: Statement) -> Statement | None:
    """`layers += [a, b]` for two statements that add to one list; None for any others."""
    one, other = _added(first), _added(second)
    if one is None or other is None or one[0] != other[0]:
        return None
    return Augment(one[0], "+", List((*one[1], *other[1])))


def _added(statement: Statement) -> tuple[Expr, tuple[Expr, ...]] | None:
    """A list, and what a statement adds to it."""
    match statement:
        case Augment(target=Name() as target, op="+", value=List(items=items)):
            return target, items
        case Evaluate(
            value=Call(
                function=Attribute(value=Name() as target, name="append"),
                arguments=(item,),
            )
        ):
            return target, (item,)  # type: ignore[return-value]  # `append` takes an expression
    return None
