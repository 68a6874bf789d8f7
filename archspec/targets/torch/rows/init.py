"""How parameters begin: what a constructor does with them after the modules are made."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from archspec.language.init import Scheme
from archspec.language.model import Step
from archspec.ops import channels_of
from archspec.ops.conv import Conv2d
from archspec.targets.python.tree import (
    Argument,
    Binary,
    Boolean,
    Call,
    Compare,
    Evaluate,
    Expr,
    For,
    If,
    Keyword,
    Literal,
    Name,
    Statement,
    call,
    dotted,
    literal,
)
from archspec.targets.torch.rows.facts import Facts, Leaf
from archspec.targets.torch.rows.refusal import CannotWrite

_SAME_CLASS = ("conv2d", "depthwise_conv2d")
"""Ops that both are an `nn.Conv2d`; groups tell them apart, where they do."""
MOST_PLACES = 8
"""A row that begins in its own way, and stands in more places of a class, has no short form."""


def init_statements(
    facts: Facts, class_names: Mapping[str, str], head: Callable[[str], Expr]
) -> list[Statement]:
    """The statements at the end of the network's constructor.

    First what the spec says of all modules of a kind, then what single rows say, of the network
    and of each block. `head` gives the class that an op stands for.
    """
    found = list(_over_modules(_of_kinds(facts, head)))
    root, blocks = _rows(facts)
    for path, leaf in root.items():
        found += _calls(leaf, "self", path)
    cases = []
    for block, rows in blocks.items():
        inner = [line for path, leaf in rows.items() for line in _calls(leaf, "module", path)]
        cases.append((_is_a(Name(class_names[block])), inner))
    return [*found, *_over_modules(cases)]


def _over_modules(cases: Sequence[tuple[Expr, list[Statement]]]) -> Iterator[Statement]:
    """A loop over all modules, with a branch for each kind that a test is for."""
    statements: tuple[Statement, ...] = ()
    for test, inner in reversed(cases):
        statements = (If(test, tuple(inner), statements),)
    if statements:
        yield For(Name("module"), call("self.modules"), statements)


def _is_a(*classes: Expr) -> Expr:
    """`isinstance(module, nn.Conv2d | nn.Linear)`."""
    joined, *others = dict.fromkeys(classes)
    for cls in others:
        joined = Binary(joined, "|", cls)
    return call("isinstance", Name("module"), joined)


def _of_kinds(facts: Facts, head: Callable[[str], Expr]) -> list[tuple[Expr, list[Statement]]]:
    """Tests for the ops that begin in the same way, and how they do."""
    kinds: dict[tuple[Statement, ...], list[str]] = {}
    by_op: dict[str, list[Leaf]] = {op: [] for op in (*facts.spec.init, *_SAME_CLASS)}
    for leaf in facts.all_kinds() if facts.spec.init else ():
        if leaf.node.op_name in by_op:
            by_op[leaf.node.op_name].append(leaf)
    for op, schemes in facts.spec.init.items():
        leaves = by_op[op]
        inner = tuple(line for parameter in schemes for line in _of_kind(leaves, parameter))
        if leaves and inner:
            kinds.setdefault(inner, []).append(op)
    return [
        (test, list(inner)) for inner, ops in kinds.items() for test in _tests(ops, by_op, head)
    ]


def _tests(
    ops: Sequence[str], by_op: Mapping[str, list[Leaf]], head: Callable[[str], Expr]
) -> Iterator[Expr]:
    """What tells the modules of these ops from all others."""
    own = [op for op in ops if op in _SAME_CLASS]
    has_groups = {op: {_groups(leaf) > 1 for leaf in by_op[op]} for op in _SAME_CLASS}
    mixed = len(own) == 1 and has_groups == {"conv2d": {False}, "depthwise_conv2d": {True}}
    joined = [op for op in ops if not mixed or op not in own]
    classes = [cls for op in joined for cls in _classes(by_op[op], head(op))]
    if classes:
        yield _is_a(*classes)
    if mixed:
        operator = "==" if own == ["conv2d"] else ">"
        known = Compare((dotted("module.groups"), Literal(1)), (operator,))
        yield Boolean("and", (_is_a(head(own[0])), known))


def _groups(leaf: Leaf) -> int:
    """The groups of a convolution: a depthwise one has as many as there are channels."""
    return leaf.op.groups if isinstance(leaf.op, Conv2d) else channels_of(leaf.arriving)


def _classes(leaves: Sequence[Leaf], head: Expr) -> list[Expr]:
    """The classes of an op's modules: batch norm has one for maps and one for vectors."""
    names = {f"nn.BatchNorm{i}d" for i in (1, 2)}
    if head not in {dotted(name) for name in names}:
        return [head]
    found = sorted({f"nn.BatchNorm{len(leaf.arriving) - 1 or 1}d" for leaf in leaves})
    return [dotted(name) for name in found]


