"""Networks as the text of a module: as a person would write it where that is right, else plain."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.graph.build import bind, build
from archspec.graph.network import Network
from archspec.graph.tail import with_tail
from archspec.language.model import Spec
from archspec.ops import Op, channels_of
from archspec.targets.python.tree import (
    Argument,
    Call,
    Class,
    Function,
    Keyword,
    Literal,
    Name,
    Return,
    Unary,
)
from archspec.targets.torch import describe
from archspec.targets.torch.emit.padding import leaps
from archspec.targets.torch.helpers import HELPERS
from archspec.targets.torch.length import TooLong, require, require_few_lines, require_few_rows
from archspec.targets.torch.module import Module, render
from archspec.targets.torch.names import (
    capitalised,
    class_name,
    in_order,
    member_name,
    usable_argument,
)
from archspec.targets.torch.plain import Plain
from archspec.targets.torch.rows.annotations import fitted
from archspec.targets.torch.rows.classes import Classes
from archspec.targets.torch.rows.drafts import Draft, parameters_of
from archspec.targets.torch.rows.facts import Facts, Member, scopes_of
from archspec.targets.torch.rows.kinds import FINEST, MOST_KINDS, kinds_of
from archspec.targets.torch.rows.polish import polish
from archspec.targets.torch.rows.refusal import CannotWrite
from archspec.targets.torch.rows.same import without_doubles
from archspec.targets.torch.signatures import BadCall
from archspec.targets.torch.storage import Mismatch
from archspec.targets.torch.validate import Validator


class Written(NamedTuple):
    """A module's text; where it is the plain form, why nothing else came out right.

    `where` is the row in whose way the rules were, if it is one.
    """

    text: str
    reason: str = ""
    where: SpecPath = ()


class Form(NamedTuple):
    """Classes, the functions of a family, and what each member is made by.

    `before` are the classes as they were before they were polished.
    """

    classes: Sequence[Class]
    functions: Sequence[Function]
    makers: Sequence[str]
    exported: Sequence[str]
    before: Sequence[Class] = ()


def write_module(
    members: Sequence[Member], family: str | None = None, templates: Path | None = None
) -> Written:
    """The text of a module for networks without errors.

    One network is a class; the members of a family, called `family`, are one class and a function
    each. Nothing is written that was not compared with the networks, node by node; what somebody's
    own `templates` make of it is theirs. Raises `TooLong`, and `TemplateFault` about those.
    """
    require_few_rows(member.network for member in members)
    form, reason, where = _right_form(members, family)
    text = _text(form, members, family, templates)
    require(text.count("\n"), reason)
    return Written(text, reason, where)


def _right_form(members: Sequence[Member], family: str | None) -> tuple["Form", str, SpecPath]:
    """The form that is equal to the networks; where it is the plain one, why, and which row."""
    closed: frozenset[str] = frozenset()
    split: dict[str, int] = {}
    while True:
        try:
            form = _from_rows(members, family, closed, split)
            require_few_lines(form.classes)
            form, wrong = _compared(form, members)
            if wrong is None:
                return form, "", ()
            if wrong in closed:
                raise Mismatch(f"{wrong} stays an argument")  # noqa: TRY301 - caught as the others
            closed |= {wrong}
        except TooLong:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the rules miss, something is written
            block = _of_several_kinds(error, members, split)
            if block is not None:
                split[block] = split.get(block, -1) + 1
                continue
            expected = isinstance(error, CannotWrite | Mismatch | BadCall)
            reason = str(error) if expected else f"no rule has a form for it ({error})"
            try:
                form = _plain(members, family)
            except TooLong:
                raise TooLong(reason) from None
            _validate(form, members)
            return form, reason, error.where if isinstance(error, CannotWrite) else ()


def _of_several_kinds(
    error: Exception, members: Sequence[Member], split: Mapping[str, int]
) -> str | None:
    """The block at which something went wrong, if it is to be several; the innermost first."""
    networks = [member.network for member in members]
    blocks: list[str] = []
    if isinstance(error, CannotWrite) and error.where[:1] == ("blocks",) and error.where[1:]:
        blocks = [str(error.where[1])]
    elif isinstance(error, Mismatch) and error.path:
        scopes = (item for network in networks for item in scopes_of(network.root))
        around = [s for s in scopes if s.block and f"{error.path}.".startswith(f"{s.path}.")]
        blocks = [s.block.name for s in reversed(around) if s.block]
    for block in dict.fromkeys(blocks):
        name = _as_written(block, networks[0].spec)
        finely = split.get(name, -1) + 1
        before = len(kinds_of(networks, name, finely - 1)) if finely else 1
        if finely <= FINEST and before < len(kinds_of(networks, name, finely)) <= MOST_KINDS:
            return name
    return None


def _as_written(block: str, spec: Spec) -> str:
    """What the spec calls a block that may be one of several kinds: `Unit` for `Unit2`."""
    return block if block in spec.blocks else block.rstrip("_0123456789") or block


# --- comparing ------------------------------------------------------------------------------------


def _compared(form: Form, members: Sequence[Member]) -> tuple[Form, str | None]:
    """The form, or where that is wrong the one before it was polished, and what `_validate` says.

    Raises `Mismatch` where both are wrong.
    """
    try:
        return form, _validate(form, members)
    except (Mismatch, BadCall):
        if form.before in ((), form.classes):
            raise
        form = form._replace(classes=form.before)
        return form, _validate(form, members)


def _validate(form: Form, members: Sequence[Member]) -> str | None:
    """Raise `Mismatch` unless the code makes the networks.

    The result is an argument with another value of which it does not, None where there is none.
    """
    written: tuple[Class | Function, ...] = (*form.classes, *form.functions)
    definitions = {definition.name: definition for definition in written}
    with closing(Validator(definitions.values())) as validator:
        for member, maker in zip(members, form.makers, strict=True):
            validator.validate(member.network, maker, {})
            for argument, value in _open(definitions[maker]):
                if not _is_right_otherwise(validator, member, maker, argument, value):
                    return argument
    return None


def _is_right_otherwise(
    validator: Validator, member: Member, maker: str, argument: str, value: Any
) -> bool:
    """Whether the same holds with the first other value of an argument that the spec takes.

    Nothing is known of a number for which it takes none of those tried.
    """
    others = _others(value)
    for other in others:
        network = _built(member.network, {argument: other})
        if network is not None:
            try:
                validator.validate(network, maker, {argument: other})
            except Mismatch:
                return False
            return True
    return not others or argument not in member.network.spec.vars


def _open(made: "Class | Function") -> Iterator[tuple[str, Any]]:
    """The arguments of a class or function that have a number as their default."""
    function = made.method("__init__") if isinstance(made, Class) else made
    for parameter in function.parameters if function is not None else ():
        match parameter.default:
            case Literal(value=value):
                yield parameter.name, value
            case Unary(op="-", operand=Literal(value=int() | float() as value)):
                yield parameter.name, -value


def _others(value: Any) -> list[Any]:
    """Other values to try, the first of which the spec takes."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2, value * 4, value // 2, value - 1, value + 2, value - 2]
    return [value / 2 + 0.125] if isinstance(value, float) else []


