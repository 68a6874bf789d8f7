"""A row of modules with names: each is kept under its own in place of a dictionary of all."""

from collections.abc import Sequence

from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Call,
    Evaluate,
    Literal,
    Name,
    Node,
    Statement,
    Subscript,
    call,
    dotted,
    names_in,
    rebuild,
)
from archspec.targets.torch.rows.drafts import SUPER, Draft

_SEQUENTIAL = dotted("nn.Sequential")
_ITS_OWN = frozenset({"append", "extend", "insert", "pop"})
"""What a row of modules has itself."""


def add_one_by_one(draft: Draft) -> None:
    """`self.pool = …` and `self.add_module(f"stage{i}", …)` for an `OrderedDict` and `layers[…]`.

    The class is an `nn.Sequential`, which runs what it has in the order in which it got that.
    """
    match draft.init:
        case [*before, Evaluate(value=Call(function=function, arguments=(Name() as layers,)))]:
            if function == SUPER and draft.base == _SEQUENTIAL:
                _add(draft, before, layers)


def _add(draft: Draft, body: Sequence[Statement], layers: Name) -> None:
    rest = [statement for statement in body if not _declares(statement, layers)]

    def added(node: Node) -> Node | None:
        match node:
            case Assign(target=Subscript(value=owner, index=key), value=module) if owner == layers:
                return _kept(key, module)
        return None

    found = [rebuild(statement, added) for statement in rest]
    if len(rest) + 1 == len(body) and layers.id not in names_in(*found):
        draft.init = [Evaluate(Call(SUPER)), *found]  # type: ignore[list-item]  # statements stay such


def _declares(statement: Statement, layers: Name) -> bool:
    return isinstance(statement, Assign) and statement.target == layers


def _kept(key: object, module: Node) -> Statement:
    match key:
        case Literal(value=str() as name) if name.isidentifier() and name not in _ITS_OWN:
            return Assign(Attribute(Name("self"), name), module)  # type: ignore[arg-type]  # an expression
    return Evaluate(call("self.add_module", key, module))  # type: ignore[arg-type]  # both are expressions
