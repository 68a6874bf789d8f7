"""Arguments of a class that are the same in every use, as one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from archspec.targets.python.tree import (
    Assign,
    Call,
    Expr,
    For,
    Generator,
    Keyword,
    Literal,
    Name,
    Node,
    Starred,
    children,
    names_in,
    rebuild,
    walk,
)
from archspec.targets.torch.rows.drafts import Draft
from archspec.targets.torch.rows.unit import Argument

_CHANNELS = "in_channels"
FEWEST = 2
"""Of numbers that are the same once nobody knows whether they have to be."""


@dataclass
class _Uses:
    """The calls of a class, and how often it is named elsewhere."""

    calls: list[Call] = field(default_factory=list)
    repeated: int = 0
    others: int = 0


def take_out_equal(drafts: Sequence[Draft], handed_on: frozenset[str]) -> None:
    """Take the arguments out of classes that are always given what `in_channels` is.

    The last draft is the network's own class; classes that are `handed_on` by name stay.
    """
    named = _Named(drafts)
    others = [draft for draft in drafts[:-1] if draft.name not in handed_on]
    while sum(_takes_out(draft, named) for draft in others):  # one may let another
        pass


class _Named:
    """Where the classes of a module are named, and how: each draft is gone through once."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.drafts = {draft.name: draft for draft in drafts}
        self.found = {draft.name: self._found(draft) for draft in drafts}
        self.users: dict[str, list[str]] = {}  # the drafts that name a class
        for user, uses in self.found.items():
            for name in uses:
                self.users.setdefault(name, []).append(user)

    def uses(self, name: str) -> _Uses:
        """All that drafts make of a class."""
        together = _Uses()
        for user in self.users.get(name, ()):
            uses = self.found[user].get(name, _Uses())
            together.calls += uses.calls
            together.repeated += uses.repeated
            together.others += uses.others
        return together

    def changed(self, draft: Draft) -> None:
        """Go through a draft again, which names no other classes than before."""
        self.found[draft.name] = self._found(draft)

    def _found(self, draft: Draft) -> dict[str, _Uses]:
        found: dict[str, _Uses] = {}
        for statement in (*draft.init, *draft.methods):
            _collect(statement, self.drafts.keys(), found, again=False)
        annotations = (argument.annotation for argument in draft.arguments)
        defaults = (a.default for a in draft.arguments if a.default is not None)
        for name in names_in(*annotations, *defaults) & self.drafts.keys():
            found.setdefault(name, _Uses()).others += 1
        return found


def _takes_out(draft: Draft, named: _Named) -> bool:
    """Whether an argument was taken out: as many are as can be."""
    taken = False
    while _takes_one_out(draft, named):
        taken = True
    return taken


def _takes_one_out(draft: Draft, named: _Named) -> bool:
    if not draft.takes_channels or draft.also:
        return False
    uses = named.uses(draft.name)
    if uses.others or not uses.calls or _CHANNELS in _bound(draft):
        return False
    for argument in draft.arguments:
        if _is_channels(draft, argument, uses) and argument.name not in _bound(draft):
            _take_out(draft, argument, named)
            return True
    return False


def _collect(node: Node, names: Collection[str], found: dict[str, _Uses], *, again: bool) -> None:
    again = again or isinstance(node, For | Generator)
    match node:
        case Name(id=name):
            if name in names:
                found.setdefault(name, _Uses()).others += 1
        case Call(function=Name(id="isinstance")):
            pass
        case Call(function=Name(id=name), arguments=arguments) if name in names:
            uses = found.setdefault(name, _Uses())
            uses.calls.append(node)
            uses.repeated += again
            for argument in arguments:
                _collect(argument, names, found, again=again)
        case _:
            for child in children(node):
                _collect(child, names, found, again=again)


def _bound(draft: Draft) -> frozenset[str]:
    """The names that the constructor binds itself, and its methods, which have their own."""
    found: set[str] = {p.name for method in draft.methods for p in method.parameters}
    for node in walk(*draft.init):
        if isinstance(node, For | Generator):
            found |= names_in(node.target)
        elif isinstance(node, Assign) and isinstance(node.target, Name):
            found.add(node.target.id)
    return frozenset(found)


def _is_channels(draft: Draft, argument: Argument, uses: _Uses) -> bool:
    """Whether every use gives the same for an argument as for the channels that arrive."""
    pairs = [_given(draft, argument, call) for call in uses.calls]
    if not all(first == second and first is not None for first, second in pairs):
        return False
    counted = len(pairs) >= FEWEST or uses.repeated
    return bool(counted) or not any(isinstance(first, Literal) for first, _ in pairs)


def _given(draft: Draft, argument: Argument, call: Call) -> tuple[Expr | None, Expr | None]:
    """What a call gives for the channels, and for an argument."""
    named = {a.name: a.value for a in call.arguments if isinstance(a, Keyword)}
    places = [a for a in call.arguments if not isinstance(a, Keyword)]
    if any(isinstance(a, Starred) for a in places) or not places:
        return None, None
    at = _place(draft, argument)
    second = places[at] if at < len(places) else named.get(argument.name)
    return places[0], second  # type: ignore[return-value]  # no stars are among them


def _place(draft: Draft, argument: Argument) -> int:
    """Where an argument stands among those that may be given by position."""
    names = [a.name for a in draft.all_arguments() if not a.is_flag]
    return names.index(argument.name) if argument.name in names else len(names)


def _take_out(draft: Draft, argument: Argument, named: _Named) -> None:
    """One argument fewer, in the class and wherever it is used."""
    at = _place(draft, argument)

    def shorter(node: Node) -> Node | None:
        if not (isinstance(node, Call) and node.function == Name(draft.name)):
            return None
        kept = tuple(
            rebuild(part, shorter)
            for i, part in enumerate(node.arguments)  # what has a name stands behind what has none
            if (part.name != argument.name if isinstance(part, Keyword) else i != at)
        )
        return Call(node.function, kept, spread=node.spread)  # type: ignore[arg-type]  # as before

    users = [named.drafts[name] for name in named.users.get(draft.name, ())]
    for other in users:
        other.init = [rebuild(statement, shorter) for statement in other.init]  # type: ignore[misc]  # a statement stays one
        other.methods = tuple(rebuild(method, shorter) for method in other.methods)  # type: ignore[misc]  # the same

    def as_channels(node: Node) -> Node | None:
        return Name(_CHANNELS) if node == Name(argument.name) else None

    draft.init = [rebuild(statement, as_channels) for statement in draft.init]  # type: ignore[misc]  # the same
    draft.arguments = tuple(a for a in draft.arguments if a is not argument)
    for changed in (draft, *users):
        named.changed(changed)
