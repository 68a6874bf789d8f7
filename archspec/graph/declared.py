"""What a spec declares beside its rows: its defaults, its blocks and their arguments, outputs."""

from collections.abc import Iterator, Mapping
from keyword import iskeyword

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.foreign import suggest_key, suggest_op
from archspec.diagnostics.language import InvalidName, InvalidValue, UnknownKey, UnknownOp
from archspec.expressions import CONSTANTS, FUNCTIONS, UNKNOWN, Reference, Value, Word
from archspec.graph import arriving
from archspec.graph.names import problem_with
from archspec.graph.values import evaluate
from archspec.language.model import Block, Spec
from archspec.language.rows import SUGAR
from archspec.ops import OPS, OPS_BY_NAME

RESERVED = frozenset({*arriving.NAMES, "i", "j", *FUNCTIONS, *CONSTANTS})
"""What no variable, argument or column of `each` can be called: it means something already."""


def references(spec: Spec) -> dict[str, Value]:
    """The names of ops and blocks, and the words of attributes, as values of expressions."""
    return {**_KNOWN, **{name: Reference(name) for name in spec.blocks}}


_WORDS = {word: Word(word) for op in OPS for words in op.words.values() for word in words}
_KNOWN: Mapping[str, Value] = {**_WORDS, **{name: Reference(name) for name in OPS_BY_NAME}}


def check(spec: Spec) -> Iterator[Diagnostic]:
    """The faults of what is declared, used or not."""
    yield from _defaults(spec)
    known = references(spec)
    for block in spec.blocks.values():
        yield from _block(block, known)
    for output in spec.outputs:
        unusable = iskeyword(output.name) or output.name.startswith("_")
        if unusable or not _is_identifier(output.name):
            yield InvalidName(
                ("outputs", output.name),
                on_key=True,
                what="an output",
                name=output.name,
                reason="it names a field in generated code" if unusable else _IDENTIFIER,
            )


def reserved(name: str) -> str | None:
    """Why a variable, an argument or a column of `each` cannot be called so, None if it can."""
    if not _is_identifier(name):
        return _IDENTIFIER
    return "it has a meaning of its own in expressions" if name in RESERVED else None


_IDENTIFIER = "it has to be a Python identifier, in ASCII"


def _is_identifier(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def _defaults(spec: Spec) -> Iterator[Diagnostic]:
    for name, attributes in spec.defaults.items():
        where: SpecPath = ("defaults", name)
        cls = OPS_BY_NAME.get(name)
        if cls is None:
            help_ = suggest_op(name, OPS_BY_NAME)
            if name in spec.blocks:
                help_ = f"the block `{name}` has its defaults in its `args`"
            yield UnknownOp(where, on_key=True, op=name, help=help_)
            continue
        known = [*cls.model_fields, *cls.aliases, *SUGAR]
        for key, written in attributes.items():  # also those of ops that no row uses
            if key not in known:
                fault = UnknownKey((*where, key), on_key=True, owner=name, key=key)
                fault.help = suggest_key(key, known, name, written)
                yield fault


def _block(block: Block, known: dict[str, Value]) -> Iterator[Diagnostic]:
    reason = problem_with(block.name, makes_module=False)
    if block.name.isdigit():
        reason = "it becomes the name of a class"
    if block.name in OPS_BY_NAME:
        reason = "there is an op of that name"
    if reason:
        yield InvalidName(block.at, on_key=True, what="a block", name=block.name, reason=reason)
    yield from _inputs(block)
    names = {**known} if block.args else {}
    for name in block.args:
        yield from _default(block, name, names)
    for kind, what in (("args", "an argument"), ("vars", "a variable")):
        for name, value in (block.args if kind == "args" else block.vars).items():
            where = (*block.at, kind, name)
            reason = reserved(name)
            if kind == "vars" and name in block.args:
                reason = "the block has an argument of that name"
            if reason:
                yield InvalidName(where, on_key=True, what=what, name=name, reason=reason)
            if kind == "vars" and value is None:
                problem = f"`{name}` has no value; what the rows give is one of the `args`"
                yield InvalidValue(where, on_key=True, problem=problem)


def _inputs(block: Block) -> Iterator[Diagnostic]:
    """The faults of what a block calls its inputs, which `from` and expressions speak of."""
    for i, name in enumerate(block.inputs):
        reason = None if _is_identifier(name) else _IDENTIFIER
        if name in ("input", "none", "previous"):
            reason = "it means something of its own in `from`"
        elif name in block.args or name in block.vars:
            reason = "the block has an argument or a variable of that name"
        elif iskeyword(name):
            reason = "it becomes a name in Python"
        if reason:
            where = (*block.at, "inputs", i if block.inputs_listed else name)
            on_key = not block.inputs_listed
            fault = InvalidName(
                where, on_key=on_key, what="an input", name=name[:64], reason=reason
            )
            yield fault


def _default(block: Block, name: str, names: dict[str, Value]) -> list[Diagnostic]:
    """The faults of an argument's default, also where every use gives a value.

    It may speak of ops, blocks and the arguments before it, of which nothing is known here.
    """
    faults: list[Diagnostic] = []
    evaluate(block.args[name], names, (*block.at, "args", name), faults)
    names[name] = UNKNOWN
    return faults
