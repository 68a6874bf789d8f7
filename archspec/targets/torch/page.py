"""A module's page: everything the template shows, put together."""

import re
from collections.abc import Sequence
from functools import cache
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from archspec.graph.network import Network
from archspec.ops import Shape, thousands
from archspec.resources import folder
from archspec.targets.torch.classes import Classes, ClassText
from archspec.targets.torch.facts import Facts, Member
from archspec.targets.torch.layout import (
    INDENT,
    WIDTH,
    Bracketed,
    Expr,
    Keyword,
    flat,
    lines,
    tuple_of,
)
from archspec.targets.torch.names import class_name, prose, sentence, usable_argument
from archspec.targets.torch.padding import leaps
from archspec.targets.torch.table import family_table, layer_table
from archspec.targets.torch.unit import OPTIONAL, Argument

if TYPE_CHECKING:
    from jinja2 import Environment

# Helper → what it needs itself. A module defines those it uses, in this order.
HELPERS: dict[str, tuple[str, ...]] = {
    "_make_divisible": (),
    "_same_padding": (),
    "_windows_inside": (),
    "_average_of_input": (),
    "PaddedConv2d": (),
    "Conv2dSame": ("_same_padding",),
    "PaddedMaxPool2d": ("_windows_inside",),
    "MaxPool2dSame": ("_same_padding",),
    "PaddedAvgPool2d": ("_windows_inside", "_average_of_input"),
    "AvgPool2dSame": ("_same_padding", "_average_of_input"),
    "PartialConv2d": (),
    "ScaledAvgPool2d": (),
    "ScaledTanh": (),
    "RBF": (),
    "LayerNorm2d": (),
    "StochasticDepth": (),
    "Permute": (),
    "Mean": (),
    "Chunk": (),
    "Slice": (),
}
WITHOUT_F = frozenset(HELPERS) - {
    "_average_of_input",
    "PaddedConv2d",
    "Conv2dSame",
    "PaddedMaxPool2d",
    "MaxPool2dSame",
    "PaddedAvgPool2d",
    "AvgPool2dSame",
    "PartialConv2d",
    "LayerNorm2d",
    "ScaledAvgPool2d",
}

LONGEST_NAME = 60


class Function(NamedTuple):
    """A function that makes one member of a family."""

    name: str
    signature: list[str]
    docstring: str
    body: list[str]


def write_module(members: Sequence[Member], family: str | None = None) -> str:
    """The source of a module for networks without errors.

    One network is a class; the members of a family, called `family`, are one class and a function
    each.
    """
    facts = Facts(members)
    taken = frozenset(HELPERS) | {member.name for member in members if family}
    name = class_name(family or members[0].network.spec.name, taken)
    classes = Classes(facts, taken | {name})
    network = classes.network(name)
    network.docstring = _class_docstring(members, family)
    written = [*classes.blocks.values(), network]
    functions = [_function(classes, network, member) for member in members] if family else []
    helpers = _helpers(written, functions)
    return (
        _environment()
        .get_template("old.py.jinja")
        .render(
            docstring=_module_docstring(members, family),
            imports=_imports(written, helpers),
            exported=_exported(network, functions),
            constants=_constants(members, family),
            helpers=helpers,
            clamped=any(leaps(node.op) for m in members for node in m.network.nodes),
            classes=[_shown(text) for text in written],
            functions=functions,
        )
    )


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder("templates") / "torch"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it is Python, not HTML; `names` makes texts harmless
    )


def _shown(text: ClassText) -> dict[str, object]:
    """What the template shows of a class."""
    arguments = list(text.arguments)
    if text.takes_channels:
        arguments.insert(0, Argument("in_channels", "int"))
    return {
        "name": text.name,
        "base": text.base,
        "docstring": _docstring(text.docstring, text.title),
        "outputs": text.outputs,
        "training_only": text.returns.startswith("torch.Tensor"),
        "signature": _signature(arguments),
        "signature_needed": bool(arguments),
        "init": text.init,
        "forward": text.forward,
        "returns": text.returns,
    }


def _docstring(text: str, title: str = "") -> str:
    """A class's docstring; one that is longer than a line stands below a `title`."""
    words = sentence(text[:1].upper() + text[1:])
    if len(words) <= WIDTH - INDENT - 6:
        return words
    rest = wrap(words, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False)
    indent = " " * INDENT
    return "\n".join([sentence(title), "", *(indent + line for line in rest), indent])


def _helpers(written: Sequence[ClassText], functions: Sequence[Function]) -> list[str]:
    text = "\n".join(line for cls in written for line in [*cls.init, *cls.forward])
    text += "\n".join(line for function in functions for line in function.body)
    names = set(re.findall(r"\b[A-Za-z_]\w*", text))
    needed = names & HELPERS.keys()
    needed.update(*(HELPERS[name] for name in list(needed)))
    return [name for name in HELPERS if name in needed]


def _imports(written: Sequence[ClassText], helpers: list[str]) -> list[list[str]]:
    """Import statements in two groups: the standard library's and torch's."""
    standard = []
    heads: set[str] = set().union(*(cls.heads for cls in written))
    lines_ = "\n".join(line for cls in written for line in [*cls.init, *cls.forward])
    if re.search(r"\bmath\.", lines_):
        standard.append("import math")
    if "OrderedDict" in heads:
        standard.append("from collections import OrderedDict")
    if any(cls.outputs for cls in written):
        standard.append("from typing import NamedTuple")
    torch = ["import torch"] if "torch." in lines_ or helpers or _has_forward(written) else []
    if re.search(r"\bF\.", lines_) or set(helpers) - WITHOUT_F:
        torch.append("import torch.nn.functional as F")
    return [group for group in (standard, [*torch, "from torch import nn"]) if group]


