"""The first, or the last, of repeated modules written apart where it is another one."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from archspec.targets.python.arithmetic import rebuild_children, simplify
from archspec.targets.python.tree import (
    Argument as CallArgument,
)
from archspec.targets.python.tree import (
    Binary,
    Call,
    Compare,
    Expr,
    Generator,
    Keyword,
    Literal,
    Name,
    Node,
    Starred,
    Statement,
    rebuild,
    walk,
)
from archspec.targets.torch.rows.alike import SEQUENTIAL

Defaults: TypeAlias = Callable[[Expr], Mapping[str, Expr]]
"""The defaults of the class of ours that an expression stands for, by the arguments' names."""

_ZERO = Literal(0)


def apart(body: Sequence[Statement], defaults: Defaults, fewest: int) -> list[Statement]:
    """`Block(64, 128, stride=2), *[Block(128, 128) for _ in range(depth - 1)]`.

    That is what becomes of `*[Block(64 if i == 0 else 128, …) for i in range(depth)]`, in calls
    that take as many as there are. Each is repeated `fewest` times, at least.
    """

    def replaced(node: Node) -> Node | None:
        if not isinstance(node, Call) or not any(map(_repeated, node.arguments)):
            return None
        items = [part for argument in node.arguments for part in _parts(argument, defaults, fewest)]
        if len(items) == len(node.arguments):
            return None
        return Call(node.function, tuple(items), spread=True)

    return [rebuild(statement, replaced) for statement in body]  # type: ignore[misc]  # it stays one


def _repeated(argument: CallArgument) -> Generator | None:
    """The loop of an argument that is `*(…(…) for i in range(times))`."""
    match argument:
        case Starred(
            value=Generator(
                element=Call(),
                target=Name(),
                iterable=Call(function=Name(id="range"), arguments=(times,)),
            ) as loop
        ) if not isinstance(times, Keyword | Starred):
            return loop
    return None


def _parts(argument: CallArgument, defaults: Defaults, fewest: int) -> list[CallArgument]:
    """Repeated modules as the first, those between and the last; or as they are."""
    loop = _repeated(argument)
    if loop is None or not isinstance(loop.iterable, Call):
        return [argument]
    (times,) = loop.iterable.arguments
    ends = (_ZERO, _fewer(times, 1))
    apart = [place for place in ends if _asks(loop, place)]
    if not apart or len(apart) > fewest:
        return [argument]
    between = _at(None, loop, apart, defaults)
    if loop.target in walk(between):
        return [argument]
    first, last = ([_at(p, loop, apart, defaults)] if p in apart else [] for p in ends)
    return [*first, *_several(between, _fewer(times, len(apart))), *last]


def _fewer(times: CallArgument, count: int) -> Expr:
    return simplify(Binary(times, "-", Literal(count)))  # type: ignore[arg-type]  # an expression


def _several(made: Call, times: Expr) -> list[CallArgument]:
    if times in (Literal(0), Literal(1)):
        return [made] if times == Literal(1) else []
    return [Starred(Generator(made, Name("_"), Call(Name("range"), (times,))))]


def _asks(loop: Generator, place: Expr) -> bool:
    """Whether one module of a loop asks if it is at a place."""
    whole = isinstance(loop.element, Call) and loop.element.function != SEQUENTIAL
    return whole and any(_is_at(n, loop.target, place) is not None for n in walk(loop.element))


def _at(place: Expr | None, loop: Generator, ends: Sequence[Expr], defaults: Defaults) -> Call:
    """The module of a loop at one of its ends, or between them."""

    def told(node: Node) -> Node | None:
        for end in ends:
            found = _is_at(node, loop.target, end)
            if found is not None:
                return Literal(found is (end == place))
        return place if node == loop.target else None

    return _plain(rebuild(loop.element, told), defaults)


def _is_at(node: Node, index: Expr, place: Expr) -> bool | None:
    """Whether a node is true at a place and nowhere else; False for the contrary, else None."""
    match node:
        case Compare(operands=(left, right), ops=("==",)) if (left, right) == (index, place):
            return True
        case Compare(operands=(left, right), ops=(("!=" | ">") as op,)) if left == index:
            return False if right == place and (op == "!=" or place == _ZERO) else None
    return None


def _plain(made: Node, defaults: Defaults) -> Call:
    """A call, simplified, without arguments that are what they are by default."""
    call = simplify(made)  # type: ignore[arg-type]  # a call
    assert isinstance(call, Call)

    def plain(node: Expr) -> Expr:
        return _plain(node, defaults) if isinstance(node, Call) else node

    function = simplify(call.function)
    known = defaults(function)
    kept = tuple(
        argument
        for argument in call.arguments
        if not isinstance(argument, Keyword) or known.get(argument.name) != argument.value
    )
    return rebuild_children(Call(function, kept, spread=call.spread), plain)  # type: ignore[return-value]  # a call