def _built(network: Network, others: Mapping[str, Any]) -> Network | None:
    """The network with another value of a variable, None where the spec does not take that."""
    if any(name not in network.spec.vars for name in others):
        return None
    overrides = {**_overrides(network), **others}
    faults: list[Diagnostic] = []
    names = bind(network.spec, overrides, faults)
    changed = None if faults else with_tail(network, names)
    if changed is not None:
        return changed
    made, faults = build(network.spec, overrides, network.memory)
    return None if any(fault.severity == "error" for fault in faults) else made


def _overrides(network: Network) -> dict[str, Any]:
    """The variables that were given to a network, which its spec says otherwise."""
    given: dict[str, Any] = {}
    while True:
        bound = bind(network.spec, given, [])
        others = (name for name, value in network.vars.items() if bound.get(name) != value)
        first = next(others, None)  # those behind it may follow from it
        if first is None or first in given:
            return given
        given[first] = network.vars[first]


# --- the forms ------------------------------------------------------------------------------------


def _from_rows(
    members: Sequence[Member], family: str | None, closed: frozenset[str], split: Mapping[str, int]
) -> Form:
    """What a person would write: a block is a class, a repetition a loop, a condition an `if`."""
    facts = Facts(members, split)
    taken = frozenset(HELPERS) | {member.name for member in members if family}
    name = class_name(family or members[0].network.spec.name, taken)
    classes = Classes(facts, taken | {name})
    network = classes.network(name, closed)
    network.docstring = describe.network_docstring(members, family)
    drafts = [*classes.blocks.values(), network]
    functions = [_function(classes, network, member) for member in members] if family else []
    before = [cls for draft in drafts for cls in _documented(draft)]
    polish(drafts, functions)
    spec = members[0].network.spec  # that of `facts` has a block for each kind
    of_blocks = {draft.name: _as_written(b, spec) for b, draft in classes.blocks.items()}
    return Form(
        without_doubles([cls for draft in drafts for cls in _documented(draft)], of_blocks),
        functions,
        [function.name for function in functions] or [name],
        [name, *in_order(function.name for function in functions)],
        before,
    )


