"""Modules that may be missing: chosen where they are made, or called where they are there."""

from collections.abc import Sequence

from archspec.targets.python.arithmetic import free_names, substituted
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Call,
    Conditional,
    Expr,
    If,
    Literal,
    Name,
    Node,
    Statement,
    Unary,
    call,
    dotted,
    rebuild,
    walk,
)
from archspec.targets.torch.rows.drafts import Draft

_IDENTITY = call("nn.Identity")
LONGEST = 76
"""A choice is at most so long: a line, in parentheses or without."""


def simplify_absent(draft: Draft) -> None:
    """Write the modules of a class that may be missing as a person does."""
    _call_together(draft)
    draft.init = _chosen(draft.init)


# --- chosen where they are made -------------------------------------------------------------------


def _chosen(init: Sequence[Statement]) -> list[Statement]:
    """`self.se = SqueezeExcite(hidden) if se else nn.Identity()` for three statements."""
    found: list[Statement] = []
    for statement in init:
        choice = _choice(found[-1], statement) if found else None
        found[-1:] = [*found[-1:], statement] if choice is None else [choice]
    return found


def _choice(before: Statement, statement: Statement) -> Assign | None:
    match before, statement:
        case (
            Assign(target=Attribute() as attribute, value=absent),
            If(test=test, body=(Assign(target=target, value=module),), orelse=()),
        ) if target == attribute and absent in (_IDENTITY, Literal(None)):
            choice = Conditional(test, module, absent)
            if isinstance(test, Unary) and test.op == "not":
                choice = Conditional(test.operand, absent, module)
            return Assign(attribute, choice) if len(flat(choice)) <= LONGEST else None
    return None


# --- called where they are there ------------------------------------------------------------------


def _call_together(draft: Draft) -> None:
    """`if self.stride > 1: out = self.norm(self.conv(out))` for modules that both are missing."""
    for i, statement in enumerate(draft.init):
        if not isinstance(statement, If) or statement.orelse:
            continue
        names = [_attribute(inner) for inner in statement.body]
        absent = [_attribute(inner, _IDENTITY) for inner in draft.init[max(i - len(names), 0) : i]]
        if len(names) < 2 or "" in names or names != absent:
            continue
        kept = _kept(draft, statement.test)
        forward = None if kept is None else _forward(draft.forward, names, kept[1])
        if kept is not None and forward is not None:
            draft.init[i - len(names) : i] = kept[0]
            draft.forward = forward
            _call_together(draft)
            return


def _attribute(statement: Statement, value: Expr | None = None) -> str:
    """The attribute that a statement makes, of a value if one is given; else ""."""
    match statement:
        case Assign(target=Attribute(value=Name(id="self"), name=name), value=made):
            return name if value in (None, made) else ""
    return ""


def _kept(draft: Draft, test: Expr) -> tuple[list[Statement], Expr] | None:
    """What forward asks for a condition, and the statements that keep what it reads."""
    names = sorted(free_names(test))
    given = {argument.name for argument in draft.all_arguments()}
    taken = {n.name for n in walk(*draft.init, *draft.forward) if isinstance(n, Attribute)}
    if not set(names) <= given - taken:
        return None

    def kept(node: Node) -> Node | None:
        return dotted(f"self.{node.id}") if isinstance(node, Name) else None

    found: list[Statement] = [Assign(dotted(f"self.{name}"), Name(name)) for name in names]
    return found, rebuild(test, kept)  # type: ignore[return-value]  # an expression stays one


def _forward(
    forward: Sequence[Statement], names: Sequence[str], test: Expr
) -> list[Statement] | None:
    """Forward with the calls of these modules under a condition; None where they are not alone."""
    calls = [i for i, s in enumerate(forward) if any(_calls(node, names) for node in walk(s))]
    if not calls or calls[-1] - calls[0] >= len(calls):
        return None
    *before, last = (forward[i] for i in calls)
    variable = _read(last, names)
    if variable is None or any(_variable(statement) != variable for statement in before):
        return None
    made: Expr = variable
    for statement in before:
        if isinstance(statement, Assign):
            made = substituted(statement.value, {variable.id: made})
    for called in walk(last):
        whole = _exchanged(called, variable, made)
        if _chain(whole, variable) == list(names):
            rest = _exchanged(last, called, variable)
            after = [] if rest == Assign(variable, variable) else [rest]
            body = (Assign(variable, whole),)  # type: ignore[arg-type]  # a chain of calls
            return [*forward[: calls[0]], If(test, body), *after, *forward[calls[-1] + 1 :]]  # type: ignore[list-item]  # a statement stays one
    return None


def _exchanged(node: Node, part: Node, other: Node) -> Node:
    return rebuild(node, lambda found: other if found == part else None)


def _read(statement: Statement, names: Sequence[str]) -> Name | None:
    """The variable that a call of one of these modules reads, and nothing else in a statement."""
    for node in walk(statement):
        match node:
            case Call(function=function, arguments=(Name() as read,)) if _calls(function, names):
                made = [statement.target] if isinstance(statement, Assign) else []
                others = [n for n in walk(statement) if n == read]
                return read if len(others) - made.count(read) == 1 else None
    return None


def _variable(statement: Statement) -> Name | None:
    """The variable that a statement makes, if that is all it does."""
    match statement:
        case Assign(target=Name() as target, annotation=None):
            return target
    return None


def _calls(node: Node, names: Sequence[str]) -> bool:
    match node:
        case Attribute(value=Name(id="self"), name=name):
            return name in names
    return False


def _chain(made: Node, variable: Expr) -> list[str] | None:
    """The modules that are called on a variable, one after the other."""
    names: list[str] = []
    while isinstance(made, Call):
        match made:
            case Call(function=Attribute(value=Name(id="self"), name=name), arguments=(inner,)):
                names.insert(0, name)
                made = inner
            case _:
                return None
    return names if made == variable else None
