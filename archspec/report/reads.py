"""What a row reads, where that is not the row above it."""

from collections.abc import Sequence

from archspec.graph.network import INPUT_NAME, Network, Node, Scope, Value
from archspec.report.page import Page

_MOST_NAMED = 5


def _places(names: Sequence[str]) -> list[int]:
    """How often each of the names stands before it."""
    return [names[:i].count(name) for i, name in enumerate(names)]


def inputs_of(item: Scope | Node) -> tuple[Value, ...]:
    """The values that an item reads."""
    return item.inputs if isinstance(item, Node) else item.sources


class Reading:
    """Names what the rows of a network read, by the names that their bodies know."""

    def __init__(self, page: Page, network: Network) -> None:
        self._page = page
        self._network = network
        self._names: dict[str, dict[Value, str]] = {}

    def note(self, item: Scope | Node, body: Scope, before: Value) -> str:
        """`← bn3, downsample`; nothing for a row that just reads what the row `before` gives."""
        inputs = inputs_of(item)
        if inputs == (before,):
            return ""
        count = len(inputs)
        shown = inputs if count <= _MOST_NAMED else (*inputs[:2], inputs[-1])
        names = self.names(shown, body)
        if count > _MOST_NAMED:
            names = [*names[:2], self._page.ellipsis, f"{names[-1]} ({count})"]
        return f"{self._page.back_arrow} {', '.join(names)}"

    def names(self, inputs: Sequence[Value], body: Scope) -> list[str]:
        """What the steps of a body call the nodes they read."""
        if body.path not in self._names:
            self._names[body.path] = _names(body)
        known = self._names[body.path]
        return [self._page.clean(known.get(i) or self._network.name_of(i)) for i in inputs]


def _names(body: Scope) -> dict[Value, str]:
    names: dict[Value, str] = {}
    if body.given:  # a block that names what arrives
        lists = body.block.lists if body.block is not None else frozenset()
        for value, name, place in zip(body.sources, body.given, _places(body.given), strict=True):
            names.setdefault(value, f"{name}.{place}" if name in lists else name)
    elif body.kind != "repeat":  # its places read what stands around it
        names = dict.fromkeys(body.sources, INPUT_NAME)
    for item in body.children:
        name = item.name
        if isinstance(item, Node) and item.role and item.named:
            name = name.removesuffix(f"_{item.role}")  # a row's name stands for all it carries
        names.setdefault(item.output, name)
    return names
