"""A module's page: definitions, and everything around them, laid out by the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec.targets.python.printer import INDENT, lines, signature, statements
from archspec.targets.python.text import flat
from archspec.targets.python.tree import Class, Field, Function, List, Literal, names_in
from archspec.targets.torch.helpers import HELPERS, WITHOUT_F
from archspec.targets.torch.names import in_order
from archspec.targets.torch.templates import lay_out


@dataclass(frozen=True)
class Module:
    """What a file holds: `constants` are lines, `exported` the names in `__all__`.

    `clamped` says that the padding that a helper works out might be less than none.
    """

    docstring: str
    exported: Sequence[str]
    constants: Sequence[str]
    classes: Sequence[Class]
    functions: Sequence[Function]
    clamped: bool = False


def render(module: Module, templates: Path | None = None) -> str:
    """The text of a module, as `ruff format` leaves it.

    `templates` is a folder of somebody's own, which come first. Raises `TemplateFault`.
    """
    names = names_in(*module.classes, *module.functions)
    helpers = _helpers(names)
    page = {
        "docstring": module.docstring,
        "imports": _imports(names, helpers),
        "exported": _exported(module.exported),
        "constants": list(module.constants),
        "helpers": helpers,
        "clamped": module.clamped,
        "classes": [_class(cls) for cls in module.classes],
        "functions": [_function(function, 0) for function in module.functions],
    }
    return lay_out(page, templates)


def _exported(names: Sequence[str]) -> list[str]:
    """`__all__`, in which the network's class comes first, whatever a linter thinks of that."""
    first, *rest = lines("__all__ = ", List(tuple(map(Literal, names))), 0)
    reason = "" if [*names] == in_order(names) else "  # noqa: RUF022 - the network first"
    return [first + reason, *rest]


def _class(cls: Class) -> Mapping[str, object]:
    """What the template shows of a class."""
    return {
        "name": cls.name,
        "base": flat(cls.base),
        "docstring": cls.docstring,
        "fields": [_field(field) for field in cls.fields],
        "methods": [_function(method, INDENT) for method in cls.methods],
    }


def _field(field: Field) -> str:
    """The line of a field; one may be called as a method of tuples, whose place it takes."""
    line = f"{field.name}: {flat(field.annotation)}"
    if field.name not in ("count", "index"):
        return line
    return f"{line}  # type: ignore[assignment]  # in place of the tuple's own"


def _function(function: Function, indent: int) -> Mapping[str, object]:
    """What the template shows of a function or method."""
    return {
        "name": function.name,
        "signature": list(signature(function, indent)),
        "docstring": function.docstring,
        "body": list(statements(function.body, indent + INDENT)),
    }


def _helpers(names: frozenset[str]) -> list[str]:
    """The helpers that definitions with these names use, and what those need themselves."""
    needed = set(names & HELPERS.keys())
    needed.update(*(HELPERS[name] for name in list(needed)))
    return [name for name in HELPERS if name in needed]


def _imports(names: frozenset[str], helpers: Sequence[str]) -> list[list[str]]:
    """Import statements in two groups: the standard library's and torch's."""
    abstract = [name for name in ("Callable", "Sequence") if name in names]
    standard = [
        *(["import math"] if "math" in names else []),
        *(["from collections import OrderedDict"] if "OrderedDict" in names else []),
        *([f"from collections.abc import {', '.join(abstract)}"] if abstract else []),
        *(["from functools import partial"] if "partial" in names else []),
        *(["from typing import NamedTuple"] if "NamedTuple" in names else []),
    ]
    torch = ["import torch"] if "torch" in names or helpers else []
    if "F" in names or set(helpers) - WITHOUT_F:
        torch.append("import torch.nn.functional as F")
    return [group for group in (standard, [*torch, "from torch import nn"]) if group]
