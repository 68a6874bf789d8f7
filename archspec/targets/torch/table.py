"""The layer table in a module's docstring."""

from collections.abc import Iterator, Sequence

from archspec.analysis.results import Results
from archspec.graph.network import Network, Node, Scope
from archspec.ops import show
from archspec.ops.fields import Pair
from archspec.ops.sliding import Sliding
from archspec.targets.python.printer import WIDTH
from archspec.targets.torch.names import commas
from archspec.targets.torch.rows.facts import Member

HEADER = ("layer", "op", "kernel", "stride", "padding", "output", "params")
LEFT = 2
"""How many columns are aligned to the left: the others hold numbers."""
SHORTEST_PATH = 12


def layer_table(network: Network, results: Results) -> list[str]:
    """Aligned lines of at most `WIDTH` columns: one a step, under a header, above the total."""
    rows = _few(list(_rows(network, results)))
    total = results.whole.num_params
    assert total is not None
    last = ("total", *[""] * (len(HEADER) - 2), commas(total))
    columns = [
        column for column in zip(HEADER, *rows, last, strict=True) if any(map(str, column[1:]))
    ]
    widths = [max(map(len, column)) for column in columns]
    spare = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(spare, SHORTEST_PATH))
    lines = [_line(cells, widths) for cells in zip(*columns, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


MOST_LINES = 200
"""A table that is longer still shows its beginning and its end."""


def _few(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows, of too many the first and the last ones."""
    if len(rows) <= MOST_LINES:
        return rows
    half = MOST_LINES // 2
    between = f"… {commas(len(rows) - 2 * half)} more"
    return [*rows[:half], (between, *[""] * (len(HEADER) - 1)), *rows[-half:]]


MOST_ROWS = 60
"""A longer table has a row for each step of the network's own body instead of each layer."""


def _rows(network: Network, results: Results) -> Iterator[tuple[str, ...]]:
    """A row for each layer, or for each part of a long network."""
    short = len(network.nodes) <= MOST_ROWS
    for child in network.nodes if short else _parts(network.root):
        if isinstance(child, Node):
            yield _row(network, results, child)
            continue
        totals = results.totals(child.nodes())
        output = network.shape_of(child.output)
        params = commas(totals.num_params) if totals.num_params else ""
        yield (child.path, _what(child), "", "", "", show(output or ()), params)


def _parts(root: Scope) -> Iterator[Scope | Node]:
    """The children of the network, those of its groups among them while there are few."""
    children = list(root.children)
    while len(children) < MOST_ROWS // 4:
        groups = [c for c in children if isinstance(c, Scope) and c.kind == "group"]
        if not groups:
            break
        opened: list[Scope | Node] = []
        for child in children:
            opened += child.children if child in groups else [child]
        children = opened
    yield from children


def _what(scope: Scope) -> str:
    """`3 × Bottleneck`."""
    if scope.block is not None:
        return scope.block.name
    kinds = {c.block.name if isinstance(c, Scope) and c.block else "" for c in scope.children}
    name = kinds.pop() if len(kinds) == 1 else ""
    return f"{len(scope.children)} × {name}" if name else f"{len(scope.children)} steps"


def family_table(members: Sequence[Member]) -> list[str]:
    """Aligned lines: one a member of a family, with its figures."""
    header = ("variant", "layers", "params", "MACs", "output")
    rows: list[tuple[str, ...]] = [header]
    for member in members:
        totals = member.results.whole
        output = member.network.shape_of(member.network.output)
        counts = (totals.weighted_layers, totals.num_params, totals.macs)
        shown = ["unknown" if n is None else commas(n) for n in counts]
        rows.append((member.name, *shown, show(output or ())))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    text = [_line_of(row, widths) for row in rows]
    return [text[0], rule, *text[1:]]


def _line_of(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _row(network: Network, results: Results, node: Node) -> tuple[str, ...]:
    output, held = network.shape_of(node.output), results.parameters[node.index]
    assert output is not None
    assert held is not None
    params = commas(held.trainable) if held.trainable else ""
    return (node.path, node.op_name, *_window(node), show(output), params)


def _window(node: Node) -> tuple[str, str, str]:
    op = node.op
    if not isinstance(op, Sliding):
        return "", "", ""
    return _pair(op.kernel_size), _pair(op.strides), "".join(_padding(op))


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else show(pair)


def _padding(op: Sliding) -> Iterator[str]:
    if isinstance(op.padding, str):
        yield op.padding
        return
    height, width = op.padding
    yield _ends(height)
    if width != height:
        yield f"×{_ends(width)}"


def _ends(ends: Pair) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"[{ends[0]}, {ends[1]}]"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = cells
    if len(first) > widths[0]:
        first = f"…{first[len(first) - widths[0] + 1 :]}"  # the end of a path tells more
    aligned = [
        cell.ljust(width) if i < LEFT else cell.rjust(width)
        for i, (cell, width) in enumerate(zip([first, *rest], widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()