def _documented(draft: Draft) -> list[Class]:
    *before, own = draft.classes()
    text = describe.docstring(capitalised(draft.docstring), draft.title)
    return [*before, replace(own, docstring=text)]


def _function(classes: Classes, network: Draft, member: Member) -> Function:
    """The function that makes a member: what it sets is fixed, the rest stays an argument."""
    unit = classes.plain_unit()
    varying = classes.facts.varying
    stays = [argument for argument in network.arguments if argument.key not in varying]
    items: list[Argument] = []
    if network.takes_channels:
        channels = channels_of(member.network.input_shape or (0,))
        items.append(Keyword("in_channels", Literal(channels)))
    for argument in network.arguments:
        if argument.key in varying:
            value = member.network.vars[argument.key]
            record = classes.records.get(argument.key)
            expr = fitted(unit.table(value), argument.annotation)
            if record is not None:
                expr = record.table(value, unit.known)  # type: ignore[arg-type]  # it is a table
            if argument.default is None or expr != argument.default:
                items.append(Keyword(argument.name, expr))
        else:
            items.append(Keyword(argument.name, Name(argument.name)))
    return Function(
        _function_name(member),
        parameters_of(stays),
        Name(network.name),
        (Return(Call(Name(network.name), tuple(items))),),
        describe.function_docstring(member),
    )


def _plain(members: Sequence[Member], family: str | None) -> Form:
    """The plain form: a class for each network, and for each of its parts."""
    plain = Plain({*HELPERS, *(member.name for member in members if family)})
    makers = []
    for member in members:
        name = plain.fresh(_class_of(member, family))
        plain.write(member.network, name, describe.network_docstring([member], None))
        makers.append(name)
    if not family:
        return Form(plain.definitions, [], makers, makers)
    functions = [
        Function(
            _function_name(member),
            (),
            Name(name),
            (Return(Call(Name(name))),),
            describe.function_docstring(member),
        )
        for member, name in zip(members, makers, strict=True)
    ]
    names = [function.name for function in functions]
    exported = (*in_order(makers), *in_order(names))
    return Form(plain.definitions, functions, names, exported)


def _class_of(member: Member, family: str | None) -> str:
    """What a network's own class is called after."""
    if not family:
        return member.network.spec.name
    variant = member.network.spec.variant
    return member_name(member.name, variant.title if variant else None, family)


def _function_name(member: Member) -> str:
    return member.name if usable_argument(member.name) else f"{member.name}_net"


def _text(form: Form, members: Sequence[Member], family: str | None, templates: Path | None) -> str:
    return render(
        Module(
            docstring=describe.module_docstring(members, family),
            exported=form.exported,
            constants=describe.constants(members, family),
            classes=form.classes,
            functions=form.functions,
            clamped=any(map(leaps, _ops(members))),
        ),
        templates,
    )


def _ops(members: Sequence[Member]) -> Iterable[Op | None]:
    """The ops of all networks, each once."""
    ops = (node.module.op for member in members for node in member.network.nodes)
    return {id(op): op for op in ops}.values()
