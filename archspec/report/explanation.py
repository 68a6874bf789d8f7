"""The arithmetic behind the table, layer by layer, with the numbers in it."""

from collections.abc import Iterable, Iterator, Sequence

from archspec.analysis.results import Results
from archspec.analysis.sums import Sums
from archspec.diagnostics import Fault
from archspec.graph.network import Network, Node, Scope
from archspec.ops import Shape, Text
from archspec.report import field_steps, figures
from archspec.report.field_steps import SEES
from archspec.report.folding import label
from archspec.report.meeting import explain_meeting
from archspec.report.page import Page, columns, pad
from archspec.report.reads import Reading, inputs_of
from archspec.report.rows import fields_at
from archspec.report.scopes import explain_scope

MOST_EXPLAINED = 2000
"""So many layers, groups and blocks are explained at most."""
_LABEL = 13
Item = Scope | Node


def select(network: Network, layer: str) -> tuple[Item, ...]:
    """What `layer` names, by its path, and everything in it; by "" all there is.

    Empty when there is no such layer.
    """
    if not layer:
        return tuple(network.root.walk())[1:]
    return tuple(
        inside
        for item in network.root.walk()
        if item.path == layer
        for inside in (item.walk() if isinstance(item, Scope) else (item,))
    )


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
    """Write for everything in `layers` what gives its output, parameters, MACs and field."""
    left = MOST_EXPLAINED
    sums = Sums(network, results)
    reading = Reading(page, network)
    bodies = {id(c): body for body in _scopes(network) for c in body.children}
    for layer in layers:
        items = select(network, layer)
        if not items:
            page.write(page.paint(page.clean(f"no layer `{layer}` here"), "dim"))
        for item in items[:left]:
            if left < MOST_EXPLAINED:
                page.write()
            left -= 1
            names = reading.names(inputs_of(item), bodies[id(item)])
            _write_item(page, sums, item, names)
        if len(items) > left == 0:
            told = f"the first {MOST_EXPLAINED} are explained; name the layer that is wanted"
            page.write(page.paint(told, "dim"))
            return


def _scopes(network: Network) -> Iterator[Scope]:
    return (item for item in network.root.walk() if isinstance(item, Scope))


def _write_item(page: Page, sums: Sums, item: Item, names: Sequence[str]) -> None:
    network, results = sums.network, sums.results
    path = page.paint(page.clean(item.path), "bold")
    if isinstance(item, Node):
        what, texts = item.op_name, explain(network, results, item, names)
    else:
        what, texts = label(item), explain_scope(sums, item)
    arriving = [figures.shape(network.shape_of(index)) for index in inputs_of(item)]
    flow = f"{', '.join(arriving)} {page.arrow} {figures.shape(network.shape_of(item.output))}"
    page.write("  ".join(part for part in (path, page.clean(what), flow) if part))
    shown = ""
    for text in texts:
        title = "" if text.what == shown else text.what
        how = page.clean(text.how)
        if isinstance(item, Scope):  # its sums are broken where the line ends
            first, *more = page.wrap(how, _LABEL + 2, _LABEL + 2)
        else:
            first, *more = _formula(page, how, _LABEL + 2)
        page.write(f"  {page.paint(pad(title, _LABEL), 'dim')}{first}")
        for line in more:
            page.write(line)
        shown = text.what


def _formula(page: Page, text: str, indent: int) -> list[str]:
    """A formula on one line, or else its letters on one and its numbers on the next."""
    if page.width is None or indent + columns(text) <= page.width:
        return [text]
    reads, sees, what = text.partition(SEES)
    if sees:  # what some units read and see
        return [f"{reads},", *page.wrap(f"{' ' * (indent + 2)}see {what}", 0, indent + 4)]
    name, *parts = text.split(" = ")
    if not parts or ";" in text:  # a sentence, or several
        return page.wrap(text, indent, indent)
    letters = f"{name} = {parts.pop(0)}" if len(parts) > 2 else name
    under = indent + (len(name) + 1 if letters != name else 2)
    numbers = f"{' ' * under}= {' = '.join(parts)}"
    return [letters, *page.wrap(numbers, 0, under + 2)]


def explain(network: Network, results: Results, node: Node, names: Sequence[str]) -> Iterator[Text]:
    """Every step of a node's arithmetic, and where it cannot go on; `names` are of its inputs."""
    arriving = network.arriving(node)
    if node.op is None:
        yield Text("unknown", "this row has errors")
        return
    if arriving is None:
        yield Text("unknown", "what arrives is unknown, because of the errors before it")
        return
    try:
        if node.op.arity == "several":
            node.op.infer(arriving)  # raises where they do not fit
            shapes = (f"{name} {figures.shape(s)}" for name, s in zip(names, arriving, strict=True))
            yield Text("inputs", ", ".join(shapes))
        yield from node.op.explain_output(arriving)
    except Fault:
        yield Text("unknown", "this row has errors")
        return
    if network.shapes[node.index] is None:
        yield Text("unknown", "this row has errors")
        return
    yield from _explain_counts(results, node, arriving)
    if len(node.inputs) > 1:
        yield from explain_meeting(results, node, names)
        return
    before, ungated = fields_at(results, node.inputs[0])
    after, ungated_after = fields_at(results, node.output)
    (view,) = node.op.views(arriving)
    if figures.is_gated(before, ungated) and ungated is not None and view != "global":
        yield Text("field", "global, through gates; without gates:")
        before, after = ungated, ungated_after
    if before is not None:
        yield from field_steps.explain(before, view, after)
    elif after is not None:
        yield from field_steps.explain_part(after)


def _explain_counts(results: Results, node: Node, arriving: Sequence[Shape]) -> Iterator[Text]:
    assert node.op is not None
    held = results.parameters[node.index]
    explained = tuple(node.op.explain_params(arriving))
    yield from explained
    if held is not None and not held.trainable and not explained:
        yield Text("parameters", "0")
    yield from node.op.explain_macs(arriving)
