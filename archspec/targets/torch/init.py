"""How parameters begin: what a constructor does with them after the modules are made."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from archspec.language.init import Scheme
from archspec.language.model import Step
from archspec.targets.base import CannotWrite
from archspec.targets.torch.arguments import every_step
from archspec.targets.torch.facts import Facts, Leaf
from archspec.targets.torch.layout import INDENT, Bracketed, Keyword, lines
from archspec.targets.torch.text import spell
from archspec.targets.torch.unit import BODY

MOST_PLACES = 8
"""A row that begins in its own way, and stands in more places of a class, is refused."""


def init_lines(facts: Facts, class_names: Mapping[str, str], heads: Mapping[str, str]) -> list[str]:
    """The statements at the end of the network's constructor.

    First what the spec says of all modules of a kind, then what single rows say, of the network
    and of each block.
    """
    text = list(_of_kinds(facts, heads))
    root, blocks = _rows(facts)
    for path, leaf in root.items():
        text += _calls(facts, leaf, f"self.{path}", BODY)
    if blocks:
        text.append(f"{' ' * BODY}for module in self.modules():")
        word = "if"
        for block, rows in blocks.items():
            text.append(f"{' ' * (BODY + 4)}{word} isinstance(module, {class_names[block]}):")
            word = "elif"
            for path, leaf in rows.items():
                text += _calls(facts, leaf, f"module.{path}", BODY + 2 * INDENT)
    return text


def _of_kinds(facts: Facts, heads: Mapping[str, str]) -> Iterator[str]:
    """The loop over all modules: a branch for all ops that begin in the same way."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for op, schemes in facts.spec.init.items():
        leaves = [found for found in facts.all_leaves() if found.op.op_name == op]
        inner = [line for parameter in schemes for line in _of_kind(leaves, parameter)]
        if leaves and inner:
            kinds.setdefault(tuple(inner), []).extend(_classes(leaves, heads[op]))
    if not kinds:
        return
    yield f"{' ' * BODY}for module in self.modules():"
    word = "if"
    for inner_lines, classes in kinds.items():
        which = " | ".join(dict.fromkeys(classes))
        yield from lines(f"{word} isinstance", Bracketed("", ("module", which)), BODY + 4, ":")
        yield from inner_lines
        word = "elif"


def _classes(leaves: Sequence[Leaf], head: str) -> list[str]:
    """The classes of an op's modules: batch norm has one for maps and one for vectors."""
    if not head.startswith("nn.BatchNorm"):
        return [head]
    return sorted({f"nn.BatchNorm{len(leaf.arriving) - 1 or 1}d" for leaf in leaves})


def _of_kind(leaves: Sequence[Leaf], parameter: str) -> Iterator[str]:
    indent = BODY + 2 * INDENT
    told = (leaf.node.module.init or {} for leaf in leaves if not _has_own(leaf, parameter))
    scheme = next((known[parameter] for known in told if parameter in known), None)
    if scheme is None:
        return  # every row says itself how it begins
    have = [parameter in {t.name for t in leaf.tensors} for leaf in leaves]
    if not any(have):
        return
    typed_optional = parameter == "bias" and "conv" in leaves[0].op.op_name
    if not all(have) or typed_optional:
        yield f"{' ' * indent}if module.{parameter} is not None:"
        indent += INDENT
    yield from _call(scheme, f"module.{parameter}", indent)


def _has_own(leaf: Leaf, parameter: str) -> bool:
    """Whether the row says itself how a parameter begins."""
    return leaf.node.step is not None and parameter in (leaf.node.step.init or {})


def _call(scheme: Scheme, target: str, indent: int) -> Iterator[str]:
    """`nn.init.kaiming_normal_(module.weight, mode="fan_out")`."""
    options = dict(scheme.options)
    items: list[str | Keyword] = [target]
    if scheme.name == "constant":
        items.append(spell(options.pop("value")))
    for key, value in options.items():
        items.append(Keyword(key, f'"{value}"' if isinstance(value, str) else spell(value)))
    yield from lines("", Bracketed(f"nn.init.{scheme.name}_", tuple(items)), indent)


def _rows(facts: Facts) -> tuple[dict[str, Leaf], dict[str, dict[str, Leaf]]]:
    """The rows that begin in their own way, by their path in the network or in a block."""
    root: dict[str, Leaf] = {}
    blocks: dict[str, dict[str, Leaf]] = {}
    bodies = [facts.spec.body, *(block.body for block in facts.spec.blocks.values())]
    for step in (step for body in bodies for step in every_step(body)):
        if not step.init:
            continue
        for leaf in facts.nodes_of(step):
            path = leaf.node.path.removeprefix(leaf.owner.path).lstrip(".")
            block = leaf.owner.block
            places = root if block is None else blocks.setdefault(block.name, {})
            before = places.setdefault(path, leaf)
            _require_same(step, before, leaf)
        if len(root) > MOST_PLACES:
            raise CannotWrite(
                step.at, "a row with `init` of its own that is repeated in the network"
            )
    return root, blocks


def _require_same(step: Step, one: Leaf, other: Leaf) -> None:
    if one.node.module.init != other.node.module.init:
        raise CannotWrite(step.where("init"), "options that differ from place to place")


def _calls(facts: Facts, leaf: Leaf, target: str, indent: int) -> Iterator[str]:
    """What a row says itself; what the spec says of its kind has been done."""
    del facts
    assert leaf.node.step is not None
    names = {tensor.name or "weight" for tensor in leaf.tensors}
    for parameter in islice(leaf.node.step.init or {}, MOST_PLACES):
        scheme = (leaf.node.module.init or {}).get(parameter)
        if scheme is None or parameter not in names:
            continue
        alone = any(tensor.name == "" for tensor in leaf.tensors)
        path = target if alone else f"{target}.{parameter}"
        owner, _, rest = path.partition(".")
        plain = all(part.isidentifier() for part in rest.split("."))
        yield from _call(scheme, path if plain else f'{owner}.get_parameter("{rest}")', indent)