def _has_forward(written: Sequence[ClassText]) -> bool:
    """Whether a class has a method whose signature names tensors."""
    return any(cls.forward or cls.outputs for cls in written)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """The order of people, `resnet18` before `resnet152`."""
    parts = re.findall(r"\d+|\D+", name)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _exported(network: ClassText, functions: Sequence[Function]) -> list[str]:
    """`__all__`: the network's class first, then the functions of a family."""
    names = [network.name, *sorted((f.name for f in functions), key=_natural)]
    quoted = tuple(f'"{name}"' for name in names)
    return list(lines("__all__ = ", Bracketed("", quoted, "[]"), 0))


def _constants(members: Sequence[Member], family: str | None) -> list[str]:
    """`INPUT_SHAPE`, and by name where the members differ."""
    shapes = {member.name: _sizes(member.network) for member in members}
    first = next(iter(shapes.values()))
    written = [f"INPUT_SHAPE = {flat(first)}"]
    if family and len(set(shapes.values())) > 1:
        items = tuple(f'"{name}": {flat(shape)}' for name, shape in shapes.items())
        written += lines("INPUT_SHAPES = ", Bracketed("", items, "{}", spread=True), 0)
    return written


def _sizes(network: Network) -> Bracketed:
    assert network.input_shape is not None
    return tuple_of(*map(str, network.input_shape))


def _module_docstring(members: Sequence[Member], family: str | None) -> str:
    """Name and figures, description, source, table; every line fits."""
    spec = members[0].network.spec
    if family and spec.family is not None:
        spec = spec.family
    if family:
        names = f"{_short_name(family)}: a family of {len(members)} networks"
        paragraphs = [sentence(names)]
        table = family_table(members)
    else:
        figures = _figures(members[0])
        paragraphs = [sentence(f"{_short_name(spec.name)}: {figures}")]
        if len(paragraphs[0]) > WIDTH - INDENT:
            paragraphs = [sentence(_short_name(spec.name)), _filled(figures)]
        table = layer_table(members[0].network, members[0].results)
    if spec.description and prose(spec.description):
        paragraphs.append(_filled(spec.description))
    if spec.source and prose(spec.source):
        paragraphs.append(_filled(f"Source: {spec.source}"))
    paragraphs.append("\n".join(table))
    paragraphs.append("Generated by archspec: change the spec, not this file.")
    return "\n\n".join(paragraphs)


def _figures(member: Member, *, layers: bool = True) -> str:
    totals = member.results.totals(member.network.nodes)
    counted = [f"{totals.weighted_layers} weighted layers"] if layers else []
    if totals.num_params is not None:
        counted.append(f"{thousands(totals.num_params)} parameters")
    counted.append("MACs unknown" if totals.macs is None else f"{thousands(totals.macs)} MACs")
    return ", ".join(counted)


def _filled(text: str) -> str:
    return "\n".join(wrap(sentence(text), WIDTH, break_long_words=False, break_on_hyphens=False))


def _short_name(name: str, room: int = LONGEST_NAME) -> str:
    text = prose(name) or "unnamed"
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _class_docstring(members: Sequence[Member], family: str | None) -> str:
    network = members[0].network
    assert network.input_shape is not None
    if family:
        return f"The networks of the family {_short_name(family)}"
    arriving, leaving = _batch(network.input_shape), _batch(network.shape_of(network.output))
    shapes = f": {arriving} → {leaving}"
    room = WIDTH - INDENT - len('"""."""') - len(shapes)
    return _short_name(network.spec.name, max(12, min(room, LONGEST_NAME))) + shapes


def _batch(shape: Shape | None) -> str:
    assert shape is not None
    return f"(N, {', '.join(map(str, shape))})"


def _signature(arguments: Sequence[Argument]) -> list[str]:
    """The constructor's `def` line or lines; truth values are passed by name only."""
    items = _parameters(arguments, "self")
    return list(lines("def ", Bracketed("__init__", tuple(items)), INDENT, " -> None:"))


def _parameters(arguments: Sequence[Argument], *first: str) -> list[str]:
    parameters = [
        (a.annotation, f"{a.name}: {a.annotation}" + (f" = {a.default}" if a.default else ""))
        for a in arguments
    ]
    by_position = [text for annotation, text in parameters if annotation != "bool"]
    by_name = [text for annotation, text in parameters if annotation == "bool"]
    return [*first, *by_position, *(["*", *by_name] if by_name else [])]


def _function(classes: Classes, network: ClassText, member: Member) -> Function:
    """The function that makes a member: what it sets is fixed, the rest stays an argument."""
    unit = classes.plain_unit()
    varying = classes.facts.varying()
    stays = [a for a in network.arguments if a.key not in varying]
    items: list[Expr | Keyword] = []
    for argument in network.arguments:
        if argument.key in varying:
            value = member.network.vars[argument.key]
            missing = value is False and argument.annotation == OPTIONAL
            expr = "None" if missing else unit.table(value)
            if argument.default is None or flat(expr) != argument.default:
                items.append(Keyword(argument.name, expr))
        else:
            items.append(Keyword(argument.name, argument.name))
    name = member.name if usable_argument(member.name) else f"{member.name}_net"
    head = Bracketed(name, tuple(_parameters(stays)))
    return Function(
        name=name,
        signature=list(lines("def ", head, 0, f" -> {network.name}:")),
        docstring=_docstring(f"{_title(member)}: {_figures(member, layers=False)}"),
        body=list(lines("return ", Bracketed(network.name, tuple(items)), INDENT)),
    )


def _title(member: Member) -> str:
    """What a member is called: its own title, else its name."""
    variant = member.network.spec.variant
    return _short_name((variant.title if variant else None) or member.name)
