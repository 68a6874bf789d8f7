"""Variables that are too many: that only hand their value on to another one, or are not read."""

from collections.abc import Sequence

from archspec.targets.python.tree import Assign, Name, Node, Statement, names_in, rebuild


def coalesced(body: Sequence[Statement]) -> list[Statement]:
    """Statements in which `channels = width` is gone, where nothing needs `width` behind it."""
    found = list(body)
    for place in range(len(found) - 1, 0, -1):
        match found[place]:
            case Assign(target=Name() as target, value=Name() as value, annotation=None):
                first = _made_at(found, place, target, value)
                if first is not None:
                    found[first:place] = [_renamed(s, value, target) for s in found[first:place]]
                    del found[place]
    return found


def _made_at(body: Sequence[Statement], place: int, target: Name, value: Name) -> int | None:
    """Where a variable is made that is only needed up to `place`; None where there is none."""
    makes = [
        i
        for i, statement in enumerate(body)
        if isinstance(statement, Assign) and statement.target == value
    ]
    if len(makes) != 1 or makes[0] >= place or value.id in names_in(*body[place + 1 :]):
        return None
    free = target.id not in names_in(*body[makes[0] : place])
    return makes[0] if free and value.id not in names_in(*body[: makes[0]]) else None


def _renamed(statement: Statement, value: Name, target: Name) -> Statement:
    def replaced(node: Node) -> Node | None:
        return target if node == value else None

    return rebuild(statement, replaced)  # type: ignore[return-value]  # a statement stays one


def without_unread(body: Sequence[Statement]) -> list[Statement]:
    """Statements without variables that nothing reads."""
    found = list(body)
    while True:
        read = _read(found)
        kept = [s for s in found if not _makes(s) or _makes(s) in read]
        if len(kept) == len(found):
            return found
        found = kept


def _read(body: Sequence[Statement]) -> frozenset[str]:
    """The names in statements, but for those of variables where they are made."""
    return names_in(*(s.value if isinstance(s, Assign) and _makes(s) else s for s in body))


def _makes(statement: Statement) -> str:
    """The variable that a statement makes, "" where it makes none."""
    made = isinstance(statement, Assign) and isinstance(statement.target, Name)
    return statement.target.id if made else ""  # type: ignore[union-attr]  # just asked
