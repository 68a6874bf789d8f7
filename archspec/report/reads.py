"""What a row reads, where that is not the row above it."""

from collections.abc import Sequence

from archspec.graph.network import INPUT, Network, Node, Scope
from archspec.report.page import Page

INPUT_NAME = "input"
"""What a body calls what arrives at it; no step may have that name."""
_MOST_NAMED = 5


def output_of(item: Scope | Node) -> int:
    """The node whose output leaves an item."""
    return item.index if isinstance(item, Node) else item.output


def inputs_of(item: Scope | Node) -> tuple[int, ...]:
    """The nodes whose outputs an item reads."""
    return item.inputs if isinstance(item, Node) else (item.source,)


class Reading:
    """Names what the rows of a network read, by the names that their bodies know."""

    def __init__(self, page: Page, network: Network) -> None:
        self._page = page
        self._network = network
        self._names: dict[str, dict[int, str]] = {}

    def note(self, item: Scope | Node, body: Scope, before: int) -> str:
        """`← bn3, downsample`; nothing for a row that just reads what the row `before` gives."""
        inputs = inputs_of(item)
        if inputs == (before,):
            return ""
        names = self.names(inputs, body)
        if len(names) > _MOST_NAMED:
            names = [*names[:2], self._page.ellipsis, f"{names[-1]} ({len(names)})"]
        return f"{self._page.back_arrow} {', '.join(names)}"

    def names(self, inputs: Sequence[int], body: Scope) -> list[str]:
        """What the steps of a body call the nodes they read."""
        if body.path not in self._names:
            self._names[body.path] = _names(body)
        known = self._names[body.path]
        return [self._page.clean(known.get(i) or self._path(i)) for i in inputs]

    def _path(self, index: int) -> str:
        return INPUT_NAME if index == INPUT else self._network.nodes[index].path


def _names(body: Scope) -> dict[int, str]:
    names = {body.source: INPUT_NAME}
    for item in body.children:
        name = item.name
        if isinstance(item, Node) and item.role and item.named:
            name = name.removesuffix(f"_{item.role}")  # a row's name stands for all it carries
        names.setdefault(output_of(item), name)
    return names
