"""A repeated step of which all places are brought together: `outs.append(block(outs[-1]))`."""

import re
from collections.abc import Collection, Sequence

from archspec.graph.network import INPUT_NAME
from archspec.graph.resolve import ALL
from archspec.language.model import Body, Control, Output, Step
from archspec.targets.python.tree import (
    Attribute,
    Call,
    Evaluate,
    Expr,
    For,
    Generator,
    Literal,
    Name,
    Starred,
    Statement,
    Subscript,
    Unary,
    call,
    dotted,
)
from archspec.targets.torch.rows.alike import SEQUENTIAL


def gathered_in(body: Body, outputs: Sequence[Output], blocks: Collection[str]) -> frozenset[str]:
    """The names of repeated blocks of which a `concat` reads all places, and nobody anything else.

    It reads them last, and before them what the first of them reads.
    """
    texts = [text for step in body.every_step() for text in _texts_of(step)]
    texts += [output.of for output in outputs]
    found = set()
    for i, step in enumerate(body.steps[:-1]):
        if step.name is None or step.op not in blocks or not _is_repeated(step):
            continue
        source = (body.steps[i - 1].name if i else INPUT_NAME) or ""
        source = step.inputs[0] if step.inputs else source
        mentions = [t for t in texts if re.search(rf"(?<![\w-]){re.escape(step.name)}(?![\w-])", t)]
        every = f"{step.name}.{ALL}"
        readers = [s for s in body.steps[i + 1 :] if (s.inputs or ())[-2:] == (source, every)]
        alone = mentions == [every] and body.steps[i + 1].inputs is not None
        if alone and len(readers) == 1 and readers[0].op == "concat" and not readers[0].spread:
            found.add(step.name)
    return frozenset(found)


def _is_repeated(step: Step) -> bool:
    """Whether a step is repeated, and that is all; each place reads the one before."""
    alone = step.control == Control(repeat=step.control.repeat) if step.control else False
    return alone and step.spread and len(step.inputs or ("",)) == 1 and not step.sugar


def _texts_of(step: Step) -> list[str]:
    """What a step reads, or stands for where it is left out."""
    return [*(step.inputs or ()), (step.control and step.control.otherwise) or ""]


def as_list(module: Expr | None) -> Call | None:
    """`nn.ModuleList(… for …)` for modules that are repeated in a row; None for anything else."""
    match module:
        case Call(function=function, arguments=(Starred(value=Generator() as made),)):
            return call("nn.ModuleList", made) if function == SEQUENTIAL else None
    return None


def appending(outputs: str, block: str, attribute: str) -> Statement:
    """`for block in self.m: outputs.append(block(outputs[-1]))`."""
    last = Subscript(Name(outputs), Unary("-", Literal(1)))
    made = Call(Name(block), (last,))
    append = Evaluate(Call(Attribute(Name(outputs), "append"), (made,)))
    return For(Name(block), dotted(f"self.{attribute}"), (append,))