def _of_kind(leaves: Sequence[Leaf], parameter: str) -> Iterator[Statement]:
    told = (leaf.node.module.init or {} for leaf in leaves if not _has_own(leaf, parameter))
    scheme = next((known[parameter] for known in told if parameter in known), None)
    if scheme is None:
        return  # every row says itself how it begins
    have = [parameter in {t.name for t in leaf.tensors} for leaf in leaves]
    if not any(have):
        return
    target = dotted(f"module.{parameter}")
    statement = _call(scheme, target)
    typed_optional = parameter == "bias" and "conv" in leaves[0].op.op_name
    if not all(have) or typed_optional:
        yield If(Compare((target, Literal(None)), ("is not",)), (statement,))
    else:
        yield statement


def _has_own(leaf: Leaf, parameter: str) -> bool:
    """Whether the row says itself how a parameter begins."""
    return leaf.node.step is not None and parameter in (leaf.node.step.init or {})


def _call(scheme: Scheme, target: Expr) -> Statement:
    """`nn.init.kaiming_normal_(module.weight, mode="fan_out")`."""
    options = dict(scheme.options)
    items: list[Argument] = [target]
    if scheme.name == "constant":
        items.append(literal(options.pop("value")))
    items += [Keyword(key, _number(value)) for key, value in options.items()]
    return Evaluate(Call(dotted(f"nn.init.{scheme.name}_"), tuple(items)))


def _number(value: Any) -> Expr:
    """A number as a person writes it: `math.sqrt(5)`."""
    if isinstance(value, float) and not value.is_integer():
        square = round(value**2)
        if value == math.sqrt(square):
            return call("math.sqrt", Literal(square))
    return literal(value)


def _rows(facts: Facts) -> tuple[dict[str, Leaf], dict[str, dict[str, Leaf]]]:
    """The rows that begin in their own way, by their path in the network or in a block."""
    root: dict[str, Leaf] = {}
    blocks: dict[str, dict[str, Leaf]] = {}
    bodies = [facts.spec.body, *(block.body for block in facts.spec.blocks.values())]
    for step in (step for body in bodies for step in body.every_step()):
        if not step.init:
            continue
        for leaf in facts.nodes_of(step):
            path = leaf.node.path.removeprefix(leaf.owner.path).lstrip(".")
            places = root
            if leaf.owner.block is not None:
                places = blocks.setdefault(facts.block_name(leaf.owner), {})
            before = places.setdefault(path, leaf)
            _require_same(step, before, leaf)
        if len(root) > MOST_PLACES:
            raise CannotWrite(step.at, "a row with `init` of its own is repeated in the network")
    return root, blocks


def _require_same(step: Step, one: Leaf, other: Leaf) -> None:
    if one.node.module.init != other.node.module.init:
        raise CannotWrite(step.where("init"), "options that differ from place to place")


def _calls(leaf: Leaf, owner: str, path: str) -> Iterator[Statement]:
    """What a row says itself; what the spec says of its kind has been done."""
    assert leaf.node.step is not None
    names = {tensor.name or "weight" for tensor in leaf.tensors}
    alone = any(tensor.name == "" for tensor in leaf.tensors)
    for parameter in islice(leaf.node.step.init or {}, MOST_PLACES):
        scheme = (leaf.node.module.init or {}).get(parameter)
        if scheme is None or parameter not in names:
            continue
        inner = path if alone else f"{path}.{parameter}"
        plain = all(part.isidentifier() for part in inner.split("."))
        target = (
            dotted(f"{owner}.{inner}") if plain else call(f"{owner}.get_parameter", Literal(inner))
        )
        yield _call(scheme, target)
