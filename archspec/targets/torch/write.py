"""From networks to the text of a module: what a person would write where that is right, else plain."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from archspec.graph.build import build
from archspec.graph.network import Network
from archspec.language.model import Spec
from archspec.targets.base import CannotWrite
from archspec.targets.python import reader
from archspec.targets.python.tree import Call, Class, Function, Literal, Name, Return
from archspec.targets.torch import page
from archspec.targets.torch.emit.padding import leaps
from archspec.targets.torch.facts import Member
from archspec.targets.torch.module import Module, render
from archspec.targets.torch.names import class_name, usable_argument
from archspec.targets.torch.plain import Plain
from archspec.targets.torch.validate import Mismatch, Validator


class Written(NamedTuple):
    """A module's text; where it is the plain form, why nothing else came out right."""

    text: str
    reason: str = ""


def write_module(members: Sequence[Member], family: str | None = None) -> Written:
    """The text of a module for networks without errors."""
    try:
        text = page.write_module(members, family)
        _validate(text, members, family)
    except CannotWrite as error:
        return _plain(members, family, error.problem)
    except (Mismatch, SyntaxError, reader.CannotRead) as error:
        return _plain(members, family, str(error))
    except Exception as error:  # noqa: BLE001
        return _plain(members, family, repr(error))
    return Written(text)


def _validate(text: str, members: Sequence[Member], family: str | None) -> None:
    kinds = ast.ClassDef | ast.FunctionDef
    body = [node for node in ast.parse(text).body if isinstance(node, kinds)]
    own = [reader._top(node) for node in body if node.name not in page.HELPERS]
    validator = Validator(own)  # type: ignore[arg-type]
    names = ast.literal_eval(text.split("__all__ = ")[1].split("]")[0] + "]")
    for member in members:
        name = names[0]
        if family:
            name = member.name if usable_argument(member.name) else f"{member.name}_net"
        validator.validate(member.network, name, {})
        function = next(d for d in own if d.name == name)
        for argument, network in _otherwise(member, function):
            validator.validate(network, name, argument)


def _otherwise(member: Member, made: Any) -> Any:
    """The network with another value of each open argument."""
    method = made.method("__init__") if isinstance(made, Class) else made
    parameters = [] if method is None else method.parameters
    for parameter in parameters:
        if not isinstance(parameter.default, Literal):
            continue
        value = parameter.default.value
        for other in _others(value):
            network = _built(member.network.spec, {parameter.name: other})
            if network is not None:
                yield {parameter.name: other}, network
                break


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2, value * 4, value // 2]
    if isinstance(value, float):
        return [value / 2 + 0.125]
    return []


def _built(spec: Spec, overrides: Mapping[str, Any]) -> Network | None:
    if any(name not in spec.vars for name in overrides):
        return None
    network, faults = build(spec, overrides)
    return None if any(fault.severity == "error" for fault in faults) else network


def _plain(members: Sequence[Member], family: str | None, reason: str) -> Written:
    plain = Plain(page.HELPERS)
    functions = []
    taken = frozenset(page.HELPERS)
    names = []
    for member in members:
        spec = member.network.spec
        base = class_name((member.name if family else spec.name), taken | plain.taken)
        name = plain.fresh(base)
        cls = plain.write(member.network, name)
        names.append(name)
        if family:
            function = member.name if usable_argument(member.name) else f"{member.name}_net"
            functions.append(
                Function(function, (), Name(name), (Return(Call(Name(name))),), "", )
            )
        del cls
    validator = Validator([*plain.definitions, *functions])
    for member, name in zip(members, names, strict=True):
        validator.validate(member.network, name, {})
    classes = [_documented(cls) for cls in plain.definitions]
    module = Module(
        docstring=page._module_docstring(members, family),
        exported=[*names, *(f.name for f in functions)],
        constants=page._constants(members, family),
        classes=classes,
        functions=functions,
        clamped=any(leaps(node.op) for m in members for node in m.network.nodes),
    )
    return Written(render(module), reason)


def _documented(cls: Class) -> Class:
    return cls
