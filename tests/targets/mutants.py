"""Code with one fault put in: random changes of a tree, such as a generator might make."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import TypeAlias

from archspec.targets.python import tree
from archspec.targets.python.tree import Class, Function, Name

Definitions: TypeAlias = tuple[Class | Function, ...]
Change: TypeAlias = tuple[tree.Node, tree.Node]
"""A node, and what is put in its place."""
Changes: TypeAlias = Callable[[Random, tree.Node, Sequence[tree.Node]], Iterator[Change]]

IN_PLACE = {
    "nn.ReLU",
    "nn.ReLU6",
    "nn.SiLU",
    "nn.Hardswish",
    "nn.LeakyReLU",
    "nn.Dropout",
    "nn.ELU",
}
IN_PLACE |= {"F.relu", "F.relu6", "F.silu", "F.hardswish", "F.leaky_relu", "F.dropout"}
KEYWORDS = ("stride", "padding", "dilation", "groups", "kernel_size", "eps", "momentum", "p", "dim")


def swap_arguments(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """`f(a, b)` becomes `f(b, a)`."""
    if isinstance(node, tree.Call):
        places = [i for i, a in enumerate(node.arguments) if not isinstance(a, tree.Keyword)]
        if len(places) > 1:
            i, j = rng.sample(places, 2)
            given = list(node.arguments)
            given[i], given[j] = given[j], given[i]
            yield node, replace(node, arguments=tuple(given))


def drop_argument(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """`f(a, b=1)` becomes `f(a)`."""
    if isinstance(node, tree.Call) and node.arguments:
        i = rng.randrange(len(node.arguments))
        yield node, replace(node, arguments=node.arguments[:i] + node.arguments[i + 1 :])


def swap_operands(_: Random, node: tree.Node, __: Sequence[tree.Node]) -> Iterator[Change]:
    """`a - b` becomes `b - a`."""
    if isinstance(node, tree.Binary):
        yield node, replace(node, left=node.right, right=node.left)


def change_operator(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """`a + b` becomes `a * b`, `==` becomes `!=`, `and` becomes `or`."""
    if isinstance(node, tree.Binary | tree.Augment):
        yield node, replace(node, op=rng.choice([op for op in "+-*" if op != node.op]))
    if isinstance(node, tree.Compare):
        yield node, replace(node, ops=("!=" if node.ops[0] == "==" else "==", *node.ops[1:]))
    if isinstance(node, tree.Boolean):
        yield node, replace(node, op="or" if node.op == "and" else "and")


def change_constant(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """3 becomes 4 or 2, `True` becomes `False`, a text another one."""
    if isinstance(node, tree.Literal):
        value = node.value
        if isinstance(value, bool):
            yield node, tree.Literal(not value)
        elif isinstance(value, int):
            yield node, tree.Literal(value + 1 if not value else rng.choice([value + 1, value - 1]))
        elif isinstance(value, float):
            yield node, tree.Literal(value * 0.75 + 0.125)
        elif isinstance(value, str):
            yield node, tree.Literal(value + "x")


def change_keyword(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """`stride=2` becomes `dilation=2`."""
    if isinstance(node, tree.Keyword):
        yield node, replace(node, name=rng.choice([k for k in KEYWORDS if k != node.name]))


def change_attribute(rng: Random, node: tree.Node, all_: Sequence[tree.Node]) -> Iterator[Change]:
    """`self.conv1` becomes `self.conv2`, in one place."""
    if isinstance(node, tree.Attribute):
        others = [n.name for n in all_ if isinstance(n, tree.Attribute) and n.value == node.value]
        others = [name for name in others if name != node.name]
        if others:
            yield node, replace(node, name=rng.choice(others))


def change_name(rng: Random, node: tree.Node, all_: Sequence[tree.Node]) -> Iterator[Change]:
    """A variable becomes another one, in one place."""
    if isinstance(node, Name):
        others = [n.id for n in all_ if isinstance(n, Name) and n.id != node.id]
        if others:
            yield node, Name(rng.choice(others))


def rename_module(_: Random, node: tree.Node, __: Sequence[tree.Node]) -> Iterator[Change]:
    """`self.conv` becomes `self.conv_` in the whole class, so that it still runs."""
    if isinstance(node, Class) and node.methods:
        kept = [n for n in tree.walk(node) if isinstance(n, tree.Assign)]
        own = [a.target.name for a in kept if isinstance(a.target, tree.Attribute)]
        for name in own[:1]:

            def renamed(part: tree.Node, name: str = name) -> tree.Node | None:
                if isinstance(part, tree.Attribute) and part.name == name:
                    return replace(part, name=f"{name}_")
                return None

            yield node, tree.rebuild(node, renamed)


def assign_in_place(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """`x = f(x)` becomes `x += f(x)`, and `x = a + b` becomes `a += b; x = a`, nearly."""
    if isinstance(node, tree.Assign) and isinstance(node.target, Name):
        yield node, tree.Augment(node.target, rng.choice("+*"), node.value)
        if isinstance(node.value, tree.Binary) and isinstance(node.value.left, Name):
            yield node, tree.Augment(node.value.left, node.value.op, node.value.right)
    if isinstance(node, tree.Augment):
        sum_ = tree.Binary(node.target, node.op, node.value)
        yield node, tree.Assign(node.target, sum_)


def work_in_place(_: Random, node: tree.Node, __: Sequence[tree.Node]) -> Iterator[Change]:
    """`nn.ReLU()` becomes `nn.ReLU(inplace=True)`."""
    if isinstance(node, tree.Call) and path(node.function) in IN_PLACE:
        named = [a for a in node.arguments if isinstance(a, tree.Keyword) and a.name == "inplace"]
        kept = tuple(a for a in node.arguments if a not in named)
        more = () if named else (tree.Keyword("inplace", tree.Literal(value=True)),)
        yield node, replace(node, arguments=(*kept, *more))


def unguard(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """`if self.training: …` without its condition, or the other way round."""
    if isinstance(node, Function | tree.For):
        for i, statement in enumerate(node.body):
            if isinstance(statement, tree.If):
                kept = rng.choice([statement.body, statement.orelse])
                yield node, replace(node, body=(*node.body[:i], *kept, *node.body[i + 1 :]))
    if isinstance(node, tree.If):
        yield node, replace(node, test=tree.Unary("not", node.test))


def drop_statement(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """One statement fewer."""
    if isinstance(node, Function | tree.For | tree.If) and len(node.body) > 1:
        i = rng.randrange(len(node.body))
        yield node, replace(node, body=node.body[:i] + node.body[i + 1 :])


def repeat_statement(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """One statement twice."""
    if isinstance(node, Function | tree.For | tree.If):
        i = rng.randrange(len(node.body))
        yield node, replace(node, body=node.body[: i + 1] + node.body[i:])


def exchange_statements(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """Two statements behind each other, the other way round."""
    if isinstance(node, Function | tree.For | tree.If) and len(node.body) > 1:
        i = rng.randrange(len(node.body) - 1)
        one, other = node.body[i : i + 2]
        yield node, replace(node, body=(*node.body[:i], other, one, *node.body[i + 2 :]))


def change_default(rng: Random, node: tree.Node, all_: Sequence[tree.Node]) -> Iterator[Change]:
    """`stride: int = 1` becomes `stride: int = 2`."""
    if isinstance(node, tree.Parameter) and isinstance(node.default, tree.Literal):
        for _, other in change_constant(rng, node.default, all_):
            assert isinstance(other, tree.Literal)
            yield node, replace(node, default=other)


def drop_item(rng: Random, node: tree.Node, _: Sequence[tree.Node]) -> Iterator[Change]:
    """A list or tuple with one item fewer, or with two of them exchanged."""
    if isinstance(node, tree.List | tree.Tuple) and len(node.items) > 1:
        i = rng.randrange(len(node.items) - 1)
        one, other = node.items[i : i + 2]
        yield node, replace(node, items=node.items[:i] + node.items[i + 1 :])
        yield node, replace(node, items=(*node.items[:i], other, one, *node.items[i + 2 :]))


CHANGES: Sequence[Changes] = (
    swap_arguments,
    drop_argument,
    swap_operands,
    change_operator,
    change_constant,
    change_keyword,
    change_attribute,
    change_name,
    rename_module,
    assign_in_place,
    work_in_place,
    unguard,
    drop_statement,
    repeat_statement,
    exchange_statements,
    change_default,
    drop_item,
)


def path(expr: tree.Expr) -> str:
    """`nn.ReLU` of its tree; nothing for what is no path."""
    match expr:
        case Name(id=name):
            return name
        case tree.Attribute(value=value, name=name):
            return f"{path(value)}.{name}"
    return ""


def without_annotations(*nodes: tree.Node) -> Iterator[tree.Node]:
    """Nodes and everything in them that is executed."""
    for node in nodes:
        yield node
        said: list[object] = []
        match node:
            case tree.Parameter(annotation=annotation) | tree.Assign(annotation=annotation):
                said = [annotation]
            case tree.Function(returns=returns):
                said = [returns]
            case tree.Field():
                return
        inner = (part for part in tree.children(node) if not any(part is other for other in said))
        yield from without_annotations(*inner)


def mutant(rng: Random, definitions: Definitions, change: Changes) -> Definitions | None:
    """The definitions with one change of a kind, None where there is nothing to change so.

    Annotations are left alone: what they say is the type checker's to find.
    """
    nodes = list(without_annotations(*definitions))
    candidates = list(nodes)
    rng.shuffle(candidates)
    for node in candidates:
        for before, after in change(rng, node, nodes):
            found = tuple(
                tree.rebuild(d, lambda n: after if n is before else None)  # noqa: B023 - used here
                for d in definitions
            )
            if found != definitions:
                return found  # type: ignore[return-value]  # definitions stay definitions
    return None
