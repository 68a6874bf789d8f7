"""Padding whose words are chosen by an expression: what PyTorch is told instead, numbers."""

from collections.abc import Sequence

from archspec.ops.conv import Convolution
from archspec.ops.sliding import Sliding
from archspec.targets.python.tree import Expr, Literal, Node, literal, rebuild, walk
from archspec.targets.torch.emit import Written
from archspec.targets.torch.emit.padding import plan
from archspec.targets.torch.rows.facts import Leaf, common
from archspec.targets.torch.rows.refusal import CannotWrite

_WORDS = {Literal("same"), Literal("valid")}


def padded_in_numbers(
    leaves: Sequence[Leaf], leaf: Leaf, attributes: dict[str, Written]
) -> tuple[Leaf, dict[str, Written]]:
    """`padding: same if stride == 1 else valid` as `1 if stride == 1 else 0`.

    The leaf is then one that is padded by a number. Where `same` is not one number in all of
    `leaves`, or is no number at all, nothing is changed.
    """
    written = attributes.get("padding")
    if not isinstance(written, Expr):
        return leaf, attributes
    if _WORDS.isdisjoint(walk(written)):
        refused = next((found for found in leaves if _is_refused(found)), None)
        if refused is not None:
            raise CannotWrite(refused.node.at, "PyTorch takes no `same` here, which is an argument")
        return leaf, attributes
    same = common(_number_of(leaf) for leaf in leaves if _is_same(leaf))
    if same is None and Literal("same") in walk(written):
        return leaf, attributes
    numbers: dict[Literal, Expr | None] = {Literal("valid"): Literal(0), Literal("same"): same}

    def number(node: Node) -> Node | None:
        return numbers.get(node) if isinstance(node, Literal) else None

    padding: Expr = rebuild(written, number)  # type: ignore[assignment]  # an expression stays one
    module = leaf.node.module
    op = leaf.op.model_copy(update={"padding": ((0, 0), (0, 0))})
    node = leaf.node._replace(module=module._replace(op=op))
    return leaf._replace(node=node), {**attributes, "padding": padding}


def _is_same(leaf: Leaf) -> bool:
    return isinstance(leaf.op, Sliding) and leaf.op.padding == "same"


def _is_refused(leaf: Leaf) -> bool:
    """Whether PyTorch takes no word in the place of this padding."""
    takes = isinstance(leaf.op, Convolution) and leaf.op.strides == (1, 1)
    return _is_same(leaf) and not takes


def _number_of(leaf: Leaf) -> Expr | None:
    """What `same` comes to, if that is the same at both ends whatever arrives."""
    assert isinstance(leaf.op, Sliding)
    planned = plan(leaf.op, leaf.arriving)
    if planned.kind != "native":
        return None
    height, width = planned.pair
    return literal(height if height == width else (height, width))
