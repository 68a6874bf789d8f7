"""The arithmetic behind the table, layer by layer, with the numbers in it."""

from collections.abc import Iterable, Iterator

from archspec.analysis import receptive_field
from archspec.analysis.receptive_field import ReceptiveField
from archspec.analysis.results import Results
from archspec.diagnostics import Fault
from archspec.graph.network import INPUT, Network, Node
from archspec.ops import Text
from archspec.report import figures
from archspec.report.page import Page, columns, pad

_LABEL = 13


def select(network: Network, layer: str) -> tuple[Node, ...]:
    """The nodes that `layer` names: one by its path, all of a group by the group's, all by "".

    Empty when there is no such layer.
    """
    if not layer:
        return network.nodes
    inside = f"{layer}."
    return tuple(n for n in network.nodes if n.path == layer or n.path.startswith(inside))


def closest(networks: Iterable[Network], layer: str) -> str:
    """What to say to somebody who asked for a layer that is not there."""
    from difflib import get_close_matches  # only a typo needs it

    paths: dict[str, None] = {}
    for network in networks:
        for node in network.nodes:
            parts = node.path.split(".")
            for end in range(1, len(parts) + 1):
                paths[".".join(parts[:end])] = None
    close = get_close_matches(layer, paths, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    known = list(paths)[:8]
    return f"there are {', '.join(known)}{', …' if len(paths) > len(known) else ''}"


def write_explanations(
    page: Page, network: Network, results: Results, layers: Iterable[str]
) -> None:
    """Write for each node of `layers` what gives its output, parameters, MACs and field."""
    first = True
    for layer in layers:
        nodes = select(network, layer)
        if not nodes:
            page.write(page.paint(page.clean(f"no layer `{layer}` here"), "dim"))
        for node in nodes:
            if not first:
                page.write()
            first = False
            _write_node(page, network, results, node)


def _write_node(page: Page, network: Network, results: Results, node: Node) -> None:
    arriving, output = network.shape_of(node.inputs[0]), network.shapes[node.index]
    path = page.paint(page.clean(node.path), "bold")
    flow = f"{figures.shape(arriving)} {page.arrow} {figures.shape(output)}"
    page.write(f"{path}  {page.clean(node.op_name)}  {flow}")
    shown = ""
    for text in explain(network, results, node):
        label = "" if text.what == shown else text.what
        first, *more = _formula(page, page.clean(text.how), _LABEL + 2)
        page.write(f"  {page.paint(pad(label, _LABEL), 'dim')}{first}")
        for line in more:
            page.write(line)
        shown = text.what


def _formula(page: Page, text: str, indent: int) -> list[str]:
    """A formula on one line, or else its letters on one and its numbers on the next."""
    if page.width is None or indent + columns(text) <= page.width:
        return [text]
    name, *parts = text.split(" = ")
    if not parts or ";" in text:  # a sentence, or several
        return page.wrap(text, indent, indent)
    letters = f"{name} = {parts.pop(0)}" if len(parts) > 2 else name
    under = indent + (len(name) + 1 if letters != name else 2)
    numbers = f"{' ' * under}= {' = '.join(parts)}"
    return [letters, *page.wrap(numbers, 0, under + 2)]


def explain(network: Network, results: Results, node: Node) -> Iterator[Text]:
    """Every step of a node's arithmetic, and where it cannot go on."""
    arriving = network.shape_of(node.inputs[0])
    if node.op is None:
        yield Text("unknown", "this row has errors")
        return
    if arriving is None:
        yield Text("unknown", "what arrives is unknown, because of the errors before it")
        return
    try:
        yield from node.op.explain_output(arriving)
    except Fault:
        yield Text("unknown", "this row has errors")
        return
    if network.shapes[node.index] is None:
        return
    held = results.parameters[node.index]
    explained = tuple(node.op.explain_params(arriving))
    yield from explained
    if held is not None and not held.trainable and not explained:
        yield Text("parameters", "0")
    yield from node.op.explain_macs(arriving)
    before = ReceptiveField() if node.inputs[0] == INPUT else results.fields[node.inputs[0]]
    if before is not None:
        yield from receptive_field.explain(before, node.op.view(arriving))
